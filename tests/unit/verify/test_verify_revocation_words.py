"""Several words about one certificate: who can tell no more takes nothing from what another has proven for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from broker.evidence import RevocationReport
from broker.verify.revocation import HOLD, Evidence, RevocationList, Settled, Status, judge
from tests.corpus.verify.scene import AT
from tests.revocation import DAY, HOUR, PERSON, REQUIRE, path_of, serial

PATH = path_of(PERSON)
SIGNER, ISSUER = PATH.certificates[0].report, PATH.certificates[1].report
END = SIGNER.not_after
STAMPED = END - 10 * DAY
"""The moment for which the document is judged; it comes after the certificate has ended."""
ENTRY = END + 5 * DAY
BEFORE, BETWEEN, AFTER = STAMPED - 9 * DAY, STAMPED + DAY, END + DAY


def answer(made: datetime, **about: object) -> Status:
    told = {"certificate": SIGNER.sha256, "good": "revoked_at" not in about, "source": "ocsp", "produced_at": made}
    return Status(**{**told, "this_update": made, "next_update": made + DAY, **about})  # type: ignore[arg-type]


def a_list(made: datetime, since: datetime | None = None, why: str = "", **about: object) -> RevocationList:
    revoked = {} if since is None else {serial(PERSON): (since, why)}
    told = {"issuer": PATH.issuers[0], "this_update": made, "next_update": made + 30 * DAY, "revoked": revoked}
    return RevocationList(**{**told, **about})  # type: ignore[arg-type]


def signer(*words: Status | RevocationList, at: datetime = STAMPED) -> RevocationReport:
    known = Evidence()
    for it in words:
        known = known.adding(Settled(lists=(it,)) if isinstance(it, RevocationList) else Settled(statuses=(it,)))
    return judge(PATH, known, REQUIRE, at, entry=ENTRY)[0]


def test_a_list_that_has_forgotten_who_ended_takes_nothing_from_an_answer_of_before() -> None:
    told, forgets = answer(BETWEEN), a_list(AFTER)
    assert signer(told).status == "good"
    assert signer(forgets).code == "verify.revocation-unobtainable"
    for order in ((told, forgets), (forgets, told)):
        assert signer(*order) == signer(told)


def test_nor_does_an_answer_of_after_the_end_take_anything_from_a_list_of_before() -> None:
    told, forgets = a_list(BETWEEN), answer(AFTER)
    assert signer(told).status == "good"
    assert signer(forgets).code == "verify.revocation-unobtainable"
    for order in ((told, forgets), (forgets, told)):
        assert signer(*order) == signer(told)


@pytest.mark.parametrize(
    ("older", "says"),
    [
        (answer(BEFORE), "verify.revocation-unobtainable"),  # it is too old for the entry, and no newer one can come
        (answer(BEFORE, revoked_at=BEFORE, reason=HOLD), "verify.revocation-unobtainable"),
        (answer(BEFORE, revoked_at=BEFORE, reason="superseded"), "verify.revoked"),
        (answer(BETWEEN, revoked_at=BETWEEN, reason="superseded"), "good"),
        (answer(BETWEEN, revoked_at=BEFORE, reason="superseded"), "verify.revoked"),
        (answer(BETWEEN, revoked_at=BETWEEN, reason=HOLD), "good"),
        (answer(END + HOUR), "verify.revocation-unobtainable"),
        (answer(END + HOUR, remembers=END), "good"),
    ],
)
def test_a_word_that_proves_nothing_is_not_taken_for_one_that_does(older: Status, says: str) -> None:
    forgets = a_list(AFTER)
    for order in ((older, forgets), (forgets, older)):
        told = signer(*order)
        assert (told.code or told.status) == says
        if says == "verify.revocation-unobtainable":
            assert (told.status, told.this_update, told.source) == ("unknown", AFTER, "crl")


def test_a_newer_word_that_can_still_tell_counts_whatever_was_said_before() -> None:
    good = answer(BETWEEN)
    for newer, says in (
        (a_list(AFTER, BEFORE), "verify.revoked"),
        (a_list(AFTER, BEFORE, HOLD), "verify.on-hold"),
        (a_list(AFTER, remembers=END), "good"),
    ):
        for order in ((good, newer), (newer, good)):
            told = signer(*order)
            assert (told.code or told.status) == says
            assert told.this_update == AFTER
    lifted = replace(good, good=False, revoked_at=BEFORE, reason=HOLD), a_list(AFTER, remembers=END)
    assert signer(*lifted).status == "good"


@pytest.mark.parametrize("why", ["superseded", "", HOLD])
def test_who_is_named_as_revoked_since_a_later_moment_was_not_forgotten_and_not_revoked_before(why: str) -> None:
    for named in (a_list(AFTER, BETWEEN, why), answer(AFTER, revoked_at=BETWEEN, reason=why)):
        told = signer(named)
        assert (told.status, told.code, told.revoked_at) == ("good", "", BETWEEN)
        assert signer(named, at=BETWEEN).status == ("on-hold" if why == HOLD else "revoked")
    # A revocation that is announced proves nothing of a moment that comes after the announcement.
    announced = answer(BEFORE, revoked_at=BETWEEN, reason=why)
    assert signer(announced).code == "verify.revocation-stale"


def test_what_is_known_of_a_certificate_is_told_with_what_prevails_first() -> None:
    certificate, issuer = PATH.certificates[0], PATH.issuers[0]
    good, gone = answer(AT), answer(AT, revoked_at=AT - DAY)
    listed = a_list(AT + DAY)
    by_list = listed.status(SIGNER.sha256, serial(PERSON))
    none, only = Evidence(), Evidence().adding(Settled(lists=(listed,)))
    assert (list(none.words(certificate, issuer)), none.status(certificate, issuer)) == ([], None)
    assert (list(only.words(certificate, issuer)), only.status(certificate, issuer)) == ([by_list], by_list)
    for own, first, second in ((good, by_list, good), (gone, gone, by_list)):
        both = only.adding(Settled(statuses=(own,)))
        assert list(both.words(certificate, issuer)) == [first, second]
        assert both.status(certificate, issuer) == first
    alone = none.adding(Settled(statuses=(good,)))
    assert (list(alone.words(certificate, issuer)), alone.status(certificate, issuer)) == ([good], good)


def test_a_word_of_the_very_moment_is_none_of_later_and_lives_no_longer_than_it_does() -> None:
    now, soon = answer(STAMPED), answer(STAMPED + HOUR / 3600)
    assert (signer(now).code, signer(soon).code) == ("verify.revocation-stale", "")
    long = replace(now, next_update=STAMPED + 90 * DAY)
    assert signer(long).until == STAMPED + REQUIRE.freshness
    authority = replace(long, certificate=ISSUER.sha256)
    (_, told) = judge(PATH, Evidence().adding(Settled(statuses=(authority,))), REQUIRE, STAMPED)
    assert told.until == STAMPED + 90 * DAY


def test_an_authority_is_judged_the_same_way() -> None:
    end = ISSUER.not_after
    good = replace(answer(end - DAY), certificate=ISSUER.sha256)
    forgets = RevocationList(issuer=PATH.issuers[1], revoked={}, this_update=end + DAY, next_update=None)
    known = Evidence().adding(Settled(statuses=(good,), lists=(forgets,)))
    assert judge(PATH, known, REQUIRE, end - 2 * DAY, entry=end + 2 * DAY)[1].status == "good"
