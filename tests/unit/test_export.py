"""What an exported container holds: everything that is kept of a case, and a word on what is not."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from zipfile import ZipFile

import pytest
from cryptography import x509

from adapters.testkit.pki import JAN
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from adapters.trust.cache import Cache, Kept
from adapters.trust.kept import KeptEvidence
from adapters.trust.question import Source
from broker.copies import MADE
from broker.deadlines import Evidence, Stage
from broker.errors import Unavailable
from broker.evidence import RevocationReport, to_json
from broker.model import SubmissionId
from broker.parse import Limits, read
from broker.stamped import to_stamp, with_stamp
from broker.states import DeliveryState
from broker.verify import TrustSnapshot, anchors, examine
from broker.verify.certificate import load
from broker.verify.revocation import CRL, OCSP
from config.export_check import check
from tests.containers import AT, LETTER, PLAIN, TRUSTED, TSA, a_case, a_store, an_exporter, chain_journal
from tests.receipts import ISSUED, PKI

SIGNED = sign(LETTER, PKI.person, ISSUED, QUALIFIED)
PEOPLE = TrustSnapshot(anchors=anchors(PKI.qualified_ca.credential.pem))


@pytest.fixture
def store():
    return a_store()


def exported(store, case, folder, **about):
    """Return the files of a case's container, by name; it holds by our own check."""
    target = folder / f"{case.submission.id}.asice"
    done = an_exporter(store, **about).export(case.submission.id, target)
    assert done.sha256 == hashlib.sha256(target.read_bytes()).hexdigest()
    found = check(target, TRUSTED)
    assert found.container.verdict == "TOTAL-PASSED", found.container
    with ZipFile(target) as archive:
        return {name: archive.read(name) for name in archive.namelist()[1:-2]}


def test_a_plain_case_has_its_documents_and_what_became_of_it(store, tmp_path):
    case = a_case(store)
    chain_journal(store)
    files = exported(store, case, tmp_path)
    assert tuple(files) == PLAIN
    assert files["document.xml"] == LETTER
    assert files["receipt.xml"] == case.receipt.xml
    assert files["verification-report.json"] == case.report
    assert b"VerificationReport" in files["verification-report.xml"]
    told = json.loads(files["submission.json"])
    assert told["submission"]["id"] == case.submission.id
    assert told["submission"]["file_name"] == "letter.xml"
    assert told["receipt"]["sha256"] == hashlib.sha256(case.receipt.xml).hexdigest()
    assert told["export"] == {
        "at": "2026-01-01T12:10:01.250000Z",
        "by": "Goniec 1.2.3",
        "environment": "test",
        "missing": [],
        "revocation_not_kept": [],
        "revocation_later": [],
    }
    deliveries = json.loads(files["deliveries.json"])
    assert [one["id"] for one in deliveries["deliveries"]] == [case.deliveries[0].id]
    assert [one["name"] for one in deliveries["events"]] == ["intake.accepted"]
    assert json.loads(files["journal-proof.json"])


def test_every_file_is_what_its_name_says(store, tmp_path):
    case = a_case(store, SIGNED, report=examine(read(SIGNED, Limits()), PEOPLE, ISSUED), stamped=True)
    kinds = {
        "xml": lambda it: read(it, Limits()) is not None,
        "json": lambda it: isinstance(json.loads(it), dict),
        "pem": lambda it: bool(x509.load_pem_x509_certificates(it)),
        "txt": lambda it: "KONTENER DOWODOWY" in it.decode() and "EVIDENCE CONTAINER" in it.decode(),
    }
    for name, content in exported(store, case, tmp_path, trust=PEOPLE).items():
        assert kinds[name.rpartition(".")[2]](content)


def test_certificates_are_those_of_the_seal_of_each_signature_and_of_whom_was_trusted(store, tmp_path):
    report = examine(read(SIGNED, Limits()), PEOPLE, ISSUED)
    case = a_case(store, SIGNED, report=report)
    files = exported(store, case, tmp_path, trust=PEOPLE)
    pems = {name: x509.load_pem_x509_certificates(files[name]) for name in files if name.endswith(".pem")}
    assert pems["certificates/seal.pem"] == [PKI.seal.certificate]
    assert pems["certificates/signature-1.pem"][0] == PKI.person.certificate
    assert pems["certificates/anchors.pem"] == [PKI.qualified_ca.credential.certificate]


def test_a_stamped_receipt_and_a_second_report_come_along(store, tmp_path):
    case = a_case(store, recheck=True)
    store.settle(case.submission.id, "verify.confirmed", "", case.report)
    copy = with_stamp(case.receipt.xml, TSA.token(to_stamp(case.receipt.xml)))
    store.stamp(case.receipt.id, copy, AT)
    files = exported(store, case, tmp_path, stamp=TSA.token)
    assert files["receipt-stamped.xml"] == copy
    assert files["verification-report-later.json"] == case.report
    assert b"VerificationReport" in files["verification-report-later.xml"]
    assert "verification-report-later.json" in files["README.txt"].decode()


