"""The suites that every office passes, an integrator's too.

    class TestMyOffice(OfficeSuite, RefusingOfficeSuite, HangingOfficeSuite):
        @pytest.fixture
        def harness(self):
            ...  # yield an OfficeHarness

`OfficeSuite` is for all; `RefusingOfficeSuite` for kinds where the office can say a final no; `HangingOfficeSuite`
for kinds with somebody at the other end of a line, who may say nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from broker.errors import Refused, Unavailable
from broker.evidence import UNSIGNED, Level, to_json
from broker.model import (
    Address,
    DeliveryId,
    Envelope,
    FormKey,
    OfficeId,
    Parcel,
    Receipt,
    ReceiptKind,
    Submission,
    SubmissionId,
)
from broker.ports import Office

ENTRY = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What the far side got in one delivery."""

    document: bytes
    receipt: bytes
    report: bytes
    facts: Mapping[str, str]  # keys as in `Parcel.summary`


class OfficeHarness(Protocol):
    """One office, and its far side, which is up and takes what comes."""

    office: Office  # made with a deadline of a second or two

    def received(self) -> Sequence[Handed]:
        """Return what the far side has got until now, in order; a repeat counts again."""
        ...

    def take_down(self) -> None:
        """Make the far side unreachable."""
        ...

    def bring_up(self) -> None:
        """Make it reachable again, at the same address."""
        ...


class RefusingHarness(OfficeHarness, Protocol):
    """One whose far side can say a final no."""

    def refuse(self) -> None:
        """From now on, refuse what comes."""
        ...


class HangingHarness(OfficeHarness, Protocol):
    """One whose far side can fall silent."""

    def hang(self) -> None:
        """From now on, let callers connect and hand over, and never answer."""
        ...


def a_parcel(document: bytes = b"<letter/>", *, delivery: str = "d-1", case: str = "OR.1431.7.2026") -> Parcel:
    """Return a parcel with values that a careless adapter would change."""
    envelope = Envelope(
        channel="soap", sender="citizen", received_at=ENTRY, payload=document, to=Address(box="/town/SEKAP")
    )
    submission = Submission(
        id=SubmissionId("0190f000-0000-7000-8000-000000000001"),
        channel=envelope.channel,
        sender=envelope.sender,
        message_id="m-17",
        fingerprint_box="/town/SEKAP",
        box="/town/SEKAP",
        office=OfficeId("town-hall"),
        row="boxes:1",
        form=FormKey(name="pismo-ogolne", version="1410"),
        trial=False,
        digest=envelope.digest,
        size=len(document),
        file_name="pismo \u0142\u00f3d\u017a & <1>.xml",
        reply_to="/citizen/box",
        case=case,
        in_reply_to="",
        level=Level.LOCAL,
        notes=(),
        received_at=ENTRY,
        accepted_at=ENTRY + timedelta(seconds=1),
    )
    return Parcel(
        delivery=DeliveryId(delivery),
        submission=submission,
        document=document,
        receipt=Receipt(
            id="UPP-1",
            submission=submission.id,
            kind=ReceiptKind.UPP,
            issued_at=ENTRY + timedelta(seconds=1),
            xml="<?xml version='1.0'?>\r\n<UPP>za\u017c\u00f3\u0142\u0107</UPP>\n\n".encode(),
        ),
        report=to_json(UNSIGNED),
    )


class OfficeFixtures:
    """What the suites share."""

    @pytest.fixture
    def harness(self) -> Iterator[OfficeHarness]:
        """Override me."""
        raise NotImplementedError

    @pytest.fixture
    def office(self, harness: OfficeHarness) -> Iterator[Office]:
        """Lend the office, and close it after the test."""
        yield harness.office
        harness.office.close()


