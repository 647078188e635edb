"""Several pieces of evidence about one certificate: which of them counts does not hang on which came first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest

from broker.verify.revocation import HOLD, Evidence, Settled, Status, judge
from broker.verify.settlement import Raw, settle
from tests.corpus.verify.scene import AT
from tests.revocation import CA, DAY, HOUR, PERSON, REQUIRE, ROOT, a_list, an_answer, path_of

PATH = path_of(PERSON)
SIGNER = PATH.certificates[0].report.sha256
GONE = {"status": "revoked", "since": AT - 2 * HOUR, "why": "key_compromise"}
HELD = {"status": "revoked", "since": AT - 20 * HOUR, "why": "certificate_hold"}
OLD, NEW = {"begin": AT - 10 * HOUR, "end": AT + 10 * HOUR}, {"begin": AT - HOUR, "end": AT + 10 * HOUR}


def settled(*answers: bytes) -> Settled:
    raws = [Raw(octets=it, url=f"u{number}") for number, it in enumerate(answers)]
    return settle(PATH.chain, ocsps=raws, crls=[Raw(octets=a_list(ROOT.credential))], at=AT, freshness=DAY)


def verdict(*statuses: Status) -> str:
    (signer, _) = judge(PATH, Evidence().adding(Settled(statuses=statuses)), REQUIRE, AT)
    return signer.status


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (({**OLD}, {**GONE, **NEW}), "revoked"),
        (({**GONE, **OLD}, {**NEW}), "revoked"),
        (({**HELD, **OLD}, {**NEW}), "good"),
        (({**OLD}, {**HELD, **NEW}), "on-hold"),
        (({**HELD, **OLD}, {**NEW}, {**GONE, **OLD}), "revoked"),
        (({"begin": AT - 3 * DAY, "end": AT + DAY}, {**NEW}), "good"),
        (({"begin": AT - 3 * DAY, "end": AT + DAY}, {**GONE, **NEW}), "revoked"),
        (({"status": "unknown"}, {**OLD}, {**GONE, **NEW}), "revoked"),
    ],
)
def test_of_several_answers_a_final_revocation_counts_or_else_the_newest_in_whatever_order_they_come(
    answers: Sequence[dict[str, object]], says: str
) -> None:
    for order in permutations(answers):
        found = settled(*(an_answer(PERSON, CA.credential, **it) for it in order))
        assert verdict(*found.statuses) == says
        assert found.unknown == frozenset()


def test_every_answer_that_proves_anything_is_told_of_with_its_own_address() -> None:
    rubbish, forged = b"<html/>", an_answer(PERSON, CA.credential, by=PERSON)
    answers = [an_answer(PERSON, CA.credential, **it) for it in (OLD, {**GONE, **NEW})]
    found = settled(rubbish, answers[0], forged, answers[1]).statuses
    assert [(it.certificate, it.url, it.good) for it in found] == [(SIGNER, "u1", True), (SIGNER, "u3", False)]
    assert [it.digest for it in found] == [Raw(octets=it).digest for it in answers]


GOOD = Status(certificate=SIGNER, good=True, source="ocsp", produced_at=AT, this_update=AT - HOUR, next_update=AT + DAY)


@pytest.mark.parametrize(
    ("one", "other", "counts"),
    [
        ({"good": False, "revoked_at": AT - DAY, "reason": HOLD}, {}, 0),
        ({"good": False, "revoked_at": AT - DAY, "reason": HOLD}, {"this_update": AT}, 1),
        ({"good": False, "revoked_at": AT - DAY}, {"good": False, "revoked_at": AT + DAY}, 0),
        ({"good": False, "revoked_at": AT - DAY}, {"good": False, "revoked_at": AT + DAY, "this_update": AT}, 1),
        ({"good": False, "revoked_at": AT - 9 * DAY, "reason": HOLD}, {"good": False, "revoked_at": AT + DAY}, 1),
        ({"next_update": AT + 2 * DAY}, {"next_update": AT + DAY}, 0),
        ({"next_update": AT + DAY}, {"next_update": None}, 0),
        ({"good": False, "revoked_at": AT - DAY, "next_update": None}, {"good": False, "revoked_at": AT - HOUR}, 0),
        ({"good": False, "revoked_at": AT - DAY}, {"good": False, "revoked_at": AT, "next_update": AT + 9 * DAY}, 0),
    ],
)
def test_of_two_that_are_as_new_the_graver_counts_then_the_one_that_lives_longer(
    one: dict[str, object], other: dict[str, object], counts: int
) -> None:
    both = replace(GOOD, **one), replace(GOOD, **other)  # type: ignore[arg-type]
    for order in permutations(both):
        assert Evidence().adding(Settled(statuses=order)).statuses == {SIGNER: both[counts]}