def test_of_a_pruned_case_what_is_left_is_exported_and_the_rest_named(store, tmp_path):
    case = a_case(store)
    exporter = an_exporter(store, document=lambda _: None)
    record = replace(store.show(case.submission.id), report=b"")
    exporter.store.show = lambda _: record
    target = tmp_path / "c.asice"
    exporter.export(case.submission.id, target)
    found = check(target, TRUSTED)
    assert found.container.verdict == "TOTAL-PASSED"
    assert "container.no-document" in found.container.notes
    with ZipFile(target) as archive:
        assert "document.xml" not in archive.namelist()
        assert archive.read("receipt.xml") == case.receipt.xml
        told = json.loads(archive.read("submission.json"))
        words = archive.read("README.txt").decode()
    assert told["export"]["missing"] == ["document.xml", "verification-report.json"]
    assert "usunięto go po upływie okresu przechowywania" in words
    assert "it was removed when its time was over" in words
    assert "document.xml\n" not in words.partition("Pliki:")[2].partition("Jak sprawdzić")[0]


def test_a_document_that_cannot_be_read_under_todays_caps_is_exported_all_the_same(store, tmp_path):
    case = a_case(store, b"\x00 no XML any more")
    files = exported(store, case, tmp_path)
    assert files["document.xml"] == b"\x00 no XML any more"


def test_a_report_of_an_earlier_version_that_says_less_is_exported_too(store, tmp_path):
    report = b'{"indication":"TOTAL-PASSED","level":"local","signatures":[{"id":"s","references":[]}]}'
    case = a_case(store)
    record = replace(store.show(case.submission.id), report=report)
    store.show = lambda _: record
    files = exported(store, case, tmp_path)
    assert files["verification-report.json"] == report


def test_a_case_that_the_journal_does_not_know_says_so(store, tmp_path):
    case = a_case(store)
    files = exported(store, case, tmp_path, proof=False)
    assert "journal-proof.json" not in files
    assert "a proof from the journal: there is none" in files["README.txt"].decode()


def test_sealed_evidence_of_what_was_late_comes_along(store, tmp_path):
    case = a_case(store)
    late = Evidence(
        submission=case.submission.id,
        stage=Stage.RELAY,
        delivery=case.deliveries[0].id,
        office=case.submission.office,
        state=DeliveryState.WAITING,
        cause="",
        deadline=ISSUED,
        at=AT,
    )
    exporter = an_exporter(store)
    owed = [replace(late, id="e1", xml=b"<late/>"), replace(late, stage=Stage.DELIVERY)]
    exporter = replace(exporter, around=replace(exporter.around, late=lambda of: owed if of == late.submission else []))
    exporter.export(case.submission.id, tmp_path / "c.asice")
    with ZipFile(tmp_path / "c.asice") as archive:
        assert archive.read("late-relay.xml") == b"<late/>"
        assert "late-delivery.xml" not in archive.namelist()
        assert "late-relay.xml\n      sealed evidence" in archive.read("README.txt").decode()


# ── revocation ──


def revoked_case(store, *statuses):
    report = examine(read(SIGNED, Limits()), PEOPLE, ISSUED)
    signature = replace(report.signatures[0], revocation=statuses)
    return a_case(store, SIGNED, report=replace(report, signatures=(signature,)))


def status(digest, certificate="ab" * 32):
    return RevocationReport(subject="CN=x", certificate=certificate, status="good", digest=digest)


def digest(octets):
    return hashlib.sha256(octets).hexdigest()


def keep(folder, *said, key="ab" * 32):
    chain = (load(PKI.person.der),)
    Cache(folder).keep(Kept(key=key, chain=chain, said=said, at=ISSUED, signer=True))


ANSWER = (Source(OCSP, "http://ocsp.example/"), b"an OCSP answer")
LIST = (Source(CRL, "http://crl.example/"), b"a revocation list")


def revocation(files):
    return {name: content for name, content in files.items() if name.startswith("revocation/")}


def test_evidence_that_the_report_names_comes_along_under_its_digest(store, tmp_path):
    keep(tmp_path / "cache", ANSWER, LIST)
    case = revoked_case(store, status(digest(LIST[1])))
    files = exported(store, case, tmp_path, cache=tmp_path / "cache")
    assert revocation(files) == {f"revocation/{digest(LIST[1])}.crl": LIST[1]}
    assert "later evidence" not in files["README.txt"].decode()


def test_several_pieces_that_the_report_names_by_one_digest_all_come_along(store, tmp_path):
    keep(tmp_path / "cache", ANSWER, LIST)
    case = revoked_case(store, status(digest(ANSWER[1] + LIST[1])))
    files = exported(store, case, tmp_path, cache=tmp_path / "cache")
    assert set(revocation(files).values()) == {ANSWER[1], LIST[1]}


