"""xmlsec1 verifies what a token has sealed, and what was time-stamped afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adapters.seals import token as tokens
from adapters.seals.pkcs11 import Settings, make
from adapters.testkit.pki import JAN
from adapters.testkit.softhsm import LABEL, MODULE, PIN, SoftHsm
from adapters.testkit.tsa import Tsa
from adapters.wire.kind import Surroundings
from broker.parse import Limits
from broker.stamped import to_stamp, with_stamp
from tests.interop.test_receipt_xmlsec1 import xmlsec1
from tests.receipts import ISSUED, PKI, a_upp

pytestmark = pytest.mark.interop

DEBIAN = Path(__file__).resolve().parents[2] / "scripts" / "debian.py"
KINDS = {"rsa-2048": PKI.seal, "ec-256": PKI.personal(PKI.seal_ca, JAN, kind="ec-256", usage=("digital_signature",))}


@pytest.mark.parametrize("kind", KINDS)
def test_xmlsec1_verifies_a_receipt_that_a_token_sealed(tmp_path, monkeypatch, kind):
    subprocess.run([sys.executable, str(DEBIAN), "softhsm"], check=True)
    hsm = SoftHsm(tmp_path / "hsm")
    hsm.put(KINDS[kind], label="seal")
    monkeypatch.setenv("PIN", PIN)
    around = Surroundings(
        name="seal",
        folder=tmp_path,
        clock=lambda: ISSUED,
        ids=iter(()).__next__,
        text=lambda _: b"",
        limits=Limits(),
    )
    with hsm.configured():
        tokens.forget()
        seal = make(Settings(module=MODULE, token=LABEL, key="seal", pin_variable="PIN"), around)
        receipt = a_upp(b"<letter/>", seal=seal)
        tokens.forget()
    verdict = xmlsec1(tmp_path, receipt)
    assert verdict.returncode == 0, verdict.stderr
    assert "SignedInfo References (ok/all): 3/3" in verdict.stderr
    assert xmlsec1(tmp_path, receipt.replace(b"T12:00:00", b"T11:00:00")).returncode != 0


def test_xmlsec1_verifies_the_signature_of_a_time_stamped_copy(tmp_path):
    receipt = a_upp()
    copy = with_stamp(receipt, Tsa.of(PKI.local_ca, ISSUED).token(to_stamp(receipt)))
    verdict = xmlsec1(tmp_path, copy)
    assert verdict.returncode == 0, verdict.stderr
    assert "SignedInfo References (ok/all): 3/3" in verdict.stderr