class OfficeSuite(OfficeFixtures):
    """For every kind.  Run by subclassing, with `harness` overridden."""

    @pytest.mark.parametrize(
        "document",
        [
            b"<a>\r\n</a>\n\n",
            b"\xef\xbb\xbf<a>za\xc5\xbc</a>",
            b"\r\n\r\n--\r\n\x00\xff]]>",
            bytes(range(256)) * 512,
            b"<a>" + b"x" * 4_000_000 + b"</a>\n",
        ],
        ids=["line-ends", "bom", "no-xml-at-all", "every-byte", "four-megabytes"],
    )
    def test_the_document_is_handed_over_byte_for_byte(
        self, harness: OfficeHarness, office: Office, document: bytes
    ) -> None:
        office.deliver(a_parcel(document))
        (handed,) = harness.received()
        assert handed.document == document

    def test_the_receipt_and_the_report_come_with_it(self, harness: OfficeHarness, office: Office) -> None:
        parcel = a_parcel()
        office.deliver(parcel)
        (handed,) = harness.received()
        assert (handed.receipt, handed.report) == (parcel.receipt.xml, parcel.report)

    def test_every_fact_of_the_summary_comes_with_it(self, harness: OfficeHarness, office: Office) -> None:
        parcel = a_parcel()
        office.deliver(parcel)
        (handed,) = harness.received()
        assert dict(handed.facts) == dict(parcel.summary)

    def test_a_repeat_comes_under_the_same_delivery_id(self, harness: OfficeHarness, office: Office) -> None:
        for _attempt in range(2):
            office.deliver(a_parcel(delivery="d-7"))
        handed = harness.received()
        assert {one.facts["delivery"] for one in handed} == {"d-7"}

    def test_deliveries_do_not_mix(self, harness: OfficeHarness, office: Office) -> None:
        for number in range(5):
            office.deliver(a_parcel(f"<letter>{number}</letter>".encode(), delivery=f"d-{number}"))
        got = {one.facts["delivery"]: one.document for one in harness.received()}
        assert got == {f"d-{number}": f"<letter>{number}</letter>".encode() for number in range(5)}

    def test_a_check_hands_nothing_over(self, harness: OfficeHarness, office: Office) -> None:
        office.check()
        assert not harness.received()

    def test_an_office_that_is_down_is_unavailable(self, harness: OfficeHarness, office: Office) -> None:
        harness.take_down()
        with pytest.raises(Unavailable):
            office.deliver(a_parcel())
        with pytest.raises(Unavailable):
            office.check()

    def test_an_office_that_goes_down_and_comes_back_is_reached_again(
        self, harness: OfficeHarness, office: Office
    ) -> None:
        office.deliver(a_parcel(delivery="d-1"))
        harness.take_down()
        with pytest.raises(Unavailable):
            office.deliver(a_parcel(delivery="d-2"))
        harness.bring_up()
        office.check()
        office.deliver(a_parcel(delivery="d-2"))
        assert [one.facts["delivery"] for one in harness.received()][-1] == "d-2"

    def test_a_closed_office_connects_anew(self, harness: OfficeHarness, office: Office) -> None:
        office.close()
        office.deliver(a_parcel(delivery="d-1"))
        office.close()
        office.close()
        office.deliver(a_parcel(delivery="d-2"))
        assert [one.facts["delivery"] for one in harness.received()] == ["d-1", "d-2"]


class RefusingOfficeSuite(OfficeFixtures):
    """For kinds where the office can say a final no."""

    def test_a_final_no_is_refused(self, harness: RefusingHarness, office: Office) -> None:
        harness.refuse()
        with pytest.raises(Refused) as no:
            office.deliver(a_parcel())
        assert no.value.reason


class HangingOfficeSuite(OfficeFixtures):
    """For kinds with somebody at the other end of a line."""

    def test_an_office_that_never_answers_is_unavailable_after_the_deadline(
        self, harness: HangingHarness, office: Office
    ) -> None:
        harness.hang()
        with pytest.raises(Unavailable):
            office.deliver(a_parcel())

    def test_an_office_that_falls_silent_later_is_unavailable_after_the_deadline(
        self, harness: HangingHarness, office: Office
    ) -> None:
        office.deliver(a_parcel(delivery="d-1"))
        harness.hang()
        with pytest.raises(Unavailable):
            office.deliver(a_parcel(delivery="d-2"))
