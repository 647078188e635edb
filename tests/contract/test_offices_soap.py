"""The suites every office passes, over SOAP 1.1 and 1.2, with the document in the envelope and beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest

from adapters.offices.soap import KIND
from adapters.testkit.dms import MockDms
from adapters.testkit.dms_conduct import Conduct, Manner
from adapters.testkit.dms_records import Handover
from adapters.testkit.offices import Handed, HangingOfficeSuite, OfficeSuite, RefusingOfficeSuite
from tests.around import surroundings


class Harness:
    def __init__(self, *, port: str, mtom: bool) -> None:
        self.dms = MockDms().start()
        self._port = self.dms.port
        self._before: tuple[Handover, ...] = ()
        settings = KIND.settings(url=self.dms.url("town"), deadline=timedelta(seconds=1), port=port, mtom=mtom)
        self.office = KIND.make(settings, surroundings())

    def received(self) -> Sequence[Handed]:
        assert not self.dms.rejected
        assert not self.dms.bugs
        return [
            Handed(document=one.document, receipt=one.receipt, report=one.report, facts=one.facts)
            for one in self._before + self.dms.records.arrivals
        ]

    def take_down(self) -> None:
        self._before += self.dms.records.arrivals
        self.dms.stop()

    def bring_up(self) -> None:
        self.dms = MockDms(port=self._port).start()

    def refuse(self) -> None:
        self.dms.behave(Conduct(manner=Manner.CLIENT_FAULT))

    def hang(self) -> None:
        self.dms.behave(Conduct(manner=Manner.HANG))


class TestSoapOffice(OfficeSuite, RefusingOfficeSuite, HangingOfficeSuite):
    @pytest.fixture(
        params=[("odbiorca", False), ("odbiorca", True), ("odbiorca12", False), ("odbiorca12", True)],
        ids=["soap11", "soap11-mtom", "soap12", "soap12-mtom"],
    )
    def harness(self, request: pytest.FixtureRequest) -> Iterator[Harness]:
        port, mtom = request.param
        harness = Harness(port=port, mtom=mtom)
        yield harness
        harness.dms.stop()
