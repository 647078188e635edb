"""Base64 as XML Schema writes it (XSD 1.0 part 2 §3.2.16): any white space between the characters, nothing else.

Python's own decoders either refuse the white space or skip whatever they do not know; a signed document must
suffer neither.  Large texts pass through here, so each step is one pass over the bytes, none makes a copy of them,
and what is wrong is told before anything is decoded.
"""

from __future__ import annotations

import binascii
from typing import Final

from broker.errors import Malformed

_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SPACES: Final = b" \t\r\n"


def decode(text: str | bytes, place: str = "") -> bytes:
    """Return the bytes; raise Malformed (`soap.base64`) at anything that is neither Base64 nor white space."""
    try:
        if isinstance(text, str):
            if not any(chr(space) in text for space in _SPACES):
                return _in_one_line(text)
            text = text.encode("ascii")
        _require(text)
        return binascii.a2b_base64(text)  # which skips the white space
    except ValueError as broken:  # as binascii's own Error is, and what is said of letters beyond ASCII
        raise Malformed("soap.base64", place=place) from broken


def _in_one_line(text: str) -> bytes:
    if len(text) % 4 or text.endswith("==="):  # Python takes a "=" too many, strict as it is
        raise ValueError
    return binascii.a2b_base64(text, strict_mode=True)


def _require(text: bytes) -> None:
    """Raise ValueError unless the text is Base64 with white space: many times as fast as to decode it."""
    rest = text.translate(None, _LETTERS)
    padding = rest.translate(None, _SPACES)
    letters = len(text) - len(rest)
    behind = text[text.index(b"=") :].translate(None, _SPACES) if padding else b""
    if padding not in (b"", b"=", b"==") or behind != padding or (letters + len(padding)) % 4:
        raise ValueError


def encode(content: bytes | memoryview) -> bytes:
    """Return Base64 in one line."""
    return binascii.b2a_base64(content, newline=False)
