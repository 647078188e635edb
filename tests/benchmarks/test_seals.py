"""A receipt sealed by a key in a file, and by one in a token: compare the two, on the same machine in the same minute."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from adapters.seals import token as tokens
from adapters.seals.pkcs11 import Settings, make
from adapters.testkit.pki import JAN
from adapters.testkit.softhsm import LABEL, MODULE, PIN, SoftHsm
from adapters.wire.kind import Surroundings
from broker.parse import Limits
from tests.receipts import ISSUED, PKI, a_registrar, a_seal, an_admitted, its_submission

DEBIAN = Path(__file__).resolve().parents[2] / "scripts" / "debian.py"
KINDS = {"rsa-2048": PKI.seal, "ec-256": PKI.personal(PKI.seal_ca, JAN, kind="ec-256", usage=("digital_signature",))}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["file", "token"])
def test_seal(benchmark: BenchmarkFixture, tmp_path, monkeypatch, kind, place):
    benchmark.group = f"seal {kind}"
    admitted = an_admitted()
    unsigned = a_registrar().upp(admitted, its_submission(admitted), ISSUED).xml
    if place == "file":
        seal = a_seal(KINDS[kind])
    else:
        subprocess.run([sys.executable, str(DEBIAN), "softhsm"], check=True)
        hsm = SoftHsm(tmp_path)
        hsm.put(KINDS[kind], label="seal")
        monkeypatch.setenv("SOFTHSM2_CONF", str(hsm.configuration))
        monkeypatch.setenv("PIN", PIN)
        tokens.forget()
        around = Surroundings(
            name="seal", folder=tmp_path, clock=lambda: ISSUED, ids=os.urandom, text=lambda _: b"", limits=Limits()
        )
        seal = make(Settings(module=MODULE, token=LABEL, key="seal", pin_variable="PIN"), around)
    assert b"ds:SignatureValue" in benchmark(seal.seal, unsigned)
    tokens.forget()
