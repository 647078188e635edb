"""The Content-Type header (RFC 9110 §8.3), read strictly enough that two readers cannot see two things in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from broker.errors import Malformed

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = re.compile(rf"\s*({_NAME}/{_NAME})\s*")
_PARAMETER = re.compile(rf';\s*({_NAME})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"\s]*))\s*')
_QUOTED_PAIR = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaType:
    """A media type in lower case (`text/xml`) and its parameters, their names in lower case."""

    name: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)

    def get(self, parameter: str) -> str:
        """Return a parameter's value, empty if it is not there."""
        return self.parameters.get(parameter, "")


def media_type(header: str) -> MediaType:
    """Read the header's value; raise Malformed (`soap.content-type`) if it is no media type."""
    header = header.strip().rstrip(";")
    found = _TYPE.match(header)
    if found is None:
        raise Malformed("soap.content-type", place="Content-Type")
    parameters: dict[str, str] = {}
    at = found.end()
    while at < len(header):
        piece = _PARAMETER.match(header, at)
        if piece is None or piece[1].lower() in parameters:
            raise Malformed("soap.content-type", place="Content-Type")
        parameters[piece[1].lower()] = piece[3] if piece[2] is None else _QUOTED_PAIR.sub(r"\1", piece[2])
        at = piece.end()
    return MediaType(name=found[1].lower(), parameters=parameters)
