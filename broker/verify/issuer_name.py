"""Whether `ds:X509IssuerName` names the issuer of a certificate.

Signing programs write distinguished names in many ways: either order, `E=` or `EMAILADDRESS=` or an OID,
values quoted, escaped or as `#` and hexadecimal DER.  The certificate's digest, which is signed as well, tells
certificates apart; the name must not contradict it.  So the *values* are compared, in any order, with case and
white space folded (RFC 5280 §7.1), and the spelling of the attributes' types is not.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from asn1crypto import core
from cryptography import x509

_ATTRIBUTE: Final = re.compile(
    r"""\s*[A-Za-z0-9. -]+?\s*=\s*("(?:\\.|[^"\\])*"|(?:\\.|[^,;+"\\])*)\s*(?:[,;+]|$)""", re.DOTALL
)
_HEX_ESCAPES: Final = re.compile(r"(?:\\[0-9a-fA-F]{2})+")
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_LONGEST: Final = 4096


def names(written: str, issuer: x509.Name) -> bool:
    """Return whether the text says the same as the name."""
    values = _values(written)
    return values is not None and values == Counter(_fold(_text(attribute.value)) for attribute in issuer)


def _values(written: str) -> Counter[str] | None:
    values: Counter[str] = Counter()
    position = 0
    if len(written) > _LONGEST:
        return None
    while written[position:].strip():
        match = _ATTRIBUTE.match(written, position)
        if match is None or match.end() == position:
            return None
        value = _value(match[1])
        if value is None:
            return None
        values[_fold(value)] += 1
        position = match.end()
    return values


def _value(written: str) -> str | None:
    bare = written.strip()
    if bare.startswith("#"):
        return _der(bare[1:])
    if bare.startswith('"'):
        written = bare[1:-1]
    try:
        unescaped = _HEX_ESCAPES.sub(lambda m: bytes.fromhex(m[0].replace("\\", "")).decode("utf-8"), written)
    except UnicodeDecodeError:
        return None
    return _ESCAPE.sub(r"\1", unescaped)


def _der(digits: str) -> str | None:
    """Return the text of a value written as hexadecimal DER (RFC 4514 §2.4)."""
    try:
        value = core.load(bytes.fromhex(digits), strict=True).native
    except (ValueError, TypeError, KeyError):
        return None
    return value if isinstance(value, str) else None


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _fold(value: str) -> str:
    return " ".join(value.split()).casefold()
