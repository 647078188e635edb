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

from asn1crypto import parser
from cryptography import x509

# In three steps, and no step ends with what the next may begin with: as one expression with white space allowed
# between its parts, 4,000 spaces kept it busy for minutes.
_TYPE: Final = re.compile(r"[A-Za-z0-9.\s-]+=\s*")
_WRITTEN: Final = re.compile(r""""(?:\\.|[^"\\])*"|(?:\\.|[^,;+"\\])*""", re.DOTALL)
_END: Final = re.compile(r"\s*(?:[,;+]|\Z)")
# Both at once, from the left: of two backslashes the second begins nothing.
_ESCAPED: Final = re.compile(r"(?P<octets>(?:\\[0-9a-fA-F]{2})+)|\\(?P<letter>.)", re.DOTALL)
# The types of strings in names (RFC 5280 §4.1.2.4, and IA5String of older attributes) by their universal tags, and how
# their characters are written: as the names in certificates are read.
_STRINGS: Final = {12: "utf-8", 19: "utf-8", 20: "utf-8", 22: "utf-8", 28: "utf-32-be", 30: "utf-16-be"}
LONGEST: Final = 4096
"""Characters: what is longer is the name of nobody."""


def names(written: str, issuer: x509.Name) -> bool:
    """Return whether the text says the same as the name."""
    values = _values(written)
    return values is not None and values == Counter(_fold(_text(attribute.value)) for attribute in issuer)


def _values(written: str) -> Counter[str] | None:
    values: Counter[str] = Counter()
    position = 0
    if len(written) > LONGEST:
        return None
    while written[position:].strip():
        named = _TYPE.match(written, position)
        found = _WRITTEN.match(written, named.end()) if named else None
        end = _END.match(written, found.end()) if found else None
        value = _value(found[0]) if found and end else None
        if end is None or value is None:
            return None
        values[_fold(value)] += 1
        position = end.end()
    return values


def _value(written: str) -> str | None:
    bare = written.strip()
    if bare.startswith("#"):
        return _der(bare[1:])
    if bare.startswith('"'):
        written = bare[1:-1]
    try:
        return _ESCAPED.sub(_unescaped, written)
    except UnicodeDecodeError:
        return None


def _unescaped(found: re.Match[str]) -> str:
    """Return what escaped octets of UTF-8, or one escaped letter, say (RFC 4514 §2.4)."""
    octets = found["octets"]
    return bytes.fromhex(octets.replace("\\", "")).decode("utf-8") if octets else found["letter"]


def _der(digits: str) -> str | None:
    """Return the text of a value written as hexadecimal DER (RFC 4514 §2.4), None if it is not one primitive string.

    Whatever else can be written so has values that no library reads, or reads without trouble.
    """
    try:
        class_, method, tag, _, content, _ = parser.parse(bytes.fromhex(digits), strict=True)
        codec = _STRINGS.get(tag) if (class_, method) == (0, 0) else None
        return None if codec is None else bytes(content).decode(codec)
    except ValueError:
        return None


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _fold(value: str) -> str:
    return " ".join(value.split()).casefold()
