"""Who is asked about what, when, and what comes of it: the keeper's rules, without a network."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509

from adapters.testkit.responder_words import Lie
from adapters.trust.book import KEEP, MOST_LISTS
from adapters.trust.clerk import Pinned
from adapters.trust.paths import authorities
from adapters.trust.publication import Publication
from broker.verify import TrustSnapshot
from broker.verify.certificate import load
from broker.verify.revocation import CRL, OCSP, Settled, good_until
from tests.keeping import FRESHNESS, NOON, SILENCE, Ca, Office, people

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def ca() -> Ca:
    return Ca()


@pytest.fixture
def office(ca: Ca) -> Office:
    return Office(ca)


def test_ocsp_is_asked_first_and_its_answer_is_enough(ca, office):
    person = ca.person()
    office.settle(ca.path(person))
    assert office.kinds() == [OCSP]
    assert office.status(person).good


def test_where_ocsp_cannot_tell_the_list_is_asked(ca, office):
    person = ca.person()
    ca.words.revoked[person.certificate.serial_number] = (NOON - HOUR, x509.ReasonFlags.superseded)
    office.settle(ca.path(person), said=lambda it: ca.say(it, Lie.STRANGER if it.source.kind == OCSP else Lie.NONE))
    assert office.kinds() == [OCSP, CRL]
    status = office.status(person)
    assert (status.good, status.source, status.reason) == (False, CRL, "superseded")


def test_a_certificate_is_asked_about_once_however_many_documents_need_it(ca, office):
    path = ca.path(ca.person())
    office.hand(path, path)
    office.hand(path)
    assert len(office.open) == 1
    office.answer()
    office.hand(path)
    assert len(office.asked) == 1


def test_one_list_serves_all_whom_its_issuer_knows(ca, office):
    several = people(ca, 20, ocsp=False)
    office.settle(*(ca.path(it) for it in several))
    assert office.kinds() == [CRL]
    assert all(office.status(it).good for it in several)
    assert not office.evidence.silent


def test_the_authorities_above_a_signer_are_asked_about_too(ca, office):
    between = ca.below("Between CA")
    person = between.issue(
        ca.person().certificate.subject,
        ca.person().key,
        not_before=NOON - HOUR,
        not_after=NOON + HOUR,
    )
    office.settle(ca.path(person, between))
    middle = load(between.credential.der)
    assert [it.chains[0][0] for it in office.asked] == [middle]
    assert office.evidence.status(middle, ca.path(person, between).issuers[1]).good
    # The signer itself names nobody who could be asked.
    assert office.evidence.unasked == {load(person.der).report.sha256}


def test_nobody_is_called_who_is_not_listed(ca):
    office = Office(ca, hosts=("crl.example",))
    office.settle(ca.path(ca.person()))
    assert office.kinds() == [CRL]


def test_when_nobody_answers_it_is_said_since_when_and_no_more_once_somebody_does(ca, office):
    person = ca.person()
    office.settle(ca.path(person), said=SILENCE)
    assert office.silent_since(person) == NOON
    for _ in range(5):
        office.pass_(MINUTE)
        office.settle(ca.path(person), said=SILENCE)
    assert office.silent_since(person) == NOON
    office.pass_(MINUTE)
    office.settle(ca.path(person))
    assert office.silent_since(person) is None
    assert office.status(person).good


def test_a_list_ends_the_silence_of_all_of_its_issuer(ca, office):
    one, other = ca.person("one"), ca.person("other")
    office.settle(ca.path(one), ca.path(other), said=SILENCE)
    for _ in range(20):  # until nobody asks about them by himself any more
        office.pass_(MINUTE)
        office.settle(said=SILENCE)
    assert office.silent_since(one)
    assert office.silent_since(other)
    office.pass_(MINUTE)
    office.settle(ca.path(one), said=lambda it: ca.say(it) if it.source.kind == CRL else "away")
    assert not office.evidence.silent


def test_a_list_in_force_that_is_too_old_for_signers_is_no_answer(office, ca):
    ca.words.life = timedelta(days=7)
    old = ca.words.revocation_list()
    office.pass_(FRESHNESS + SECOND)
    person = ca.person(ocsp=False)
    office.settle(ca.path(person), said=lambda _question: old)
    assert office.status(person).good
    assert office.silent_since(person) == ca.now


def test_a_newcomer_has_no_more_grace_than_those_who_came_before(ca, office):
    office.settle(ca.path(ca.person("first")), said=SILENCE)
    office.pass_(2 * HOUR)
    newcomer = ca.person("newcomer")
    office.settle(ca.path(newcomer), said=SILENCE)
    assert office.silent_since(newcomer) == NOON


def test_who_lies_about_one_is_silent_about_that_one_only(ca, office):
    lied_about, other = ca.person("lied about", crl=False), ca.person("other", crl=False)

    def said(question):
        lie = question.chains[0][0].der == lied_about.der
        return ca.say(question, Lie.OTHER_SERIAL if lie else Lie.NONE)

    office.settle(ca.path(lied_about), said=said)
    office.pass_(HOUR)
    office.settle(ca.path(lied_about), ca.path(other), said=said)
    assert office.silent_since(lied_about) == NOON
    assert office.status(other).good


def test_a_certificate_that_its_authority_does_not_know_is_not_taken_for_one_whose_authority_is_silent(ca, office):
    """A grace is for silence alone; and who was silent before is so no more."""
    person = ca.person("unknown", crl=False)
    office.settle(ca.path(person), said=SILENCE)
    assert office.silent_since(person) == NOON
    office.pass_(MINUTE)
    office.settle(ca.path(person), said=lambda it: ca.say(it, Lie.UNKNOWN))
    assert office.silent_since(person) is None
    office.pass_(HOUR)
    office.settle(ca.path(person), said=SILENCE)
    assert office.silent_since(person) == NOON
    # Where the list is away, whoever said by OCSP that he does not know it has answered; a stranger has not.
    for lie, since in ((Lie.UNKNOWN, None), (Lie.STRANGER, ca.now)):
        other = ca.person(f"other {lie}")
        office.settle(ca.path(other), said=lambda it, lie=lie: ca.say(it, lie) if it.source.kind == OCSP else "away")
        assert office.silent_since(other) == since


@pytest.mark.parametrize("url", ["", "http://elsewhere.example/q"])
def test_who_names_nobody_that_may_be_asked_is_not_taken_for_one_whose_authority_is_silent(url):
    """Silence is what a grace is granted for, and what makes senders wait: neither would ever end."""
    ca = Ca(ocsp=url, crl=url)
    office, person = Office(ca), ca.person()
    office.settle(ca.path(person))
    assert office.asked == []
    assert office.silent_since(person) is None
    assert office.evidence.unasked == {load(person.der).report.sha256}


def test_a_list_that_another_has_brought_tells_of_who_names_nobody(ca, office):
    person = ca.person(ocsp=False, crl=False)
    office.settle(ca.path(person))
    office.settle(ca.path(ca.person(ocsp=False)))
    assert office.status(person).good


def test_a_service_that_is_silent_is_asked_by_one_at_a_time_and_then_left_alone(ca, office):
    several = people(ca, 50, crl=False)
    office.hand(*(ca.path(it) for it in several))
    assert len(office.open) == 1
    office.answer(SILENCE)
    assert len(office.open) == 1
    office.answer(SILENCE)
    # Two failures in a row: the others are told at once.
    assert office.open == []
    assert len(office.evidence.silent) == 50


def test_a_service_that_answers_is_asked_by_several_at_a_time_but_not_by_all(ca, office):
    office.settle(ca.path(ca.person("first", crl=False)))
    office.hand(*(ca.path(it) for it in people(ca, 3, crl=False)))
    while office.open:
        office.answer(number=1)
    most = 0
    office.hand(*(ca.path(ca.person(f"more {it}", crl=False)) for it in range(30)))
    while office.open:
        most = max(most, len(office.open))
        office.answer(number=1)
    assert most == 4
    assert not office.evidence.silent


def test_a_service_that_falls_silent_is_asked_by_one_at_a_time_from_then_on(ca, office):
    for person in people(ca, 5, crl=False):
        office.settle(ca.path(person))
    office.hand(*(ca.path(ca.person(f"more {it}", crl=False)) for it in range(30)))
    assert len(office.open) == 4
    office.answer(SILENCE)
    office.answer(SILENCE)
    office.pass_(2 * MINUTE)
    office.hand(*(ca.path(ca.person(f"later {it}", crl=False)) for it in range(30)))
    assert len(office.open) == 1


def test_what_is_in_no_book_is_not_published(ca, office):
    office.settle(ca.path(ca.person(crl=False)))
    (status,) = office.evidence.statuses.values()
    publication = Publication()
    publication.add(Settled(statuses=(status,)), wanted=())
    publication.publish()
    assert not publication.evidence.statuses


def test_one_service_that_hangs_holds_up_nobody_of_another(ca):
    other = Ca(name="Other CA", ocsp="http://other.example/", crl="")
    office = Office(ca, hosts=("ocsp.example", "other.example"))
    office.hand(*(ca.path(it) for it in people(ca, 20, crl=False)))
    person = other.person(crl=False)
    office.hand(other.path(person))
    (asked,) = [it for it in office.open if it.source.url == other.ocsp]
    office.open = [it for it in office.open if it is not asked]
    hanging, office.open = office.open, [asked]
    office.answer(other.say)
    found = other.path(person)
    assert office.evidence.status(found.certificates[0], found.issuers[0]).good
    assert len(hanging) == 1


def test_an_attempt_ends_with_its_time_although_there_are_further_sources(ca, office):
    person = ca.person()
    office.hand(ca.path(person))
    office.pass_(21 * SECOND)
    office.answer(SILENCE)
    assert office.open == []
    assert office.silent_since(person)


def test_evidence_is_asked_for_anew_in_the_last_fourth_of_its_life_if_a_document_needs_it(ca, office):
    person = ca.person(crl=False)
    office.settle(ca.path(person))
    office.pass_(44 * MINUTE)
    office.settle(ca.path(person))
    assert len(office.asked) == 1
    office.pass_(2 * MINUTE)
    office.settle(ca.path(person))
    assert len(office.asked) == 2
    assert office.status(person).this_update == ca.now


def test_a_signers_evidence_is_not_asked_for_when_no_document_needs_it(ca, office):
    office.settle(ca.path(ca.person(crl=False)))
    for _ in range(100):
        office.pass_(HOUR)
        office.settle()
    assert len(office.asked) == 1


def test_a_list_is_kept_fresh_without_documents_and_never_ends_meanwhile(ca, office):
    person = ca.person(ocsp=False)
    office.settle(ca.path(person))
    for _ in range(200):
        office.pass_(MINUTE)
        office.settle()
        status = office.status(person)
        assert good_until(status, FRESHNESS, signer=True) > ca.now
    assert 4 <= len(office.asked) <= 6


def test_nobody_asks_for_ever_about_what_no_document_needs(ca, office):
    office.settle(ca.path(ca.person(ocsp=False)))
    office.pass_(KEEP + HOUR)
    office.settle()
    before = len(office.asked)
    for _ in range(50):
        office.pass_(HOUR)
        office.settle()
    assert len(office.asked) == before
    office.clerk.sweep(ca.now)
    assert not office.evidence.lists
    assert not office.evidence.statuses


def test_what_configuration_names_is_kept_fresh_from_the_start_on_and_for_ever(ca, office):
    between = ca.below("Between CA")
    trust = TrustSnapshot(
        anchors=ca.trust.anchors, intermediates=(between.credential.certificate,), revocation="require"
    )
    ((chain, issuers),) = authorities(trust)
    office.settle(Pinned(chains=((chain, issuers),), freshness=FRESHNESS))
    for _ in range(30):
        office.pass_(12 * HOUR)
        office.settle()
        office.clerk.sweep(ca.now)
        status = office.evidence.status(chain[0], issuers[0])
        assert good_until(status, FRESHNESS, signer=False) > ca.now


def test_a_ca_that_publishes_nothing_new_before_the_end_is_not_asked_all_the_time(ca, office):
    person = ca.person(crl=False)
    office.settle(ca.path(person))
    old = ca.say(office.asked[0])
    office.pass_(46 * MINUTE)
    for _ in range(14 * 6):  # a document every ten seconds until the end
        office.pass_(10 * SECOND)
        office.settle(ca.path(person), said=lambda _question: old)
    assert len(office.asked) < 12


def test_a_silent_authority_is_asked_again_while_documents_wait_and_less_and_less_often(ca, office):
    person = ca.person(crl=False)
    office.settle(ca.path(person), said=SILENCE)
    for _ in range(600):
        office.pass_(SECOND)
        office.settle(said=SILENCE)
    assert 8 < len(office.asked) < 30
    office.pass_(MINUTE)
    office.settle()
    assert office.status(person).good


def test_a_final_revocation_is_never_asked_about_again_and_outlives_what_says_otherwise(ca, office):
    person = ca.person()
    ca.words.revoked[person.certificate.serial_number] = (NOON - HOUR, x509.ReasonFlags.key_compromise)
    office.settle(ca.path(person))
    ca.words.revoked.clear()
    office.pass_(KEEP + HOUR)
    office.settle(ca.path(person))
    assert len(office.asked) == 1
    assert not office.status(person).good


def test_a_hold_can_be_lifted(ca, office):
    person = ca.person(crl=False)
    ca.words.revoked[person.certificate.serial_number] = (NOON - HOUR, x509.ReasonFlags.certificate_hold)
    office.settle(ca.path(person))
    assert not office.status(person).good
    ca.words.revoked.clear()
    office.pass_(HOUR)
    office.settle(ca.path(person))
    assert office.status(person).good


def test_an_older_answer_takes_the_place_of_no_newer_one(ca, office):
    person = ca.person(crl=False)
    office.settle(ca.path(person))
    old = ca.say(office.asked[0])
    office.pass_(50 * MINUTE)
    ca.words.revoked[person.certificate.serial_number] = (NOON, x509.ReasonFlags.certificate_hold)
    office.settle(ca.path(person))
    office.pass_(9 * MINUTE)
    office.settle(ca.path(person), said=lambda _question: old)
    assert not office.status(person).good


def test_no_more_certificates_are_kept_than_may_be_and_those_longest_not_asked_for_go(ca):
    office = Office(ca, most=10)
    several = people(ca, 30, crl=False)
    for person in several:
        office.settle(ca.path(person))
        office.pass_(SECOND)
        office.clerk.sweep(ca.now)
    assert [office.status(it) is not None for it in several] == [False] * 20 + [True] * 10
    assert len(office.evidence.statuses) == 10
    assert len(office.clerk.book.items) == 10
    assert MOST_LISTS > 10


def test_thousands_of_notes_cost_one_copy_of_what_is_known(ca, office, monkeypatch):
    several = people(ca, 40, crl=False)
    copies = 0
    before = office.evidence
    office.hand(*(ca.path(it) for it in several))
    while office.open:
        office.answer()
        copies += office.evidence is not before
        before = office.evidence
    assert copies <= 15  # four are asked at a time
