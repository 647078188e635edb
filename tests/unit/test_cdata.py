"""Sections of CDATA that part a text are found, wherever they stand and whatever stands around them."""

from __future__ import annotations

from xml.parsers import expat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.cdata import parting


@pytest.mark.parametrize(
    "content",
    [
        "1<![CDATA[00]]>",
        "<![CDATA[1]]>00",
        "<![CDATA[]]>100",
        "<![CDATA[1]]><![CDATA[00]]>",
        "<![CDATA[]]><![CDATA[100]]>",
        " <![CDATA[100]]>",
        "<![CDATA[1]]> 00",
        "<![CDATA[1]]>&#32;00",
        ">1<![CDATA[00]]>",
        "><![CDATA[100]]>",
        '"><![CDATA[100]]>',
        "<b c='>'/>1<![CDATA[00]]>",
        "<b c=\"'\" d='\">'>1</b>1<![CDATA[00]]>",
        "<!--c-->1<![CDATA[00]]>",
        "<?p?>1<![CDATA[00]]>",
        "<![CDATA[whole]]><b/>1<![CDATA[00]]>",
        "<![CDATA[1]]><!--<![CDATA[--><![CDATA[0]]>0",
    ],
)
def test_a_section_that_is_not_the_whole_of_a_text_is_found(content):
    for document in (f"<a>\n{content}</a>", f"<a>\n{content}<!-- --></a>"):
        assert parting(document.encode()) == 2


@pytest.mark.parametrize(
    "content",
    [
        "",
        "100",
        "<![CDATA[100]]>",
        "<![CDATA[]]>",
        "<![CDATA[100]]>\r\n\t ",
        "100<![CDATA[ \r\n\t]]>",
        " <![CDATA[]]> ",
        "<b/><![CDATA[100]]><b/>",
        "<b c='>' d=\"'>\"/><![CDATA[100]]>",
        "<b><![CDATA[1]]></b><b><![CDATA[2]]></b >",
        "<!-- 1 --><![CDATA[100]]>",
        "<![CDATA[1]]><!-- --><![CDATA[]]>",
        "<?p 1?><![CDATA[100]]>",
        "<![CDATA[<!-- <? <b> ]] ]]>",
        "1<!-- <![CDATA[00]]> -->",
        "1<?p <![CDATA[00]]> ?>",
        "1<!-- - -- <? --><?p <!-- ?>",
    ],
)
def test_a_section_that_is_the_whole_of_a_text_parts_nothing(content):
    assert parting(f"<a>{content}</a>".encode()) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-2", "cp1250"])
def test_a_section_is_found_in_every_encoding_that_is_read(encoding):
    mark = "\ufeff" if encoding.startswith("utf-16-") else ""
    for value, line in (("żółć…<![CDATA[ą]]>", 2), ("<![CDATA[ą]]>", None), ("ą", None)):
        text = f"{mark}<?xml version='1.0'?>\n<a>{value}</a>\n".replace("…", "" if encoding == "iso-8859-2" else "…")
        assert parting(text.encode(encoding)) == line


def test_lines_are_counted_from_the_first_octet():
    assert parting(b"\n<a>1<![CDATA[2]]></a>") == 2


def test_the_first_section_that_parts_a_text_is_the_one_that_is_told():
    assert parting(b"<a>\n<b><![CDATA[\n1]]></b>\n<b>1<![CDATA[\n0]]>0</b>\n<b>1<![CDATA[0]]></b></a>") == 4


_PIECES = [
    "1", " ", "\n", ">", "'", '"', "]", "]]", "&lt;", "<![CDATA[]]>", "<![CDATA[ ]]>", "<![CDATA[2]]>",
    "<![CDATA[<!--]]>", "<![CDATA[<?]]>", "<![CDATA[<b>]]>", "<!---->", "<!-- <![CDATA[3]]> -->", "<!--<?-->", "<?p?>",
    "<?p <![CDATA[4]]>?>", "<?p <!-- ?>", "<b/>", "<b c='>'/>", "<b c='\"' d=\"'>\">", "<b>5", "</b>", "</b\n>",
]  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=12))
def test_it_is_found_exactly_where_another_parser_tells_two_pieces_of_one_text(pieces):
    opened, content = 0, ""
    for piece in pieces:
        if piece.startswith("</b"):
            if not opened:
                continue
            opened -= 1
        elif piece.startswith("<b") and not piece.endswith("/>"):
            opened += 1
        content += piece
    document = f"<a>{content}{'</b>' * opened}</a>"
    try:
        parted = _parted(document.encode())
    except expat.ExpatError:  # "]]>" made of pieces
        return
    assert (parting(document.encode()) is not None) == parted


def _parted(document: bytes) -> bool:
    """Whether a piece of a text that says something stands right behind another, one of them a section."""
    events: list[str] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda *_: events.append("other")
    parser.EndElementHandler = lambda *_: events.append("other")
    parser.CommentHandler = lambda *_: events.append("other")
    parser.ProcessingInstructionHandler = lambda *_: events.append("other")
    parser.StartCdataSectionHandler = lambda: events.append("[")
    parser.EndCdataSectionHandler = lambda: events.append("]")
    parser.CharacterDataHandler = lambda text: events.append(f"text {text}")
    parser.Parse(document, True)
    joined: list[list[str]] = [[]]  # runs of pieces; each piece's text
    inside = False
    for event in events:
        if event == "other":
            joined.append([])
        elif event == "[":
            joined[-1].append("")
            inside = True
        elif event == "]":
            inside = False
            joined[-1].append("\0")  # ended: the next letters are another piece
        elif inside or (joined[-1] and joined[-1][-1] != "\0"):
            joined[-1][-1] += event.removeprefix("text ")
        else:
            joined[-1].append(event.removeprefix("text "))
    runs = [[piece for piece in run if piece != "\0"] for run in joined]
    return any(piece.strip(" \t\r\n") for run in runs for piece in run[1:])
