"""Text that XML can hold (XML 1.0 §2.2)."""

from __future__ import annotations

import re

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def legal(text: str) -> str:
    """Return the text with U+FFFD in place of every character that XML cannot hold."""
    return _ILLEGAL.sub("\ufffd", text)
