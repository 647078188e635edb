"""Which path is taken hangs on the certificates, the anchors and the moment: not on what was asked before, nor on the
order in which certificates came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.testkit.certificates import Credential
from adapters.testkit.pki import JAN
from adapters.testkit.tsa import unit
from broker.evidence import Level
from broker.verify import Anchor, TrustSnapshot, path
from broker.verify.certificate import Certificate, load
from broker.verify.fault import Fault
from broker.verify.qualified import Service
from tests.corpus.verify.refused import maze
from tests.corpus.verify.scene import AT, PKI, TRUST
from tests.revocation import CA, DAY, PERSON, ROOT

SECOND = timedelta(seconds=1)


def renewed(of: Credential, begin: datetime, end: datetime) -> x509.Certificate:
    """A root's new certificate: its name and its key, another number and other dates."""
    own = of.certificate
    return (
        x509.CertificateBuilder()
        .subject_name(own.subject)
        .issuer_name(own.subject)
        .public_key(of.key.public_key())
        .serial_number(own.serial_number + 1)
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(of.key, hashes.SHA256())
    )


def listed(certificate: x509.Certificate, name: str, begin: datetime, end: datetime) -> Anchor:
    service = Service(name=name, territory="PL", since=begin, until=end)
    return Anchor(certificate=certificate, name=name, level=Level.NONE, services=(service,))


OLD = PKI.qualified_ca.credential
NEW = renewed(OLD, AT - 200 * DAY, AT + 4000 * DAY)


def two_of_one_key() -> TrustSnapshot:
    """The older certificate is granted until ten days after AT, the newer since 300 days before."""
    old = listed(OLD.certificate, "old", AT - 3000 * DAY, AT + 10 * DAY)
    return TrustSnapshot(anchors=(old, listed(NEW, "new", AT - 300 * DAY, AT + 3000 * DAY)))


def named(trust: TrustSnapshot, signer: Credential, at: datetime, *beside: x509.Certificate) -> str:
    try:
        return path.find(load(signer.der), [_own(it) for it in beside], trust, at).anchor.name
    except Fault as fault:
        return fault.code


def _own(certificate: x509.Certificate) -> Certificate:
    return load(certificate.public_bytes(Encoding.DER))


@pytest.mark.parametrize("moments", [(AT, AT + 60 * DAY), (AT + 60 * DAY, AT), (AT + 60 * DAY, AT, AT + 60 * DAY)])
def test_an_anchor_that_was_withdrawn_since_gives_way_to_one_of_its_key_that_counts(moments: tuple[datetime]) -> None:
    trust = two_of_one_key()
    assert [named(trust, PKI.person, at) for at in moments] == ["old" if at == AT else "new" for at in moments]


def test_an_anchor_counts_until_just_before_its_end_and_is_then_not_remembered() -> None:
    trust = two_of_one_key()
    end = AT + 10 * DAY
    asked = [end - SECOND, end, end - SECOND, end]
    assert [named(trust, PKI.person, at) for at in asked] == ["old", "new", "old", "new"]


def test_the_end_of_a_certificate_is_its_last_second_whatever_was_asked_before() -> None:
    long = listed(OLD.certificate, "long", AT - 3000 * DAY, AT + 9000 * DAY)
    last = OLD.certificate.not_valid_after_utc
    signer = ROOT.issue(PKI.person.certificate.subject, PKI.person.key, not_before=AT, not_after=last + DAY)
    for moments in ((last, last + SECOND), (last + SECOND, last)):
        trust = TrustSnapshot(anchors=(long,))
        expected = ["long" if at == last else "verify.chain-expired" for at in moments]
        assert [named(trust, signer, at) for at in moments] == expected


def test_a_signer_that_a_list_pinned_and_let_go_is_sought_below_the_others() -> None:
    pinned = listed(PKI.person.certificate, "pinned", AT - DAY, AT + DAY)
    twin = Anchor(certificate=PKI.person.certificate, name="twin")
    authority = Anchor(certificate=OLD.certificate, name="authority")
    trust = TrustSnapshot(anchors=(pinned, authority))
    asked = (AT, AT + 2 * DAY, AT - DAY - SECOND, AT - DAY)
    assert [named(trust, PKI.person, at) for at in asked] == ["pinned", "authority", "authority", "pinned"]
    (alone,) = path.find_all(load(PKI.person.der), (), TrustSnapshot(anchors=(pinned, twin, authority)), AT)
    assert (alone.anchor, alone.issuers) == (pinned, ())
    assert named(TrustSnapshot(anchors=(pinned, twin, authority)), PKI.person, AT + 2 * DAY) == "twin"


