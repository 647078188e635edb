"""xmlsec1, which shares no code with us, verifies the seal of a receipt, and of a head of the journal, to its anchor."""

from __future__ import annotations

import subprocess

import pytest

from adapters.testkit.pki import JAN
from broker.errors import Malformed
from broker.journal_head import judge_seal, unsealed
from broker.proof import check
from tests.builders import an_envelope
from tests.journals import a_batch
from tests.receipts import ISSUED, PKI, SCHEMA, TRUST, a_registrar, a_seal, a_upp

pytestmark = pytest.mark.interop


def xmlsec1(path, receipt):
    document, anchor = path / "upp.xml", path / "anchor.pem"
    document.write_bytes(receipt)
    anchor.write_bytes(PKI.seal_ca.credential.pem)
    moment = ISSUED.strftime("%Y-%m-%d %H:%M:%S")
    command = ["xmlsec1", "--verify", "--trusted-pem", str(anchor), "--verification-gmt-time", moment]
    for name in ("SignedProperties", "KeyInfo"):
        command += ["--id-attr:Id", name]
    return subprocess.run([*command, str(document)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "receipt",
    [
        a_upp("<list>zażółć</list>".encode()),
        a_upp(trial=True, office_name="Urząd <&> 'Miasta'"),
        a_upp(seal=a_seal(PKI.personal(PKI.seal_ca, JAN, kind="ec-256"))),
        a_registrar(a_seal()).npp(an_envelope(), Malformed("parse.malformed", place="line 1"), ISSUED),
    ],
    ids=["upp", "trial", "elliptic", "npp"],
)
def test_xmlsec1_verifies_the_receipt(receipt, tmp_path):
    verdict = xmlsec1(tmp_path, receipt)
    assert verdict.returncode == 0, verdict.stderr
    assert "SignedInfo References (ok/all): 3/3" in verdict.stderr
    assert check(receipt, schema=SCHEMA, trust=TRUST).holds


def test_xmlsec1_refuses_a_changed_receipt_and_a_foreign_seal(tmp_path):
    receipt = a_upp()
    assert xmlsec1(tmp_path, receipt.replace(b"T12:00:00", b"T11:00:00")).returncode != 0
    assert xmlsec1(tmp_path, a_upp(seal=a_seal(PKI.organisation))).returncode != 0


def test_xmlsec1_verifies_a_sealed_head_of_the_journal_and_refuses_a_changed_one(tmp_path):
    batch, _ = a_batch(None, range(1, 4))
    sealed = a_seal().seal(unsealed(batch))
    assert xmlsec1(tmp_path, sealed).returncode == 0
    assert judge_seal(sealed, TRUST).code == ""
    assert xmlsec1(tmp_path, sealed.replace(b"<Size>3<", b"<Size>4<")).returncode != 0
