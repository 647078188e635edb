"""Paths are built and judged without help from outside, and not for ever."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.testkit.pki import JAN
from adapters.testkit.signer import sign
from broker.errors import ConfigError
from broker.evidence import Indication, Level, SubIndication
from broker.verify import Anchor, TrustSnapshot, anchors, flaw, path
from broker.verify.certificate import Certificate, load
from broker.verify.fault import Fault
from broker.verify.trust import public_keys
from tests.corpus.verify.refused import below, maze
from tests.corpus.verify.scene import AT, FORM, PKI, TRUST, anchor, judged

DAY = timedelta(days=1)


def _own(certificate: x509.Certificate) -> Certificate:
    return load(certificate.public_bytes(Encoding.DER))


def test_a_path_ends_below_an_anchor_and_is_worth_what_that_is() -> None:
    found = path.find(load(PKI.person.der), (), TRUST, AT)
    assert found.chain == (PKI.person.der, PKI.qualified_ca.credential.der)
    assert found.anchor.level is Level.QUALIFIED


def test_a_remembered_path_is_judged_anew_outside_its_time() -> None:
    short = below("Short", not_after=AT + DAY)
    person = PKI.personal(short, JAN)
    beside = [_own(certificate) for certificate in person.chain]
    signer = load(person.der)
    assert path.find(signer, beside, TRUST, AT).chain[1] == short.credential.der
    with pytest.raises(Fault, match="chain-expired"):
        path.find(signer, beside, TRUST, AT + 2 * DAY)
    assert path.find(signer, beside, TRUST, AT)


def test_a_path_is_judged_once_as_long_as_it_holds_and_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    judged_so_far: list[object] = []
    judged_by = path.flaw
    monkeypatch.setattr(path, "flaw", lambda *what: (judged_so_far.append(what), judged_by(*what))[1])
    monkeypatch.setattr(path, "_REMEMBERED", 2)
    trust = TrustSnapshot(anchors=TRUST.anchors)
    one, two, three = (load(it.der) for it in (PKI.person, PKI.other_person, PKI.organisation))
    for signer, times in ((one, 1), (one, 1), (two, 2), (one, 2), (two, 2), (three, 3), (three, 3), (one, 4)):
        assert path.find(signer, (), trust, AT).certificates[0] is signer
        assert len(judged_so_far) == times
    for at in (one.report.not_before, one.report.not_after):
        assert path.find(one, (), trust, at).certificates[0] is one


def test_only_so_many_paths_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []

    def fails(*what: object) -> Fault:
        tried.append(what)
        return Fault("verify.chain-weak" if len(tried) == 1 else "verify.chain-expired")

    monkeypatch.setattr(path, "flaw", fails)
    with pytest.raises(Fault, match="chain-weak"):  # the first says why
        list(path._Judge._holding(iter([(None, ())] * 1_000), AT))  # type: ignore[list-item]
    assert len(tried) == path._TRIES
    with pytest.raises(Fault) as caught:
        list(path._Judge._holding(iter(()), AT))
    assert caught.value.code == "verify.chain-untrusted"


def test_a_judgement_that_waits_for_something_is_none() -> None:
    class Waiting:
        def __await__(self) -> Iterator[None]:
            yield

    async def waits() -> None:
        await Waiting()

    async def does_not() -> None:
        return

    flaw.step(does_not())
    waiting = waits()
    with pytest.raises(Fault) as caught:
        flaw.step(waiting)
    assert caught.value.code == "verify.chain-unreadable"
    assert waiting.cr_frame is None  # closed


def test_what_is_read_of_certificates_beside_is_remembered_up_to_a_number() -> None:
    judge = path._judge_of(TrustSnapshot(anchors=TRUST.anchors))
    assert judge._link.cache_info().maxsize == path._REMEMBERED_LINKS


def test_an_anchor_beyond_its_own_time_anchors_nothing() -> None:
    old = TrustSnapshot(anchors=(anchor(below("Old", not_after=AT - DAY / 2), Level.QUALIFIED),))
    person = PKI.personal(below("Old", not_after=AT - DAY / 2), JAN)
    with pytest.raises(Fault, match="chain-"):
        path.find(load(person.der), (), old, AT)


def test_a_new_snapshot_forgets_what_the_old_one_trusted() -> None:
    signer = load(PKI.person.der)
    assert path.find(signer, (), TRUST, AT)
    with pytest.raises(Fault, match="chain-untrusted"):
        path.find(signer, (), TrustSnapshot(), AT)


def test_no_socket_is_opened_for_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "socketpair", refuse)
    assert path.find(load(PKI.person.der), (), TrustSnapshot(anchors=TRUST.anchors), AT)


def test_a_maze_of_certificates_is_given_up() -> None:
    lost = maze()
    with pytest.raises(Fault, match="chain-too-complex"):
        path.find(load(lost.der), [_own(it) for it in lost.chain], TRUST, AT)


def test_a_duplicate_root_beside_the_signature_does_no_harm() -> None:
    beside = [_own(it) for it in (*PKI.person.chain, PKI.local_ca.credential.certificate)]
    assert path.find(load(PKI.person.der), beside, TRUST, AT).subjects[-1].startswith("CN=Goniec Test Qualified CA")


def test_many_threads_get_the_same_answer() -> None:
    trust = TrustSnapshot(anchors=TRUST.anchors)
    good, bad = load(PKI.person.der), load(PKI.stranger.der)

    def ask(number: int) -> str:
        try:
            return path.find(good if number % 2 else bad, (), trust, AT).anchor.name
        except Fault as fault:
            return fault.code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(200)))
    assert answers == ["verify.chain-untrusted", "qualified"] * 100


def test_anchors_are_read_from_pem_and_named_for_their_subjects() -> None:
    two = PKI.qualified_ca.credential.pem + PKI.local_ca.credential.pem
    read = anchors(two, level=Level.QUALIFIED)
    assert [it.name.split(",")[0] for it in read] == ["CN=Goniec Test Qualified CA", "CN=Goniec Test Local CA"]
    assert all(isinstance(it, Anchor) and it.level is Level.QUALIFIED and not it.platform_seal for it in read)


@pytest.mark.parametrize("pem", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_an_anchor_that_cannot_be_read_is_a_problem_of_the_configuration(pem: bytes) -> None:
    with pytest.raises(ConfigError):
        anchors(pem)


def test_all_keys_that_cannot_be_read_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        public_keys([b"", PKI.person.pem, b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
    assert [problem.split(":")[0] for problem in told.value.problems] == ["key 1", "key 3"]


def test_a_revocation_policy_that_is_not_known_is_not_silently_off() -> None:
    with pytest.raises(ConfigError):
        TrustSnapshot(revocation="perhaps")


def test_where_proof_is_required_and_there_is_none_the_verdict_is_neither_yes_nor_no() -> None:
    report = judged(sign(FORM, PKI.person, AT), TrustSnapshot(anchors=TRUST.anchors, revocation="require"))
    (signature,) = report.signatures
    assert (report.indication, report.sub_indication) == (Indication.INDETERMINATE, SubIndication.TRY_LATER)
    assert (report.code, report.revocation, report.level) == ("verify.revocation-unknown", "require", Level.QUALIFIED)
    assert len(signature.path) == 2  # everything else was found out, and is told


def test_a_broken_signature_stays_broken_where_proof_is_required() -> None:
    changed = sign(FORM, PKI.person, AT).replace(b">100<", b">900<")
    report = judged(changed, TrustSnapshot(anchors=TRUST.anchors, revocation="require"))
    assert report.code == "verify.digest-mismatch"


def test_a_signer_that_is_itself_trusted_needs_no_proof() -> None:
    pinned = Anchor(certificate=PKI.person.certificate, name="pinned")
    report = judged(sign(FORM, PKI.person, AT), TrustSnapshot(anchors=(pinned,), revocation="require"))
    assert (report.indication, report.revocation) == (Indication.PASSED, "require")
