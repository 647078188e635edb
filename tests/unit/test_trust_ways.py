"""One certificate, several ways to an anchor: what is said of it is held against each, whichever was asked for first.

An authority has two certificates for one key, and by the older it may not sign lists.  A document chooses which of them
comes beside it; a stranger's can bring the older one beside the certificate of somebody honest.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.name import _ASN1Type

from adapters.testkit.certificates import Authority, Extra, distinguished, key
from adapters.testkit.responders import named_services
from adapters.trust.book import MOST_CHAINS
from adapters.trust.clerk import Recalled
from adapters.trust.question import Question, Source, judged, prove
from broker.verify.certificate import load
from broker.verify.path import Path
from broker.verify.revocation import CRL, OCSP
from tests.keeping import FRESHNESS, NOON, SILENCE, Ca, Office
from tests.revocation import a_list, an_answer

SECOND, MINUTE, HOUR, DAY = (timedelta(**{it: 1}) for it in ("seconds", "minutes", "hours", "days"))
OWN_LIST, OWN_OCSP = "http://between.example/own.crl", "http://between.example/ocsp"


class Scene:
    """A root, an authority below it with certificates old and new, somebody below that, and the clerk."""

    def __init__(self) -> None:
        self.ca = Ca()
        self.office = Office(self.ca, hosts=("ocsp.example", "crl.example", "between.example"))
        self.old = self.certified("key_cert_sign")
        self.new = self.certified("key_cert_sign", "crl_sign")
        self.revoked: dict = {}
        self.person = self.new.issue(
            distinguished(common_name="someone"),
            key("kept", "ec-256"),
            not_before=NOON - DAY,
            not_after=NOON + 365 * DAY,
            extras=named_services(ocsp="", crl=OWN_LIST),
        )
        self.requests: list[Question] = []

    def certified(self, *usage: str, extras: tuple[Extra, ...] = (), name: x509.Name | None = None) -> Authority:
        issued = self.ca.root.issue(
            name or distinguished(common_name="Between CA"),
            key("Between CA", "ec-256"),
            not_before=NOON - 20 * DAY,
            not_after=NOON + 365 * DAY,
            usage=usage,
            ca=True,
            extras=(*named_services(ocsp="", crl=self.ca.crl), *extras),
        )
        return Authority(credential=issued)

    def by(self, between: Authority) -> Path:
        found = self.ca.path(self.person, between)
        assert found.certificates[1].der == between.credential.der
        return found

    def list_(self) -> bytes:
        return a_list(self.new.credential, self.revoked, begin=self.ca.now, end=self.ca.now + HOUR)

    def say(self, question: Question) -> bytes:
        if "between" not in question.source.url:
            return self.ca.say(question)
        self.requests.append(question)
        return self.list_()

    def settle(self, *notes: Path) -> None:
        self.office.settle(*notes, said=self.say)

    @property
    def status(self):
        return self.office.status(self.person, self.new)


def in_other_letters(authority: Authority) -> x509.Name:
    """The same name, written in another kind of string."""
    subject = authority.credential.certificate.subject
    anew = x509.Name([x509.NameAttribute(it.oid, it.value, _ASN1Type.BMPString) for it in subject])
    assert anew.public_bytes() != subject.public_bytes()
    return anew


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_way_on_which_nothing_can_be_proven_does_not_stand_before_one_on_which_it_can(scene):
    scene.settle(scene.by(scene.old))
    assert scene.status is None
    scene.office.pass_(MINUTE)
    scene.settle(scene.by(scene.new))
    assert scene.status.good
    assert scene.office.silent_since(scene.person) is None


def test_a_stranger_who_has_asked_on_another_way_for_long_keeps_nobody_waiting(scene):
    """Each of his attempts has failed, and the next is a quarter of an hour away."""
    for _ in range(60):
        scene.settle(scene.by(scene.old))
        scene.office.pass_(MINUTE)
    before = len(scene.requests)
    scene.settle(scene.by(scene.old))
    assert len(scene.requests) == before
    scene.settle(scene.by(scene.new))
    assert scene.status.good


def test_a_way_that_comes_while_another_is_tried_is_tried_as_soon_as_it_is_asked_for_again(scene):
    for _ in range(60):
        scene.settle(scene.by(scene.old))
        scene.office.pass_(MINUTE)
    scene.office.pass_(HOUR)
    scene.office.hand(scene.by(scene.old))
    assert [it.source.url for it in scene.office.open if "between" in it.source.url] == [OWN_LIST]
    scene.office.hand(scene.by(scene.new))
    while scene.office.open:
        scene.office.answer(scene.say)
    assert scene.status is None
    scene.settle(scene.by(scene.new))
    assert scene.status.good


def test_a_way_is_new_once_and_from_then_on_the_pause_after_a_failure_counts(scene):
    for between in (scene.old, scene.new):
        scene.office.settle(scene.by(between), said=SILENCE)
    asked = len(scene.office.asked)
    scene.office.hand(scene.by(scene.new), scene.by(scene.old))
    assert len(scene.office.asked) == asked


def test_whoever_asks_on_another_way_later_takes_nothing_from_the_first(scene):
    scene.settle(scene.by(scene.new))
    for _ in range(40):
        scene.office.pass_(10 * MINUTE)
        scene.settle(scene.by(scene.old))
        assert scene.status.this_update >= scene.ca.now - HOUR
    scene.revoked[scene.person.certificate.serial_number] = (NOON - HOUR, "key_compromise")
    scene.office.pass_(2 * HOUR)
    scene.settle(scene.by(scene.old))
    assert not scene.status.good


def test_a_list_is_kept_fresh_on_the_way_on_which_it_was_proven(scene):
    """He who brought it was asked about on the other way last."""
    scene.office.hand(scene.by(scene.old))
    scene.office.hand(scene.by(scene.new))
    while scene.office.open:
        scene.office.answer(scene.say)
    scene.settle(scene.by(scene.new), scene.by(scene.old))
    for _ in range(200):
        scene.office.pass_(MINUTE)
        scene.settle()
        assert scene.status.next_update > scene.ca.now


def test_an_authority_that_writes_its_name_in_two_ways_is_silent_for_nobody_whose_way_its_list_is_of(scene):
    """A complete list is known by its issuer's name as it stands there, and key."""
    anew = scene.certified("key_cert_sign", name=in_other_letters(scene.new))
    scene.settle(scene.by(anew))
    assert scene.office.silent_since(scene.person) == NOON
    scene.office.pass_(MINUTE)
    scene.settle(scene.by(scene.new))
    assert scene.status.good
    assert scene.office.silent_since(scene.person) is None


