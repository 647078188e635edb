"""Content at rest: what was put in comes out, under its own name and no other, and every change is seen."""

from __future__ import annotations

import base64
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from adapters.stores.sql.at_rest import BEGINNING, AtRest, Content, ContentKey, key_of
from broker.errors import ConfigError, Unavailable

KINDS = st.sampled_from(list(Content))


def a_key(number):
    return ContentKey.of(SecretStr(f"{number:064x}"), "key")


OLD, NEW = a_key(1), a_key(2)
CLEAR, ONE, BOTH = AtRest(), AtRest([OLD]), AtRest([NEW, OLD])


@given(st.sampled_from([CLEAR, ONE, BOTH]), st.text(max_size=40), KINDS, st.binary() | st.just(b"\x00GONIEC\x01x"))
def test_what_was_put_in_comes_out(at_rest, submission, kind, content):
    assert at_rest.content(submission, kind, at_rest.stored(submission, kind, content)) == content


@given(st.binary(min_size=4))
def test_without_a_key_content_stays_as_it_is_and_is_read_by_whoever_has_keys(content):
    stored = CLEAR.stored("s1", Content.DOCUMENT, content)
    assert stored == content
    assert key_of(stored[:BEGINNING]) == ""
    assert BOTH.content("s1", Content.DOCUMENT, stored) == content


def test_content_in_clear_that_looks_encrypted_is_not_mistaken():
    stored = ONE.stored("s1", Content.DOCUMENT, b"<a/>")
    assert CLEAR.content("s1", Content.DOCUMENT, CLEAR.stored("s1", Content.DOCUMENT, stored)) == stored


def test_the_first_key_writes_and_every_key_reads():
    old, new = (it.stored("s1", Content.REPORT, b"{}") for it in (ONE, BOTH))
    assert [key_of(it[:BEGINNING]) for it in (old, new)] == [ONE.key, BOTH.key]
    assert ONE.key != BOTH.key
    assert BOTH.content("s1", Content.REPORT, old) == BOTH.content("s1", Content.REPORT, new) == b"{}"
    with pytest.raises(Unavailable, match=f"{BOTH.key}, which is not configured"):
        ONE.content("s1", Content.REPORT, new)


def test_nothing_of_the_content_shows_and_no_two_writings_are_alike():
    content = b"44051401359 " * 100
    first, second = (ONE.stored("s1", Content.DOCUMENT, content) for _ in range(2))
    assert b"44051401359" not in first
    assert first != second
    assert len(first) - len(content) == len(b"\x00GONIEC") + 1 + 8 + 12 + 16


@given(KINDS, KINDS, st.sampled_from(["s1", "s2", "s"]), st.sampled_from(["s1", "s2", ""]))
def test_content_opens_only_in_its_own_place(kind, other_kind, submission, other):
    stored = ONE.stored(submission, kind, b"<a/>")
    if (kind, submission) == (other_kind, other):
        assert ONE.content(other, other_kind, stored) == b"<a/>"
    else:
        with pytest.raises(Unavailable, match="another's place"):
            ONE.content(other, other_kind, stored)


@given(st.data())
def test_every_change_of_what_is_stored_is_seen(data):
    stored = bytearray(ONE.stored("s1", Content.DOCUMENT, b"<letter>yes</letter>"))
    place = data.draw(st.integers(len(b"\x00GONIEC"), len(stored) - 1))
    stored[place] ^= data.draw(st.integers(1, 255))
    if stored[len(b"\x00GONIEC")] == 0:  # now it says that it is in clear: then it is, and no document of ours
        assert ONE.content("s1", Content.DOCUMENT, bytes(stored)) != b"<letter>yes</letter>"
        return
    with pytest.raises(Unavailable):
        ONE.content("s1", Content.DOCUMENT, bytes(stored))


@given(st.integers(0, 60))
def test_what_was_cut_off_is_seen(length):
    stored = ONE.stored("s1", Content.DOCUMENT, b"<letter>yes</letter>")
    cut = stored[: min(length, len(stored) - 1)]
    try:
        assert not ONE.content("s1", Content.DOCUMENT, cut).startswith(b"<letter>")
    except Unavailable:
        assert cut.startswith(b"\x00GONIEC")


def test_a_known_answer_tells_the_right_key_from_a_wrong_one():
    proof = ONE.known_answer()
    assert ONE.opens(ONE.key, proof)
    assert BOTH.opens(ONE.key, proof)
    assert not AtRest([NEW]).opens(ONE.key, proof)
    assert not CLEAR.opens(ONE.key, proof)
    assert not ONE.opens(ONE.key, proof[:-1] + bytes([proof[-1] ^ 1]))


@pytest.mark.parametrize("written", ["ab" * 32, "AB" * 32, base64.b64encode(b"\xab" * 32).decode(), f" {'ab' * 32}\t"])
def test_a_key_is_32_octets_in_either_writing(written):
    assert ContentKey.of(SecretStr(written), "key").id == ContentKey.of(SecretStr("ab" * 32), "key").id


@pytest.mark.parametrize(
    "written", ["secret", "ab" * 16, "ab" * 31 + "zz", "ab" * 33, base64.b64encode(b"x" * 16).decode()]
)
def test_what_is_no_key_is_a_problem_that_does_not_quote_it(written):
    with pytest.raises(ConfigError, match=r"encryption_keys\.0: must be 32 octets") as wrong:
        ContentKey.of(SecretStr(written), "encryption_keys.0")
    assert written not in "".join(traceback.format_exception(wrong.value))
    assert wrong.value.__context__ is None


def test_a_key_shows_nothing_of_itself():
    assert "ab" * 4 not in repr(ContentKey.of(SecretStr("ab" * 32), "key"))
