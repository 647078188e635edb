"""When a message was signed, how long it holds, and whether it came before."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from datetime import timedelta

import pytest
from lxml import etree

from adapters.testkit.pki import JAN
from adapters.testkit.wss import WSU
from tests.corpus.verify.scene import AT, PKI
from tests.signed_messages import BY, MINUTE, read, refused, signed


def moved(created: str, expires: str = "") -> bytes:
    """A message whose Timestamp says these words."""

    def write(root: etree._Element) -> None:
        timestamp = root.find(f".//{{{WSU}}}Timestamp")
        assert timestamp is not None
        for child in list(timestamp):
            timestamp.remove(child)
        for name, text in (("Created", created), ("Expires", expires)):
            if text:
                etree.SubElement(timestamp, f"{{{WSU}}}{name}").text = text

    return signed(prepare=write)


def test_a_message_holds_for_a_window_around_its_creation() -> None:
    message = signed(expires=None)
    for minutes in (-5, 0, 5):
        assert read(message, AT + minutes * MINUTE) is not None
    refused("wss.stale", message, AT + 5 * MINUTE + timedelta(microseconds=1))
    refused("wss.future", message, AT - 5 * MINUTE - timedelta(microseconds=1))
    assert read(message, AT + 60 * MINUTE, window=60 * MINUTE) is not None


def test_a_message_does_not_outlive_what_it_says_of_its_end() -> None:
    message = signed(expires=MINUTE)
    assert read(message, AT + MINUTE) is not None
    refused("wss.stale", message, AT + MINUTE + timedelta(microseconds=1))
    refused("wss.stale", signed(expires=60 * MINUTE), AT + 6 * MINUTE)


@pytest.mark.parametrize(
    "created",
    [
        "2026-01-01T12:00:00Z",
        " 2026-01-01T12:00:00.000Z\n",
        "2026-01-01T12:00:00.123456789Z",
        "2026-01-01T12:00:00+00:00",
        "2026-01-01T11:58:00-00:00",
    ],
)
def test_moments_in_utc_are_read(created) -> None:
    secured = read(moved(created))
    assert secured is not None
    assert secured.created is not None
    assert abs(secured.created - AT) <= 2 * MINUTE


@pytest.mark.parametrize(
    "created",
    [
        "",
        "now",
        "2026-01-01",
        "2026-01-01T12:00:00",
        "2026-01-01T13:00:00+01:00",
        "20260101T120000Z",
        "2026-W01-4T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "2026-01-01T12:00:60Z",
        "٢٠٢٦-01-01T12:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ],
)
def test_other_moments_are_refused(created) -> None:
    refused("wss.timestamp-malformed", moved(created))


def test_a_message_does_not_end_before_it_begins() -> None:
    refused("wss.expires-before-created", moved("2026-01-01T12:00:00Z", "2026-01-01T11:59:59Z"))


def test_a_timestamp_holds_two_moments_and_nothing_else() -> None:
    twice = b"<wsu:Created>2026-01-01T12:00:00Z</wsu:Created>"
    refused("wss.timestamp-malformed", signed().replace(twice, twice * 2))
    refused("wss.timestamp-malformed", signed().replace(twice, b""))
    refused("wss.timestamp-malformed", signed().replace(twice, twice + b"<wsu:Other/>"))


def test_a_time_that_is_not_signed_is_not_told_yet_must_be_near() -> None:
    message = signed(covers=("body",))
    secured = read(message)
    assert secured is not None
    assert (secured.timestamp, secured.created, secured.expires, secured.once) == (False, None, None, None)
    refused("wss.stale", message, AT + 6 * MINUTE)


# ── again ──


def once(message: bytes, at=AT):
    secured = read(message, at)
    assert secured is not None
    assert secured.once is not None
    return secured.once


def test_a_message_that_was_sent_before_is_known_for_as_long_as_it_would_be_taken() -> None:
    message = signed(expires=None)
    assert once(message) == once(message, AT + 4 * MINUTE)
    last = AT + 5 * MINUTE
    assert read(message, last) is not None
    assert once(message).until > last
    assert once(signed(expires=MINUTE)).until > AT + MINUTE


def test_a_message_that_was_signed_anew_is_another() -> None:
    assert once(signed()) != once(signed(created=timedelta(seconds=1)))
    assert once(signed()) != once(signed(by=PKI.elliptic_person))


def test_a_signature_written_anew_is_the_same() -> None:
    message = signed(by=PKI.elliptic_person)
    value = re.findall(rb"<ds:SignatureValue>(.*?)<", message)[0]
    r, s = b64decode(value)[:32], int.from_bytes(b64decode(value)[32:], "big")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    twin = b64encode(r + (order - s).to_bytes(32, "big"))
    assert twin != value
    assert once(message.replace(value, twin)) == once(message)
    assert once(message.replace(value, value[:20] + b"\n " + value[20:])) == once(message)
    lines = signed().replace(b"<ds:SignedInfo>", b"<ds:SignedInfo >").replace(b"<ds:Transforms>", b"<ds:Transforms  >")
    assert once(lines) == once(signed())


def test_another_certificate_of_the_same_key_does_not_make_it_another_message() -> None:
    later = PKI.personal(PKI.local_ca, JAN, not_after=AT + 600 * MINUTE)
    assert later.der != BY.der
    message = signed(covers=("body", "timestamp", "headers"))
    assert once(message.replace(b64encode(BY.der), b64encode(later.der))) == once(message)
