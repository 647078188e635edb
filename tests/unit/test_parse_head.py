"""The head of a long document, read only as far as it is needed; and what was written here, read again."""

import pytest
from lxml import etree

from broker.errors import Malformed
from broker.parse import _HEAD_PIECE, _HUGE, Limits, again, head
from broker.vocabulary import VOCABULARY

HEAD = b"<p:a xmlns:p='urn:p'><b>other</b><p:b><c/></p:b>"
REST = b"<p:tail/>" * 20_000 + b"</p:a>"


@pytest.fixture(params=["room", "no room"])
def room(request, monkeypatch):
    """With room for new names in the thread, and without: then a thread of its own reads."""
    if request.param == "no room":
        monkeypatch.setattr(VOCABULARY, "room", 0)
        monkeypatch.setattr(type(VOCABULARY), "has_room_for", lambda *_: False)


def names(root):
    return None if root is None else [root.tag, *(it.tag for it in root)][:3]


@pytest.mark.usefixtures("room")
def test_a_head_ends_with_the_first_child_of_the_roots_own_namespace_and_that_name():
    found = head(HEAD + REST, Limits(), "b", 100_000)
    assert names(found) == ["{urn:p}a", "b", "{urn:p}b"]
    assert len(found) < 5_000  # what came in the same piece may be there, the rest is not


@pytest.mark.usefixtures("room")
def test_a_document_without_that_child_is_read_whole_or_not_at_all():
    data = HEAD + b"</p:a>"
    assert names(head(data, Limits(), "z", len(data))) == ["{urn:p}a", "b", "{urn:p}b"]
    assert head(HEAD + REST, Limits(), "z", len(HEAD)) is None
    assert head(HEAD + REST, Limits(), "b", len(HEAD) - 1) is None
    assert names(head(HEAD + REST, Limits(), "b", len(HEAD))) == ["{urn:p}a", "b", "{urn:p}b"]


@pytest.mark.usefixtures("room")
def test_a_character_that_is_cut_through_does_no_harm():
    data = "<a><b>ż</b></a>".encode()
    assert head(data, Limits(), "b", 7) is None
    assert head(data, Limits(), "b", 12).find("b").text == "ż"


def test_a_head_lies_within_pieces_wherever_they_are_cut():
    for filler in (0, _HEAD_PIECE - 40, _HEAD_PIECE - 20, _HEAD_PIECE, 3 * _HEAD_PIECE):
        data = b"<a><x>" + b"y" * filler + b"</x><b>1</b>" + b"<t/>" * 5_000 + b"</a>"
        assert head(data, Limits(), "b", 100_000).find("b").text == "1"
        assert head(data, Limits(), "b", filler) is None


@pytest.mark.parametrize("length", [10, _HUGE - 7, _HUGE - 6, 10_000_001])
def test_a_text_of_any_length_is_read_again(length):
    root = again(b"<a>" + b"x" * length + b"</a>")
    assert len(root.text) == length
    assert head(b"<a><b>" + b"x" * length + b"</b></a>", Limits(), "b", 20_000_000).find("b").text == root.text


def test_what_is_read_again_is_not_counted_and_keeps_no_events():
    root = again(b"<a>" + b"<b/>" * 200_000 + b"</a>")
    assert len(root) == 200_000
    assert etree.tostring(again(b"<a> <!--c--><?d?></a>")) == b"<a> <!--c--><?d?></a>"


def test_what_cannot_be_read_again_says_where():
    with pytest.raises(Malformed) as caught:
        again(b"<a>\n<b></a>")
    assert (caught.value.code, caught.value.place) == ("parse.malformed", "line 2, column 8")
