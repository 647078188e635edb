"""Multipart bodies cut into parts: however they arrive, and told as soon as it is known that they are too much."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wire.multipart import LONGEST_ASIDE, LONGEST_HEAD, MOST_PARTS, Multipart, Part, cut
from broker.errors import Malformed, Rejection, TooLarge

HEAD = b"Content-ID: <%d>\r\nContent-Transfer-Encoding: %s\r\n\r\n"
ALIKE = b"\r\n--bx"
END = b"--b--"
A_PART = b"--b\r\nContent-ID: <a>\r\n\r\n"


def body(contents: list[bytes], encoding: bytes = b"binary", before: bytes = b"", behind: bytes = b"") -> bytes:
    parts = (b"--b\r\n" + HEAD % (number, encoding) + content + b"\r\n" for number, content in enumerate(contents))
    return before + b"".join(parts) + END + behind


def room(encoding: str) -> int:
    return 200 if encoding == "base64" else 100


def arriving(*pieces: bytes) -> Multipart:
    return feed(Multipart("b", room), pieces)


def feed(found: Multipart, pieces: Iterable[bytes]) -> Multipart:
    for piece in pieces:
        found.add(piece)
    return found


def code(refused: pytest.ExceptionInfo[Rejection]) -> tuple[str, str]:
    return refused.value.code, refused.value.place


octets = st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", b"b", b" ", b"\t", b"\r\n--b", b"\r\n\r\n", b"x"])).map(
    b"".join
)


@given(st.data(), st.lists(octets, min_size=1, max_size=4), st.sampled_from([b"", b"hello\r\n"]), octets)
def test_however_a_body_is_cut_while_it_arrives_its_parts_are_the_same(
    data: st.DataObject, contents: list[bytes], before: bytes, behind: bytes
) -> None:
    """And one that cannot be taken apart is none however it comes."""
    whole = body(contents, before=before, behind=behind)
    ends = sorted(data.draw(st.sets(st.integers(0, len(whole)))))
    pieces = [whole[start:end] for start, end in pairwise([0, *ends, len(whole)])]

    def tried(*pieces: bytes) -> tuple[Part, ...] | tuple[str, str]:
        try:
            return arriving(*pieces).end()
        except Rejection as no:
            return no.code, no.place

    assert tried(*pieces) == tried(whole)


@given(st.lists(st.binary(max_size=80).filter(lambda content: b"\r\n--b" not in content), min_size=1, max_size=5))
def test_what_stands_where_is_what_was_put_there(contents: list[bytes]) -> None:
    whole = body(contents, before=b"hello\r\n", behind=b"\r\ngood bye")
    found = cut(whole, "b")
    assert [whole[part.start : part.end] for part in found] == contents
    assert [part.identifier for part in found] == [str(number) for number in range(len(contents))]


@pytest.mark.parametrize(("encoding", "most"), [(b"binary", 100), (b"8bit", 100), (b"Base64", 200)])
def test_a_part_may_be_as_large_as_its_room_and_no_larger(encoding: bytes, most: int) -> None:
    assert len(arriving(body([b"x", b"x" * most], encoding)).end()) == 2
    with pytest.raises(TooLarge) as refused:
        arriving(body([b"x", b"x" * (most + 1)], encoding))
    assert code(refused) == ("soap.part-too-large", "part 2")
    assert refused.value.facts["limit"] == str(most)


@pytest.mark.parametrize("pieces", [[b"x" * 400], [b"x"] * 400], ids=["at once", "octet by octet"])
def test_a_part_that_grows_too_large_is_refused_while_it_arrives(pieces: list[bytes]) -> None:
    unsent = iter(pieces)
    with pytest.raises(TooLarge) as refused:
        feed(arriving(A_PART), unsent)
    assert code(refused) == ("soap.part-too-large", "part 1")
    # No more was taken than may be, and what may have been the beginning of a boundary line.
    assert len(list(unsent)) >= len(pieces) - 100 - len("\r\n--b")


def test_parts_together_may_have_more_than_one_may() -> None:
    assert len(arriving(body([b"x" * 100] * 10)).end()) == 10


def test_one_part_too_many_is_refused_when_its_head_has_come() -> None:
    heads = [b"--b\r\n" + HEAD % (number, b"") + b"\r\n" for number in range(MOST_PARTS + 1)]
    found = arriving(*heads[:-1])
    with pytest.raises(TooLarge) as refused:
        found.add(heads[-1])
    assert code(refused) == ("soap.too-many-parts", "")


@pytest.mark.parametrize(
    ("octets", "place"),
    [
        (b"x" * (LONGEST_ASIDE + 10), "preamble"),
        (b"--b\r\nX: " + b"y" * LONGEST_HEAD, "part"),
        (b"--b\r\n" + b"X: y\r\n" * LONGEST_HEAD, "part"),
        (A_PART + b"x\r\n--b--" + b"y" * (LONGEST_ASIDE + 10), "epilogue"),
        (A_PART.replace(b"\r\n\r\n", b"\r\ncontent-id: <b>\r\n\r\n"), "part"),
        (b"--b\r\nContent-ID: <a>\r\n--b: c\r\n\r\n", "part"),
        (b"--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", "Content-Transfer-Encoding"),
        (A_PART + ALIKE * 1_001, "boundary"),
    ],
    ids=["preamble", "long field", "many fields", "epilogue", "two ids", "a boundary in a head", "encoding", "alike"],
)
@pytest.mark.parametrize("size", [1, 100_000])
def test_what_is_no_part_is_refused_before_it_has_ended(octets: bytes, place: str, size: int) -> None:
    pieces = (octets[start : start + size] for start in range(0, len(octets), size))
    with pytest.raises(Malformed) as refused:
        feed(Multipart("b"), pieces)
    assert code(refused) == ("soap.multipart", place)


@pytest.mark.parametrize(
    "octets", [b"", b"--b", b"--b--", A_PART, A_PART + b"x\r\n--b", A_PART + b"x\r\n--b  \r", b"--bx--"]
)
def test_a_body_that_has_not_come_to_its_last_boundary_is_none(octets: bytes) -> None:
    found = arriving(octets)
    with pytest.raises(Malformed) as refused:
        found.end()
    assert code(refused) == ("soap.multipart", "boundary")


@pytest.mark.parametrize("boundary", ["", "b" * 71, "b ", "b\r\n", "b\u0105", 'b"', "b;c"])
def test_what_can_be_no_boundary_is_refused_at_once(boundary: str) -> None:
    with pytest.raises(Malformed) as refused:
        Multipart(boundary)
    assert code(refused) == ("soap.multipart", "boundary")


def test_a_boundary_may_have_70_characters_and_its_line_may_end_in_spaces() -> None:
    boundary = "b" * 70
    whole = body([b"x"]).replace(b"--b", b"--" + boundary.encode()).replace(b"b\r\n", b"b \t \r\n")
    (part,) = cut(whole, boundary)
    assert whole[part.start : part.end] == b"x"


def test_nothing_is_kept_of_the_content_that_has_gone_by() -> None:
    found = Multipart("b")
    found.add(A_PART)
    for _ in range(100):
        found.add(b"x" * 100_000)
    assert len(found._kept) < len("\r\n--b")
