"""`goniec receipt verify`: a receipt proves what it says, or not, or that cannot be told."""

from __future__ import annotations

import pytest

from adapters.testkit.tsa import Tsa
from broker.stamped import to_stamp, with_stamp
from tests.commands import answer, run
from tests.receipts import ISSUED, PKI, a_upp

DOCUMENT = b"<letter/>"


@pytest.fixture
def kept(tmp_path):
    (tmp_path / "seal-ca.pem").write_bytes(PKI.seal_ca.credential.pem)
    (tmp_path / "other-ca.pem").write_bytes(PKI.local_ca.credential.pem)
    (tmp_path / "document.xml").write_bytes(DOCUMENT)
    (tmp_path / "upp.xml").write_bytes(a_upp(DOCUMENT))
    return tmp_path


def words(kept, *more, trust="seal-ca.pem"):
    return ["receipt", "verify", kept / "upp.xml", "--trust", kept / trust, *more]


def test_a_true_receipt_is_a_yes_with_all_that_it_says(kept):
    told = answer(*words(kept, "--document", kept / "document.xml"))
    assert (told["verdict"], told["code"], told["kind"], told["document"]) == ("TOTAL-PASSED", "", "UPP", True)
    assert told["facts"]["IdentyfikatorDokumentu"]
    said = run(*words(kept, "--document", kept / "document.xml")).stdout
    assert "UPP: TOTAL-PASSED" in said
    assert told["facts"]["SHA-256"] in said


def test_without_a_document_it_is_not_compared(kept):
    assert answer(*words(kept))["document"] is None


def test_the_receipt_of_another_document_is_a_no(kept):
    (kept / "document.xml").write_bytes(DOCUMENT + b"\n")
    told = answer(*words(kept, "--document", kept / "document.xml"), status=1)
    assert (told["code"], told["document"]) == ("receipt.other-document", False)


@pytest.mark.parametrize("change", [(b"town", b"tovn"), (b">", b" >"), (b"<pos:UPP", b"<UPP")])
def test_a_receipt_that_was_changed_is_a_no_unless_the_change_means_nothing(kept, change):
    file = kept / "upp.xml"
    file.write_bytes(file.read_bytes().replace(*change))
    if change == (b">", b" >"):
        file.write_bytes(a_upp(DOCUMENT).replace(b"'", b'"') + b"\n<!-- kept -->")
        assert "receipt.rewritten" in answer(*words(kept))["notes"]
    else:
        told = answer(*words(kept), status=1)
        assert told["verdict"] == "TOTAL-FAILED"
        assert told["code"] in run(*words(kept), status=1).stdout


def test_a_seal_that_nobody_named_cannot_be_told(kept):
    told = answer(*words(kept, trust="other-ca.pem"), status=2)
    assert (told["verdict"], told["seal"]) == ("INDETERMINATE", "verify.chain-untrusted")
    done = run("receipt", "verify", kept / "upp.xml", status=2)
    assert "--trust" in done.stderr


def test_what_is_no_receipt_is_a_no(kept):
    for content in (b"", b"<a/>", b"<!DOCTYPE a><a/>", b"\xff"):
        (kept / "upp.xml").write_bytes(content)
        assert answer(*words(kept), status=1)["verdict"] == "TOTAL-FAILED"


def test_a_wrong_pem_and_a_missing_file_are_wrong_use(kept):
    (kept / "seal-ca.pem").write_bytes(b"nonsense")
    assert "seal-ca.pem" in run(*words(kept), status=2).stderr
    assert "Usage" in run("receipt", "verify", kept / "nowhere.xml", status=2).stderr
    assert "Usage" in run("receipt", status=2).stderr


def test_a_time_stamp_is_told_with_who_gave_it_if_its_authority_was_named(kept):
    receipt = (kept / "upp.xml").read_bytes()
    token = Tsa.of(PKI.local_ca, ISSUED).token(to_stamp(receipt))
    (kept / "upp.xml").write_bytes(with_stamp(receipt, token))
    told = answer(*words(kept, "--tsa", kept / "other-ca.pem"))
    assert (told["verdict"], told["stamped_at"]) == ("TOTAL-PASSED", "2026-01-01T12:00:01Z")
    assert "CN=Goniec Test Time-Stamping Unit" in run(*words(kept, "--tsa", kept / "other-ca.pem")).stdout
    assert "receipt.stamp-not-judged" in answer(*words(kept))["notes"]
    told = answer(*words(kept, "--tsa", kept / "seal-ca.pem"), status=2)
    assert (told["code"], told["place"]) == ("receipt.stamp", "verify.timestamp-untrusted")


def test_the_bundle_of_a_store_that_has_no_seal_yet_is_a_no(tmp_path):
    PKI.write(tmp_path / "pki")
    (tmp_path / "goniec.toml").write_text("[seal]\nkind = 'pem'\nfile = 'pki/seal.bundle.pem'\n")
    done = run("receipt", "bundle", "-c", tmp_path / "goniec.toml", status=1)
    assert "no seal" in done.stderr
    assert done.stdout == ""
