"""The suite that every channel passes, an integrator's too.

    class TestMyChannel(ChannelSuite):
        @pytest.fixture
        def harness(self, desk):
            ...  # yield a ChannelHarness around a channel of the kind; `desk` is the intake behind it

The suite serves the channel in a thread, with the desk for intake, and speaks to it as partners do.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from threading import Barrier, Event, Thread
from typing import Protocol

import pytest

from adapters.testkit.desk import Desk, always, receipt_for
from broker.errors import Malformed, NotYet, TooLarge, Unavailable, Unroutable
from broker.model import Envelope, Receipt
from broker.ports import Channel

PATIENCE = 30.0  # seconds after which a test gives up: never reached by a channel that works


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a partner wants to send; a channel that cannot carry a field leaves it out of `carries`."""

    payload: bytes = b"<letter/>"
    sender: str = "citizen"
    box: str = "/town/SEKAP"
    message_id: str = ""
    file_name: str = "letter.xml"
    reply_to: str = ""
    case: str = ""
    in_reply_to: str = ""
    trial: bool = False


class Word(Enum):
    """What a partner was told."""

    RECEIPT = "receipt"
    REFUSAL = "refusal"
    LATER = "later"  # told to try again, or told nothing yet because the channel holds on to the message


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The whole of what a partner was told."""

    word: Word
    receipt: bytes = b""
    code: str = ""  # of a refusal
    negative_receipt: bytes = b""


class ChannelHarness(Protocol):
    """One channel, and a partner of it."""

    channel: Channel
    unopenable: Channel  # one of the same kind that cannot be opened: its port is taken, its queue is away
    name: str  # the channel's name in the configuration
    now: datetime  # what the channel's clock says
    limit: int  # `Limits.payload` of the channel; at most a few megabytes
    reads_on: bool  # whether it reads past the limit, and so has the whole of a document one byte over it
    carries: frozenset[str]  # fields of Message that this kind of channel can carry

    def wait_until_open(self) -> None:
        """Return when the channel, which another thread serves, takes messages."""
        ...

    def send(self, message: Message) -> Answer:
        """Send once and return what the partner was told.  May be called by several threads.

        A channel that keeps the message when intake is away tells the partner nothing: the harness then looks
        at `desk.turned_away`, waits until the message is back where it came from, and answers LATER.
        """
        ...

    def insist(self, message: Message) -> Answer:
        """Do what a patient partner does (send again, or wait) until there is a receipt or a refusal."""
        ...

    def send_unreadable(self) -> Answer:
        """Send what cannot become an Envelope, whatever the document in it."""
        ...


class ChannelSuite:
    """Run by subclassing, with `harness` overridden."""

    @pytest.fixture
    def desk(self) -> Desk:
        """Return the intake behind the channel."""
        return Desk()

    @pytest.fixture
    def harness(self, desk: Desk) -> Iterator[ChannelHarness]:
        """Override me."""
        raise NotImplementedError

    @pytest.fixture
    def stop(self) -> Event:
        """Return what tells the channel to stop."""
        return Event()

    @pytest.fixture
    def server(self, harness: ChannelHarness, desk: Desk, stop: Event) -> Iterator[Thread]:
        """Serve the channel in a thread, and see that it returns."""
        thread = Thread(target=harness.channel.serve, args=(desk, stop), name="channel")
        thread.start()
        try:
            harness.wait_until_open()
            yield thread
        finally:
            stop.set()
            thread.join(PATIENCE)
        assert not thread.is_alive(), "serve did not return after stop was set"

    @pytest.fixture
    def partner(self, harness: ChannelHarness, server: Thread) -> ChannelHarness:
        """Return a partner of a channel that is being served."""
        assert server.is_alive()
        return harness

    # ── what goes in ─────────────────────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize(
        "payload",
        [
            b"<a>\r\n</a>\n\n",
            b"\xef\xbb\xbf<a>za\xc5\xbc</a>",
            b"\x00\xff\r\n--\r\n]]>&amp;\n",
            bytes(range(256)) * 512,
        ],
        ids=["line-ends", "bom", "no-xml-at-all", "every-byte"],
    )
    def test_the_document_arrives_byte_for_byte(self, partner: ChannelHarness, desk: Desk, payload: bytes) -> None:
        partner.send(Message(payload=payload))
        assert [one.payload for one in desk.envelopes] == [payload]

    def test_what_the_message_says_is_in_the_envelope(self, partner: ChannelHarness, desk: Desk) -> None:
        said = {
            "sender": "notary",
            "box": "/village/box",
            "message_id": "m-17",
            "file_name": "pismo \u0142\u00f3d\u017a.xml",
            "reply_to": "/notary/box",
            "case": "OR.1431.7.2026",
            "in_reply_to": "0190f000",
            "trial": True,
        }
        sent = {name: value for name, value in said.items() if name in partner.carries}
        partner.send(Message(**sent))  # type: ignore[arg-type]  # the names are checked by Message itself
        (envelope,) = desk.envelopes
        got = {name: envelope.to.box if name == "box" else getattr(envelope, name) for name in sent}
        assert got == sent

    def test_a_message_is_no_trial_unless_it_says_so(self, partner: ChannelHarness, desk: Desk) -> None:
        partner.send(Message())
        assert [one.trial for one in desk.envelopes] == [False]

    def test_the_envelope_names_its_channel_and_the_moment_of_entry(self, partner: ChannelHarness, desk: Desk) -> None:
        partner.send(Message())
        (envelope,) = desk.envelopes
        assert (envelope.channel, envelope.received_at) == (partner.name, partner.now)

    def test_a_message_that_cannot_be_read_is_refused_without_asking_intake(
        self, partner: ChannelHarness, desk: Desk
    ) -> None:
        answer = partner.send_unreadable()
        assert answer.word is Word.REFUSAL
        assert answer.code
        assert not desk.envelopes

    def test_a_document_over_the_limit_is_refused_by_intake_if_the_channel_has_it_whole(
        self, partner: ChannelHarness, desk: Desk
    ) -> None:
        """Intake records what it refuses, so a channel refuses by itself only what it has not read to the end."""
        desk.answer = always(TooLarge("parse.too-large", facts={"limit": "1", "size": "2"}))
        payload = b"x" * (partner.limit + 1)
        answer = partner.send(Message(payload=payload))
        assert (answer.word, answer.code) == (Word.REFUSAL, "parse.too-large")
        assert [one.payload for one in desk.envelopes] == ([payload] if partner.reads_on else [])

    def test_a_document_at_the_limit_is_taken(self, partner: ChannelHarness, desk: Desk) -> None:
        assert partner.send(Message(payload=b"x" * partner.limit)).word is Word.RECEIPT
        assert [len(one.payload) for one in desk.envelopes] == [partner.limit]

    # ── what comes back ──────────────────────────────────────────────────────────────────────────────────

    def test_the_receipt_comes_back_byte_for_byte(self, partner: ChannelHarness, desk: Desk) -> None:
        answer = partner.send(Message())
        (envelope,) = desk.envelopes
        assert answer == Answer(word=Word.RECEIPT, receipt=receipt_for(envelope).xml)

    def test_nothing_is_answered_before_intake_has_ended(self, partner: ChannelHarness, desk: Desk) -> None:
        asked, go_on = Event(), Event()

        def slowly(envelope: Envelope) -> Receipt:
            asked.set()
            assert go_on.wait(PATIENCE)
            return receipt_for(envelope)

        desk.answer = slowly
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(partner.send, Message())
            assert asked.wait(PATIENCE)
            early = answer.done()
            go_on.set()
            assert answer.result(PATIENCE).word is Word.RECEIPT
        assert not early

    def test_a_rejection_comes_back_with_its_code(self, partner: ChannelHarness, desk: Desk) -> None:
        desk.answer = always(Unroutable("route.unknown-box", facts={"box": "/nowhere/box"}))
        answer = partner.send(Message())
        assert (answer.word, answer.code) == (Word.REFUSAL, "route.unknown-box")
        assert len(desk.envelopes) == 1

    def test_a_negative_receipt_comes_back_with_the_refusal(self, partner: ChannelHarness, desk: Desk) -> None:
        no = Malformed("parse.dtd")
        no.negative_receipt = b"<NPP>\r\n</NPP>\n"
        desk.answer = always(no)
        assert partner.send(Message()).negative_receipt == b"<NPP>\r\n</NPP>\n"

    def test_everybody_gets_his_own_answer(self, partner: ChannelHarness, desk: Desk) -> None:
        together = Barrier(2)

        def side_by_side(envelope: Envelope) -> Receipt:
            together.wait(PATIENCE)  # two are inside at once, or this breaks
            return receipt_for(envelope)

        desk.answer = side_by_side
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(partner.send, [Message(payload=b"<a/>"), Message(payload=b"<b/>")]))
        expected = {one.payload: receipt_for(one).xml for one in desk.envelopes}
        assert [one.receipt for one in answers] == [expected[b"<a/>"], expected[b"<b/>"]]

    # ── when intake is away ──────────────────────────────────────────────────────────────────────────────

    def test_what_is_unavailable_stays_with_the_sender_and_is_not_tried_in_a_loop(
        self, partner: ChannelHarness, desk: Desk
    ) -> None:
        desk.answer = always(Unavailable("the seal is away", retry_after=timedelta(hours=1)))
        assert partner.send(Message()).word is Word.LATER
        assert len(desk.envelopes) == 1

    def test_what_was_unavailable_gets_its_receipt_in_the_end(self, partner: ChannelHarness, desk: Desk) -> None:
        desk.first(Unavailable("the store is away", retry_after=timedelta(milliseconds=10)))
        assert partner.insist(Message()).word is Word.RECEIPT
        assert [one.payload for one in desk.envelopes] == [b"<letter/>"] * 2

    def test_a_bug_behind_the_channel_loses_nothing(self, partner: ChannelHarness, desk: Desk) -> None:
        desk.first(ZeroDivisionError())
        assert partner.insist(Message()).word is Word.RECEIPT
        assert len(desk.envelopes) == 2

    def test_messages_that_must_wait_by_themselves_hold_up_no_other(self, partner: ChannelHarness, desk: Desk) -> None:
        """More of them than the channel has workers: somebody's authority is silent, or somebody sends too fast."""
        may_pass = Event()

        def answer(envelope: Envelope) -> Receipt:
            if envelope.payload.startswith(b"<waits") and not may_pass.is_set():
                raise NotYet("its authority is silent", retry_after=timedelta(milliseconds=20))
            return receipt_for(envelope)

        desk.answer = answer
        with ThreadPoolExecutor(6) as pool:
            waiting = [pool.submit(partner.insist, Message(payload=b"<waits n='%d'/>" % n)) for n in range(6)]
            assert desk.turned_away.wait(PATIENCE)
            try:
                for number in range(3):
                    others = partner.insist(Message(payload=b"<passes n='%d'/>" % number))
                    assert others.word is Word.RECEIPT
                assert not any(one.done() for one in waiting)
            finally:
                may_pass.set()
            assert [one.result(PATIENCE).word for one in waiting] == [Word.RECEIPT] * 6

    # ── opening and stopping ─────────────────────────────────────────────────────────────────────────────

    def test_a_channel_that_cannot_be_opened_says_so(self, harness: ChannelHarness, desk: Desk, stop: Event) -> None:
        with pytest.raises(Unavailable):
            harness.unopenable.serve(desk, stop)

    def test_what_is_under_way_when_the_channel_stops_is_answered(
        self, partner: ChannelHarness, desk: Desk, stop: Event, server: Thread
    ) -> None:
        asked, go_on = Event(), Event()

        def slowly(envelope: Envelope) -> Receipt:
            asked.set()
            assert go_on.wait(PATIENCE)
            return receipt_for(envelope)

        desk.answer = slowly
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(partner.send, Message())
            assert asked.wait(PATIENCE)
            stop.set()
            server.join(0.5)  # time enough for a channel that would not wait
            waits = server.is_alive()
            go_on.set()
            assert waits
            assert answer.result(PATIENCE).word is Word.RECEIPT
        server.join(PATIENCE)
        assert not server.is_alive()