def test_no_more_ways_are_kept_than_one_signature_can_have_and_those_longest_not_asked_for_go(scene):
    marks = [(x509.InhibitAnyPolicy(it), False) for it in range(MOST_CHAINS + 4)]
    others = [scene.certified("key_cert_sign", extras=(it,)) for it in marks]
    scene.settle(scene.by(scene.new), *(scene.by(it) for it in others))
    item = scene.office.clerk.book.items[load(scene.person.der).report.sha256]
    assert [it[1].der for it in item.chains] == [it.credential.der for it in others[::-1][:MOST_CHAINS]]
    assert {it[0].der for it in item.chains} == {item.certificate.der} == {scene.person.der}


def test_what_the_cache_knows_on_one_way_serves_on_another_too(scene):
    chain = scene.by(scene.new).certificates
    said = [(Source(CRL, OWN_LIST), scene.list_())]
    sha256 = chain[0].report.sha256
    settled = prove(chain, said, NOON, FRESHNESS)
    scene.settle(Recalled(key=sha256, chain=chain, signer=True, at=NOON, settled=settled))
    scene.office.pass_(MINUTE)
    scene.settle(scene.by(scene.old))
    assert scene.requests == []
    scene.office.pass_(50 * MINUTE)
    scene.settle(scene.by(scene.old))
    assert len(scene.requests) == 1
    assert scene.status.this_update == scene.ca.now


# ── one answer, judged on each way ──