def test_where_the_evidence_is_gone_the_digest_is_named_and_later_evidence_stands_for_it(store, tmp_path):
    keep(tmp_path / "cache", ANSWER)
    case = revoked_case(store, status("00" * 32), status("11" * 32, certificate="cd" * 32))
    files = exported(store, case, tmp_path, cache=tmp_path / "cache")
    name = f"revocation/{digest(ANSWER[1])}.ocsp"
    assert revocation(files) == {name: ANSWER[1]}
    told = json.loads(files["submission.json"])["export"]
    assert (told["revocation_not_kept"], told["revocation_later"]) == (["00" * 32, "11" * 32], [name])
    words = files["README.txt"].decode()
    assert "00" * 32 in words
    assert f"{name}: this is later evidence" in words


def test_one_piece_that_two_certificates_hang_on_is_one_file(store, tmp_path):
    keep(tmp_path / "cache", LIST)
    case = revoked_case(store, status(digest(LIST[1])), status(digest(LIST[1]), certificate="cd" * 32))
    assert len(revocation(exported(store, case, tmp_path, cache=tmp_path / "cache"))) == 1


def test_looking_at_the_cache_changes_nothing_in_it(tmp_path):
    keep(tmp_path, ANSWER)
    (tmp_path / "x.evidence").write_bytes(b"half written")
    (tmp_path / "other").write_bytes(b"")
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    shelf = KeptEvidence(tmp_path)
    assert [one.octets for one in shelf.lately("ab" * 32)] == [ANSWER[1]]
    assert list(shelf.exactly("00" * 32, "ab" * 32)) == []
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


def test_evidence_that_was_replaced_meanwhile_is_not_passed_for_the_one_that_is_named(tmp_path):
    keep(tmp_path, ANSWER)
    shelf = KeptEvidence(tmp_path)
    assert [one.octets for one in shelf.exactly(digest(ANSWER[1]), "cd" * 32)] == [ANSWER[1]]
    keep(tmp_path, LIST)
    assert list(shelf.exactly(digest(ANSWER[1]), "cd" * 32)) == []
    (file,) = tmp_path.iterdir()
    file.unlink()
    assert list(shelf.lately("ab" * 32)) == []
    assert list(KeptEvidence(tmp_path / "nowhere").lately("ab" * 32)) == []


# ── the word of it ──


def test_the_store_knows_of_the_copy_before_it_has_its_name(store, tmp_path):
    case, seen = a_case(store), []
    target = tmp_path / "c.asice"
    exporter = an_exporter(store)
    made = store.copies.made
    store.copies.made = lambda *about: (seen.append(target.exists()), made(*about))[1]
    done = exporter.export(case.submission.id, target, reason="a court asks")
    assert seen == [False]
    last = store.show(case.submission.id).events[-1]
    assert (last.name, last.detail) == (MADE, f"uid 1000 sha256 {done.sha256} a court asks")


def test_there_is_no_copy_where_the_store_cannot_be_told(store, tmp_path):
    case = a_case(store)
    exporter = an_exporter(store)

    def away(*_):
        raise Unavailable("the store is away")

    store.copies.made = away
    with pytest.raises(Unavailable):
        exporter.export(case.submission.id, tmp_path / "c.asice")
    assert list(tmp_path.iterdir()) == []


def test_what_nobody_knows_is_not_exported(store, tmp_path):
    assert an_exporter(store).export(SubmissionId("nobody"), tmp_path / "c.asice") is None
    assert list(tmp_path.iterdir()) == []


def test_a_case_exported_twice_at_one_moment_is_the_same_octets(store, tmp_path):
    case = a_case(store)
    exporter = an_exporter(store, proof=False)  # which tells of the first
    record = store.show(case.submission.id)
    exporter.store.show = lambda _: record
    for name in ("a", "b"):
        exporter.export(case.submission.id, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_export_is_judged_as_of_its_time_stamp(store, tmp_path):
    case = a_case(store)
    an_exporter(store, stamp=TSA.token).export(case.submission.id, tmp_path / "c.asice")
    found = check(tmp_path / "c.asice", TRUSTED).container
    assert (found.verdict, found.stamped_at) == ("TOTAL-PASSED", TSA.clock().replace(microsecond=0))
    unjudged = check(tmp_path / "c.asice", replace(TRUSTED, stamps=None)).container
    assert (unjudged.verdict, unjudged.notes[0]) == ("TOTAL-PASSED", "container.stamp-not-judged")


def test_a_signature_that_was_made_by_anybody_else_does_not_stop_an_export(store, tmp_path):
    twice = sign(SIGNED, PKI.personal(PKI.local_ca, JAN), ISSUED, QUALIFIED)
    case = a_case(store, twice, report=examine(read(twice, Limits()), PEOPLE, ISSUED))
    assert to_json(examine(read(twice, Limits()), PEOPLE, ISSUED)) == case.report
    files = exported(store, case, tmp_path)
    assert {"certificates/signature-1.pem", "certificates/signature-2.pem"} <= set(files)
