"""Base64 as XML Schema writes it (XSD 1.0 part 2 §3.2.16): any white space between the characters, nothing else.

Python's own decoders either refuse the white space or skip whatever they do not know; a signed document must
suffer neither.  Large texts pass through here, so each step is one pass over the bytes and frees the last.
"""

from __future__ import annotations

import binascii

from broker.errors import Malformed


def decode(text: str | bytes, place: str = "") -> bytes:
    """Return the bytes; raise Malformed (`soap.base64`) at anything that is neither Base64 nor white space."""
    try:
        packed = (text.encode("ascii") if isinstance(text, str) else text).translate(None, b" \t\r\n")
        del text
        return binascii.a2b_base64(packed, strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as broken:
        raise Malformed("soap.base64", place=place) from broken


def encode(content: bytes) -> bytes:
    """Return Base64 in one line."""
    return binascii.b2a_base64(content, newline=False)
