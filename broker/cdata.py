"""Sections of CDATA: whether one parts a text, told from the text, for no tree of ours shows where they were.

Canonical XML writes a section as its characters (Canonical XML 1.0 §1.1), so no digest tells where one begins or ends.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from typing import Final

_OPENED: Final = b"<![CDATA["
_ENDS: Final = {_OPENED: b"]]>", b"<!--": b"-->", b"<?": b"?>"}
_REMARK: Final = re.compile(rb"<(?:!\[CDATA\[|!--|\?)")
# A ">" may stand in a value; what is not quoted ends the tag.
_TAG: Final = re.compile(rb"""<[^"'>]*+(?:(?:"[^"]*+"|'[^']*+')[^"'>]*+)*+>""")
_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
_UTF_16: Final = {BOM_UTF16_LE: "utf-16-le", BOM_UTF16_BE: "utf-16-be"}


def parting(document: bytes) -> int | None:
    """Return the line of the first section that is not the whole of a text, None if there is none.

    A text and a section beside each other are two nodes to many readers (DOM Level 1, CDATASection), and who takes
    the first for the value misses the rest.  As with comments, nobody does where the rest is white space.

    The document is one that `broker.parse.read` took.  One pass over its octets, which it takes for ASCII wherever
    markup is looked for: so they are in all its encodings but UTF-16.
    """
    codec = _UTF_16.get(document[:2])
    if _OPENED.decode().encode(codec or "ascii") not in document:
        return None
    text = document.decode(codec).encode() if codec else document
    ended, behind_section = 0, False
    while remark := _REMARK.search(text, ended):
        opened, start, inside = remark[0], remark.start(), remark.end()
        end = text.index(_ENDS[opened], inside)
        after = end + len(_ENDS[opened])
        if opened == _OPENED and (
            (_past_space(text, inside) < end and _behind_text(text, ended, start, behind_section=behind_section))
            or text[_past_space(text, after)] != ord("<")
        ):
            return text.count(b"\n", 0, start) + 1
        ended, behind_section = after, opened == _OPENED
    return None


def _past_space(text: bytes, start: int) -> int:
    space = _SPACE.match(text, start)
    return space.end() if space else start


def _behind_text(text: bytes, ended: int, start: int, *, behind_section: bool) -> bool:
    """Whether text, or another section, stands right before `start`; at `ended` the comment, … before it ended."""
    opened = text.rfind(b"<", ended, start)  # in values and texts there is none
    if opened < 0:
        return behind_section or ended < start
    tag = _TAG.match(text, opened)
    return tag is None or tag.end() < start
