"""Long documents are judged without making a text of them, and by the same words as short ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

import broker.parse
from broker.errors import Malformed, Rejection, TooLarge
from broker.parse import Limits, _cap_elements, _decoded, read

POLISH = "zażółć gęślą jaźń → "
LONG = 3_100_000 // len(POLISH)


def said(data: bytes, **limits: int) -> str:
    try:
        root = read(data, Limits(**limits))
    except Rejection as no:
        return f"{no.code} {no.place}"
    return etree.tostring(root.getroottree(), encoding="unicode")


# ── encodings ──


@pytest.mark.parametrize(
    ("encoding", "text"), [("UTF-8", POLISH), ("ISO-8859-2", POLISH[:-2]), ("windows-1250", "ąę€")]
)
def test_a_long_text_beyond_ascii_is_read_whole(encoding: str, text: str) -> None:
    text *= 3_100_000 // len(text)
    codec = "cp1250" if encoding == "windows-1250" else encoding
    root = read(f'<?xml version="1.0" encoding="{encoding}"?><a>{text}</a>'.encode(codec), Limits())
    assert root.text == text


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("broken", [b"\xff", b"\xc5", b"\xed\xa0\x80"])
def test_where_a_long_text_is_not_in_its_encoding_is_told(mark: bytes, broken: bytes) -> None:
    before = b"<a>" + POLISH.encode() * LONG
    with pytest.raises(Malformed) as no:
        read(mark + before + broken + b"</a>", Limits())
    assert no.value.code == "parse.not-in-encoding"
    assert no.value.place == f"byte {len(mark + before)}"


def test_a_letter_that_is_cut_off_at_the_end_of_a_long_text_is_told() -> None:
    data = b"<a/>" + POLISH.encode() * LONG + b"\xc5"
    with pytest.raises(Malformed) as no:
        read(data, Limits())
    assert (no.value.code, no.value.place) == ("parse.not-in-encoding", f"byte {len(data) - 1}")


def test_a_long_text_in_cp1250_that_holds_none_of_its_letters_is_refused() -> None:
    data = b'<?xml version="1.0" encoding="windows-1250"?><a>' + b"\xb9" * 3_100_000 + b"\x81</a>"
    with pytest.raises(Malformed) as no:
        read(data, Limits())
    assert no.value.code == "parse.not-in-encoding"


@given(text=st.text(max_size=40), codec=st.sampled_from(["utf-8", "iso-8859-2", "cp1250", "utf-16-le"]))
def test_a_long_text_fails_where_a_short_one_does_and_has_the_same_ascii(text: str, codec: str) -> None:
    data = text.encode(codec, "ignore")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broker.parse, "_HUGE", 0)
        patch.setattr(broker.parse, "_PIECE", 3)
        found = _decoded(data, codec)
    right = data.decode(codec)
    assert [it for it in found if it.isascii()] == [it for it in right if it.isascii()]


@given(data=st.binary(max_size=20), codec=st.sampled_from(["utf-8", "iso-8859-2", "cp1250"]))
def test_what_is_not_in_its_encoding_is_told_alike_short_or_long(data: bytes, codec: str) -> None:
    def start() -> int:
        try:
            _decoded(data, codec)
        except UnicodeDecodeError as error:
            return error.start
        return -1

    short = start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broker.parse, "_HUGE", 0)
        patch.setattr(broker.parse, "_PIECE", 3)
        assert start() == short


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_a_long_text_in_utf_16_is_read_whole_and_its_markup_is_counted(codec: str) -> None:
    mark = "\ufeff".encode(codec)
    text = POLISH * LONG
    assert read(mark + f"<a>{text}</a>".encode(codec), Limits()).text == text
    many = "<a>" + ("<b>" + "x" * 1_000 + "</b>") * 1_600 + "</c>"  # its octets look like markup in no other encoding
    assert said(mark + many.encode(codec), elements=1_500).startswith("parse.too-many-elements")
    assert said(mark + many.encode(codec), markup=3_000).startswith("parse.too-much-markup")


# ── elements that are told before they are there ──


def test_too_many_elements_in_a_long_text_are_told_before_it_is_parsed() -> None:
    one = b"<b>" + b"x" * 1_000 + b"</b>"
    with pytest.raises(TooLarge) as no:
        _cap_elements((one * 101).decode(), Limits(elements=100))
    assert (no.value.code, no.value.facts) == ("parse.too-many-elements", {"limit": "100"})
    with pytest.raises(TooLarge):
        _cap_elements('<?xml version="1.0"?>' + (one * 101).decode(), Limits(elements=100))
    _cap_elements((one * 100).decode(), Limits(elements=100))
    broken = b"<a>" + one * 30_000 + b"</c>"
    assert said(broken).startswith("parse.too-many-elements")
    assert said(b'<?xml version="1.0"?>' + broken).startswith("parse.too-many-elements")


@pytest.mark.parametrize("behind", ["", "<?x ?>", "<!-- -->"])
@pytest.mark.parametrize("before", ["", '<?xml version="1.0"?>'])
def test_ends_are_counted_over_all_pieces_up_to_what_could_hold_one(monkeypatch, before: str, behind: str) -> None:
    monkeypatch.setattr(broker.parse, "_LOOK", 10)
    text = before + "<a>" + "<b>x</b>" * 101 + "and so on, for some pieces more"
    with pytest.raises(TooLarge):
        _cap_elements(f"{text}{behind}</a>", Limits(elements=100))
    _cap_elements(f"{text}{behind}</a>", Limits(elements=102))


@pytest.mark.parametrize(
    "held",
    [b"<!--%s-->", b"<![CDATA[%s]]>", b"<?x %s?>", b"<b><!--%s--></b>"],
    ids=["comment", "cdata", "pi", "inside"],
)
def test_what_ends_nothing_is_not_counted(held: bytes) -> None:
    data = b"<a>" + held % (b"</b" * 1_100_000) + b"</a>"
    assert len(data) > 3_000_000
    assert not said(data, markup=2_000_000).startswith("parse.")


PIECES = st.lists(
    st.sampled_from(["<b>x</b>", "<b/>", "<!--</b>-->", "<![CDATA[</</]]>", "<?p </b?>", "text", '<b c="/>"></b>']),
    max_size=12,
)


@given(pieces=PIECES, elements=st.integers(1, 8), look=st.integers(2, 9), declared=st.booleans())
def test_short_or_long_a_document_is_judged_alike(pieces: list[str], elements: int, look: int, declared: bool) -> None:
    data = ('<?xml version="1.0"?>' * declared + f"<a>{''.join(pieces)}</a>").encode()
    short = said(data, elements=elements)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broker.parse, "_HUGE", 0)
        patch.setattr(broker.parse, "_LOOK", look)
        long = said(data, elements=elements)
    assert short.partition(" line")[0] == long.strip().partition(" line")[0]
