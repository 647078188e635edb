"""Several pieces of evidence about one certificate: which of them counts does not hang on which came first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import permutations
from typing import Any

import pytest
from asn1crypto import core
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from broker.verify import revocation_list
from broker.verify.certificate import load
from broker.verify.fetched import Listed, Raw
from broker.verify.revocation import HOLD, Evidence, Settled, Status, judge
from broker.verify.revocation_delta import newest
from broker.verify.settlement import settle
from tests.corpus.verify.scene import AT, PKI
from tests.revocation import (
    CA,
    DAY,
    HOUR,
    PERSON,
    REQUIRE,
    ROOT,
    a_list,
    a_responder,
    an_answer,
    path_of,
    serial,
)

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


# ── lists that are not plain ──

USERS = {"extn_id": "issuing_distribution_point", "critical": True, "extn_value": {"only_contains_user_certs": True}}
UNKNOWN = {"extn_id": "1.2.3.4.5", "critical": True, "extn_value": core.ParsableOctetString(b"\x05\x00")}
LIFTED: dict[int, tuple[datetime, str]] = {}
ON_HOLD = {serial(PERSON): (AT - 20 * HOUR, "certificate_hold")}
FINAL = {serial(PERSON): (AT - 20 * HOUR, "key_compromise")}


def part(revoked: dict[int, tuple[datetime, str]], age: int, number: int | None, **about: Any) -> bytes:
    """A list of those who are no authorities, of so many hours ago."""
    extensions = [USERS, *about.pop("more", ())]
    about = {"begin": AT - age * HOUR, "end": AT + 10 * HOUR, "extensions": extensions, "number": number, **about}
    return a_list(CA.credential, revoked, **about)


def by_lists(*crls: bytes, **about: Any) -> Settled:
    return settle(
        PATH.chain,
        crls=[Raw(octets=it, url=f"u{place}") for place, it in enumerate(crls)],
        at=AT,
        freshness=DAY,
        **about,
    )


@pytest.mark.parametrize(
    ("lists", "says", "made"),
    [
        ((part(ON_HOLD, 10, 1), part(LIFTED, 1, 2)), "good", 1),
        ((part(LIFTED, 10, 1), part(ON_HOLD, 1, 2)), "on-hold", 1),
        ((part(LIFTED, 10, 1), part(LIFTED, 1, 2)), "good", 1),
        ((part(ON_HOLD, 10, 1), part(FINAL, 1, 2)), "revoked", 1),
        ((part(FINAL, 10, 1), part(LIFTED, 1, 2)), "revoked", 10),
        ((part(LIFTED, 10, 1), part(ON_HOLD, 5, 2), part(LIFTED, 1, 3)), "good", 1),
        ((part(ON_HOLD, 10, None), part(LIFTED, 1, 2)), "on-hold", 10),  # it bears no number
        ((part(ON_HOLD, 10, 1), part(LIFTED, 1, 2, more=[UNKNOWN])), "on-hold", 10),
        ((part(LIFTED, 10, 1), part(LIFTED, 1, 2, entries=[UNKNOWN])), "good", 1),  # nobody is in it
    ],
)
def test_of_several_lists_of_one_part_the_newest_counts_but_a_final_revocation_always(
    lists: Sequence[bytes], says: str, made: int
) -> None:
    for order in permutations(lists):
        found = by_lists(*order)
        (signer, _) = judge(PATH, Evidence().adding(found), REQUIRE, AT)
        assert (signer.status, signer.this_update) == (says, AT - made * HOUR)


def test_an_older_list_is_told_of_beside_the_newest_and_nothing_is_told_twice() -> None:
    old, new = part(ON_HOLD, 10, 1), part(LIFTED, 1, 2)
    assert [(it.url, it.good) for it in by_lists(old, new).statuses] == [("u1", True), ("u0 u1", False)]
    assert [(it.url, it.good) for it in by_lists(new).statuses] == [("u0", True)]
    assert by_lists().statuses == ()


def test_a_responder_that_was_on_hold_once_is_believed_by_the_newest_list() -> None:
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False
    responder = a_responder(CA, "Goniec Test Held OCSP", extras=[purpose])
    held = {serial(responder): (AT - 20 * HOUR, "certificate_hold")}
    answer = Raw(octets=an_answer(PERSON, CA.credential, by=responder, beside=[responder]))
    for lists, believed in (((held, LIFTED), True), ((LIFTED, held), False)):
        for crls in permutations([part(lists[0], 10, 1), part(lists[1], 1, 2)]):
            found = by_lists(*crls, ocsps=[answer])
            assert ("ocsp" in [it.source for it in found.statuses]) is believed


def test_lists_are_of_one_kind_by_who_signed_them_and_what_they_tell_of() -> None:
    def listed(octets: bytes) -> Listed:
        parsed = revocation_list.load(octets)
        assert parsed is not None
        return Listed(raw=Raw(octets=octets), parsed=parsed)

    issuers = [load(it.credential.der) for it in (CA, ROOT)]
    first, second = listed(part(LIFTED, 10, 1)), listed(part(ON_HOLD, 10, 2))
    later, whole = listed(part(LIFTED, 5, 2)), listed(a_list(CA.credential, number=1))
    above, odd = listed(a_list(ROOT.credential, extensions=[USERS])), listed(part(LIFTED, 20, None))
    stranger = listed(part(LIFTED, 20, 1, by=PKI.untrusted_ca.credential))
    for order in permutations([first, second, later]):
        assert newest(order, issuers) == [later]
        assert newest([stranger, *order, whole, above, odd], issuers) == [stranger, later, whole, above, odd]
    assert newest([second, first], issuers) == [second]
    assert newest([first, second], issuers[1:]) == [first, second]
    changed = replace(first, changes=listed(part(LIFTED, 1, 3)))
    for order in ([changed, later], [later, changed]):
        assert newest(order, issuers) == [changed]
    assert newest([], issuers) == []