def test_an_anchor_that_counts_no_more_is_one_link_among_others() -> None:
    """A list lets a CA go whose certificate stands below an anchor of the operator's: through that it is trusted."""
    let_go = listed(CA.credential.certificate, "let go", AT - 9 * DAY, AT - DAY)
    trust = TrustSnapshot(anchors=(let_go, Anchor(certificate=ROOT.credential.certificate, name="above")))
    asked = (AT - 2 * DAY, AT, AT - 2 * DAY)
    assert [named(trust, PERSON, at, CA.credential.certificate) for at in asked] == ["let go", "above", "let go"]
    # While it counts, its certificate beside the signature leads no further up.
    assert len(list(path.find_all(load(PERSON.der), [_own(CA.credential.certificate)], trust, AT - 2 * DAY))) == 1


def test_of_a_stranger_it_is_told_that_nobody_trusts_him_whenever_his_certificate_was_valid() -> None:
    signers = [
        (PKI.personal(authority, JAN, not_before=begin, not_after=begin + DAY), authority is PKI.qualified_ca, early)
        for authority in (PKI.qualified_ca, PKI.untrusted_ca)
        for begin, early in ((AT - 9 * DAY, False), (AT + 9 * DAY, True))
    ]
    for signer, trusted, early in signers:
        told = "verify.certificate-not-yet-valid" if early else "verify.certificate-expired"
        assert named(TRUST, signer, AT) == (told if trusted else "verify.chain-untrusted")


def test_for_which_moment_an_anchor_counts_does_not_matter_for_a_certificate_that_has_ended() -> None:
    """A stamp may prove a moment at which both were good: that it has ended is what is to be said."""
    gone = listed(OLD.certificate, "gone", AT - 90 * DAY, AT - 80 * DAY)
    assert named(TrustSnapshot(anchors=(gone,)), PKI.expired, AT) == "verify.certificate-expired"
    assert named(TrustSnapshot(), PKI.expired, AT) == "verify.chain-untrusted"
    pinned = Anchor(certificate=PKI.expired.certificate, name="pinned")
    assert named(TrustSnapshot(anchors=(pinned,)), PKI.expired, AT) == "verify.certificate-expired"
    # It may hang on what came beside.
    ended = PKI.personal(CA, JAN, not_before=AT - 9 * DAY, not_after=AT - DAY)
    assert named(TRUST, ended, AT) == "verify.chain-untrusted"
    assert named(TRUST, ended, AT, CA.credential.certificate) == "verify.certificate-expired"


def test_a_certificate_that_has_ended_and_cannot_be_read_has_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_certificate: object) -> None:
        raise KeyError

    monkeypatch.setattr(path, "link_of", broken)
    assert named(TrustSnapshot(anchors=TRUST.anchors), PKI.expired, AT) == "verify.chain-unreadable"


# ── several paths ──


def above(number: int, begin: datetime = AT - 100 * DAY, end: datetime = AT + 100 * DAY) -> x509.Certificate:
    """Another certificate of the issuing CA, for the same key, told by its dates."""
    at = number * SECOND
    return ROOT.issue(
        CA.credential.certificate.subject,
        CA.credential.key,
        not_before=begin + at,
        not_after=end,
        usage=("key_cert_sign", "crl_sign"),
        ca=True,
    ).certificate


def ways(beside: Sequence[x509.Certificate], trust: TrustSnapshot, at: datetime = AT) -> list[x509.Certificate]:
    found = path.find_all(load(PERSON.der), [_own(it) for it in beside], trust, at)
    return [it.certificates[1].x509 for it in found]


def test_all_paths_that_hold_are_found_the_newest_certificates_first_in_whichever_order_they_came() -> None:
    one, two, three = above(1), above(2), above(3, end=AT - DAY)
    for came in permutations((one, two, three)):
        for trust in (TRUST, TrustSnapshot(anchors=TRUST.anchors)):
            assert ways(came, trust) == [two, one]
            assert ways(came, trust) == [two, one]


