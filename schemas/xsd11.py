"""A schema of XSD 1.1, and the second opinion on one of XSD 1.0: xmlschema's validator."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from email.message import Message
from itertools import islice
from typing import TYPE_CHECKING, Any, cast
from urllib.request import BaseHandler, OpenerDirector, Request
from urllib.response import addinfourl

from lxml import etree

from broker.errors import ConfigError
from broker.model import Flaw
from schemas.diagnosis import MOST

if TYPE_CHECKING:
    from xmlschema import XMLSchemaBase

# xmlschema wants a local scheme so that a relative schemaLocation works; its opener below knows no files all the same.
_LOCAL_BASE = "file:///goniec/"


class Xsd11:
    """Some eighty times slower than libxml2's validator, and knows assertions.  Thread-safe."""

    def __init__(self, files: Mapping[str, bytes], path: str) -> None:
        import xmlschema  # noqa: PLC0415 - costs a tenth of a second, and most catalogues have no XSD 1.1

        self._broken = xmlschema.XMLSchemaException
        opener = OpenerDirector()
        opener.add_handler(_PinnedHandler(files))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # an import that fails is only a warning there
                self._schema: XMLSchemaBase = xmlschema.XMLSchema11(
                    _LOCAL_BASE + path, allow="local", defuse="always", opener=opener, use_fallback=False
                )
        except (xmlschema.XMLSchemaException, Warning, OSError, SyntaxError, ValueError) as error:
            raise ConfigError([f"{path}: {str(error).replace(_LOCAL_BASE, '')}"]) from error

    def flaws(self, element: etree._Element) -> Sequence[Flaw]:
        try:
            # It takes lxml's elements as well as its own kind, which its type does not say.
            errors = islice(self._schema.iter_errors(cast("Any", element), use_location_hints=False), MOST)
            return tuple(
                Flaw(path=error.path or "/", line=error.sourceline or 0, message=error.reason or "Not valid.")
                for error in errors
            )
        except self._broken as error:
            return (Flaw(path="/", line=element.sourceline or 0, message=str(error)),)


class _PinnedHandler(BaseHandler):
    """The only handler of xmlschema's opener, so that no file or host can be reached through it."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files

    def file_open(self, request: Request) -> addinfourl:
        """Serve a file of the folder; raise OSError for anything else."""
        content = self.files.get(request.full_url.removeprefix(_LOCAL_BASE))
        if content is None:
            raise OSError(f"{request.full_url} is not in the schema folder")
        return addinfourl(io.BytesIO(content), Message(), request.full_url)