def asked(scene: Scene, source: str, *before: tuple[Source, bytes]) -> Question:
    """Asked on the old way last."""
    ways = (scene.by(scene.old).certificates, scene.by(scene.new).certificates)
    where = Source(source, OWN_LIST if source == CRL else OWN_OCSP)
    return Question(key=ways[0][0].report.sha256, chains=ways, source=where, signer=True, before=before)


def test_an_answer_is_worth_what_it_proves_on_the_best_way(scene):
    found = judged(asked(scene, CRL), scene.list_(), NOON, FRESHNESS)
    assert [it.issuer for it in found.settled.lists] == [scene.by(scene.new).issuers[0]]
    assert found.chain == found.question.chains[1]


def test_a_way_on_which_an_older_word_counts_does_not_hide_a_newer_one(scene):
    """The OCSP answer proves itself on each way, the list only on one."""
    scene.revoked[scene.person.certificate.serial_number] = (NOON - HOUR, "key_compromise")
    about = {"begin": NOON - HOUR, "end": NOON + DAY, "produced": NOON - HOUR}
    good = an_answer(scene.person, scene.new.credential, **about)
    before = (Source(OCSP, OWN_OCSP), good)
    first = judged(asked(scene, OCSP), good, NOON, FRESHNESS)
    assert [it.good for it in first.settled.statuses] == [True]
    assert first.chain == first.question.chains[0]
    scene.revoked.clear()
    newer = judged(asked(scene, CRL, before), scene.list_(), NOON, FRESHNESS)
    assert (len(newer.settled.lists), newer.chain) == (1, newer.question.chains[1])


def test_a_final_revocation_is_worth_more_than_a_newer_word(scene):
    scene.revoked[scene.person.certificate.serial_number] = (NOON - 2 * HOUR, "key_compromise")
    listed = a_list(scene.new.credential, scene.revoked, begin=NOON - HOUR, end=NOON + HOUR)
    about = {"begin": NOON, "end": NOON + DAY, "produced": NOON}
    before = (Source(OCSP, OWN_OCSP), an_answer(scene.person, scene.new.credential, **about))
    found = judged(asked(scene, CRL, before), listed, NOON, FRESHNESS)
    assert (len(found.settled.lists), found.chain) == (1, found.question.chains[1])


def test_what_tells_nothing_on_any_way_tells_nothing(scene):
    found = judged(asked(scene, CRL), b"nothing", NOON, FRESHNESS)
    assert (found.settled.statuses, found.settled.lists, found.settled.unknown) == ((), (), frozenset())
    assert found.chain == found.question.chains[0]


def test_an_authority_that_does_not_know_the_certificate_is_heard_on_whichever_way(scene):
    """A responder of its own is below another authority on one way: there it may not speak."""
    stranger = Ca(name="Another CA")
    other = (scene.by(scene.old).certificates[0], *stranger.path(stranger.person()).certificates[1:])
    about = {"status": "unknown", "begin": NOON, "end": NOON + DAY, "produced": NOON}
    octets = an_answer(scene.person, scene.new.credential, **about)
    question = asked(scene, OCSP)
    question = replace(question, chains=(other, question.chains[1]))
    found = judged(question, octets, NOON, FRESHNESS)
    assert (found.settled.unknown, found.chain) == ({question.key}, question.chains[1])


def test_a_request_names_the_issuer_as_the_certificate_does_whichever_way_it_was_asked_for_on(scene):
    """RFC 6960 §4.1.1: over the issuer's name field in the certificate being checked."""
    person, issuer = scene.person.certificate, scene.new.credential.certificate
    plain = ocsp.OCSPRequestBuilder().add_certificate(person, issuer, hashes.SHA1()).build().public_bytes(Encoding.DER)
    anew = scene.certified("key_cert_sign", name=in_other_letters(scene.new)).credential
    own, above, root = scene.by(scene.new).certificates
    for chain in ((own, above, root), (own, load(anew.der), root)):
        assert Question(key="", chains=(chain,), source=Source(OCSP, OWN_OCSP)).request() == plain
