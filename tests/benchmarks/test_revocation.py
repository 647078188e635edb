"""What asking about revocation costs a document whose evidence is there: the ratio to not asking, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable

from adapters.testkit.signer import sign
from broker.evidence import Indication
from broker.model import Form, FormKey, Valid
from broker.parse import Limits, Parse
from broker.verify import Verify
from broker.verify.revocation import Evidence, due, judge, require
from broker.verify.settlement import Raw, settle
from tests.builders import an_envelope
from tests.corpus.verify.scene import AT, FORM, TRUST
from tests.revocation import CA, DAY, PERSON, REQUIRE, ROOT, a_list, path_of

A_FORM = Form(key=FormKey(name="f", version="1"), namespace="", root="", title_pl="", title_en="")
EACH = 20


def least(call: Callable[[], object]) -> float:
    """Return what a call costs, in CPU seconds: the least of many rounds, for the machine has other things to do."""
    rounds = []
    for _ in range(10):
        begun = time.thread_time()
        for _ in range(EACH):
            call()
        rounds.append(time.thread_time() - begun)
    return min(rounds) / EACH


def test_asking_costs_a_document_whose_evidence_is_there_less_than_a_twentieth_more() -> None:
    """Its own cost over that of all else (measured: 0.03), not one total over the other: both waver by more than that."""
    lists = [Raw(octets=a_list(it.credential)) for it in (CA, ROOT)]
    found = path_of(PERSON)
    known = Evidence().adding(settle(found.chain, crls=lists, at=AT, freshness=DAY))
    document = sign(FORM, PERSON, AT, certificates="chain")
    valid = Valid(document=Parse(limits=Limits())(an_envelope(document, received_at=AT)), form=A_FORM)
    asking = Verify(trust=lambda: REQUIRE, evidence=lambda: known)
    report = asking(valid).report
    assert (report.indication, report.revocation) == (Indication.PASSED, "require")
    assert len(report.signatures[0].revocation) == 2

    def ask() -> None:
        reports = judge(found, known, REQUIRE, AT)
        assert not due(reports, AT)
        require(reports)

    plain = Verify(trust=lambda: TRUST)
    plain(valid)
    assert least(ask) < least(lambda: plain(valid)) / 20