def test_the_others_are_sought_only_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[object] = []
    flaw = path.flaw
    monkeypatch.setattr(path, "flaw", lambda *what: (judged.append(what), flaw(*what))[1])
    trust, beside = TrustSnapshot(anchors=TRUST.anchors), [_own(above(number)) for number in range(3)]
    for costs in (1, 1):
        assert path.find(load(PERSON.der), beside, trust, AT)
        assert len(judged) == costs
    for _ in range(2):
        assert len(list(path.find_all(load(PERSON.der), beside, trust, AT))) == 3
        assert len(judged) == 4  # the first is judged a second time, and then no more


def test_of_very_many_paths_only_so_many_are_found() -> None:
    assert len(ways([above(number) for number in range(30)], TrustSnapshot(anchors=TRUST.anchors))) == path._TRIES


def test_a_maze_behind_a_path_that_holds_takes_nothing_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(path, "_STEPS", 3)
    beside = [above(number) for number in range(3)]
    assert ways(beside, TrustSnapshot(anchors=TRUST.anchors)) == [beside[2], beside[1]]
    lost = maze()
    with pytest.raises(Fault, match="chain-too-complex"):
        list(path.find_all(load(lost.der), [_own(it) for it in lost.chain], TRUST, AT))


def test_a_signer_is_judged_before_any_path_is_sought() -> None:
    for signer, code in ((CA.credential, "verify.certificate-is-ca"), (PKI.expired, "verify.certificate-expired")):
        with pytest.raises(Fault) as caught:
            next(path.find_all(load(signer.der), (), TRUST, AT))
        assert caught.value.code == code


CERTIFICATES = [above(0, AT - 9 * DAY, AT - DAY), above(1, AT - 2 * DAY, AT + 5 * DAY), above(2, AT, AT + 99 * DAY)]
LISTED = [
    listed(renewed(OLD, AT - (90 - number) * DAY, AT + 90 * DAY), name, AT + begin * DAY, AT + end * DAY)
    for number, (name, begin, end) in enumerate([("early", -8, 2), ("late", 1, 7)])
]
MOMENTS = st.integers(-80, 80).map(lambda hours: AT + hours * timedelta(hours=3))


@settings(max_examples=25, deadline=None)
@given(
    asked=st.lists(st.tuples(MOMENTS, st.lists(st.sampled_from(CERTIFICATES), unique=True)), min_size=2, max_size=6),
    granted=st.lists(st.sampled_from(LISTED), unique_by=lambda it: it.name, min_size=1),
)
def test_whether_a_path_is_found_never_hangs_on_what_was_asked_before(
    asked: list[tuple[datetime, list[x509.Certificate]]], granted: list[Anchor]
) -> None:
    def answer(trust: TrustSnapshot, at: datetime, beside: Sequence[x509.Certificate]) -> object:
        try:
            found = path.find_all(load(PERSON.der), [_own(it) for it in beside], trust, at)
            return [(it.subjects, it.chain, it.anchor.name) for it in found]
        except Fault as fault:
            return fault.code

    one = TrustSnapshot(anchors=tuple(granted))
    for at, beside in asked:
        alone = answer(TrustSnapshot(anchors=tuple(granted)), at, sorted(beside, key=lambda it: it.serial_number))
        assert answer(one, at, beside) == alone


def test_the_first_and_the_last_second_of_a_certificate_beside_are_its_own() -> None:
    """What was found a second before or after does not stand for them."""
    known, short = above(1), above(2, begin=AT - DAY, end=AT)
    begin = short.not_valid_before_utc
    for moments in ((begin - SECOND, begin, AT), (AT + SECOND, AT, begin)):
        trust = TrustSnapshot(anchors=TRUST.anchors)
        expected = [[short, known] if begin <= at <= AT else [known] for at in moments]
        assert [ways((known, short), trust, at) for at in moments] == expected


def test_behind_paths_that_hold_those_that_do_not_are_no_fault() -> None:
    judge = path._judge_of(TrustSnapshot(anchors=TRUST.anchors))
    beside = [_own(above(1)), _own(above(2, end=AT - DAY))]
    assert len(list(judge._paths(load(PERSON.der), beside, AT))) == 1


def test_only_whoever_asks_for_stamps_gets_the_path_of_a_key_that_signs_no_documents() -> None:
    stamper = load(unit(PKI.qualified_ca, AT).der)
    for search in (path.find, lambda *what, **how: next(path.find_all(*what, **how))):
        assert search(stamper, (), TRUST, AT, stamps=True).certificates[0] is stamper
        with pytest.raises(Fault, match="key-usage"):
            search(stamper, (), TRUST, AT)
