"""The seal is exchanged under load, without a restart: nothing is lost, and what was sealed before still holds."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.testkit.certificates import distinguished, key
from adapters.testkit.dms_conduct import GOOD, Conduct, Manner
from adapters.testkit.pki import Pki
from adapters.testkit.softhsm import LABEL, MODULE, PIN, SoftHsm
from adapters.testkit.tsa import Tsa, serving
from broker.partner import fingerprint
from broker.proof import check
from broker.verify import TrustSnapshot, anchors
from config import packaged
from config.bootstrap import open_ledger
from tests.commands import answer, run

PATIENCE = 30.0
DEBIAN = Path(__file__).resolve().parents[2] / "scripts" / "debian.py"


def a_seal(town, name, **about):
    now = datetime.now(UTC)
    when = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=400), **about}
    return town.site.pki.seal_ca.issue(
        distinguished(common_name=f"Goniec Test {name}"), key(name, "ec-256"), usage=("digital_signature",), **when
    )


def put(town, credential, name="seal.bundle.pem"):
    """As an operator would: written beside, and renamed."""
    file = town.site.folder / "pki" / name
    beside = file.with_suffix(".new")
    beside.write_bytes(credential.bundle)
    beside.chmod(0o600)
    beside.rename(file)


def logged(town, event):
    return [one for one in map(json.loads, town.log().splitlines()) if one["event"] == event]


def wait_for(holds):
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def taken_over(town, credential):
    digest = credential.certificate.fingerprint(hashes.SHA256()).hex()
    wait_for(lambda: any(one["sha256"] == digest for one in logged(town, "seal.taken-over")))


def served(town):
    line = http.client.HTTPConnection("127.0.0.1", town.site.port, timeout=10)
    try:
        line.request("GET", "/seals.pem")
        reply = line.getresponse()
        assert reply.status == 200
        return reply.read()
    finally:
        line.close()


def judged(town, receipt, document, pem):
    trust = TrustSnapshot(anchors=anchors(pem))
    return check(receipt, schema=packaged.text("receipts/upo.xsd"), trust=trust, document=document)


class Senders:
    """Submit until they are stopped; every answer is a receipt, or the test fails."""

    def __init__(self, town, threads=4):
        self.town = town
        self.receipts = []
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(threads)
        self._work = [self._pool.submit(self._send, n) for n in range(threads)]

    def _send(self, first):
        number = first
        while not self._stop.is_set():
            document = self.town.letter(number)
            self.receipts.append((document, self.town.put(document).answer().attachment.content))
            number += 4

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._pool.shutdown()
        for work in self._work:
            work.result()

    def some_more(self, number=8):
        before = len(self.receipts)
        wait_for(lambda: len(self.receipts) >= before + number or any(w.done() for w in self._work))


def test_the_seal_rotates_under_load_and_every_receipt_holds_by_the_bundle(town):
    followers = [a_seal(town, f"Seal {n}") for n in range(3)]
    with Senders(town) as senders:
        senders.some_more()
        for credential in followers:
            put(town, credential)
            taken_over(town, credential)
            senders.some_more()
    bundle = served(town)
    found = x509.load_pem_x509_certificates(bundle)
    assert found == [town.site.pki.seal.certificate, *(one.certificate for one in followers)]
    assert run("receipt", "bundle", "-c", town.site.configuration).stdout.encode() == bundle
    told = answer("receipt", "bundle", "-c", town.site.configuration)
    assert [(one["sha256"], one["pem"]) for one in told] == [
        (fingerprint(it), it.public_bytes(Encoding.PEM).decode()) for it in found
    ]
    by = []
    for document, receipt in senders.receipts:
        it = judged(town, receipt, document, bundle)
        assert it.holds, it
        by.append(it.report.signatures[0].certificate.sha256)
    assert len(set(by)) == 4, "each of the seals has sealed"
    document, receipt = senders.receipts[0]
    assert not judged(town, receipt, document, followers[0].pem).holds, "nor does it hold by another's certificate"
    # Nothing that was sent is missing, nothing is there twice.
    town.settle()
    assert len(town.dms.received) == len(senders.receipts)
    with open_ledger(town.site.settings) as ledger:
        assert ledger.stats().submissions == len(senders.receipts)
        assert ledger.stats().refusals == 0


def test_what_cannot_follow_changes_nothing_and_is_logged_and_so_is_an_end_that_is_near(town):
    expired = a_seal(town, "Expired", not_after=datetime.now(UTC) - timedelta(hours=1))
    file = town.site.folder / "pki" / "seal.bundle.pem"
    for bad in (b"noise", expired.bundle, town.site.pki.seal.key_pem + town.site.pki.person.pem):
        before = len(logged(town, "seal.kept-old"))
        file.write_bytes(bad)
        wait_for(lambda before=before: len(logged(town, "seal.kept-old")) > before)
        document = town.letter()
        receipt = town.put(document).answer().attachment.content
        assert judged(town, receipt, document, town.site.pki.seal.pem).holds
    assert x509.load_pem_x509_certificates(served(town)) == [town.site.pki.seal.certificate]
    soon = a_seal(town, "Soon", not_after=datetime.now(UTC) + timedelta(days=20))
    put(town, soon)
    taken_over(town, soon)
    wait_for(lambda: logged(town, "seal.ends-soon"))
    assert logged(town, "seal.ends-soon")[0]["days"] == 19


@pytest.mark.parametrize("how", ["gone", "ended"])
def test_a_broker_started_without_its_seal_delivers_repeats_and_takes_another_when_it_is_there(town, how):
    town.dms.behave(Conduct(manner=Manner.DROP))
    document = town.letter()
    receipt = town.put(document).answer().attachment.content
    assert town.serving.stop() == 0
    file = town.site.folder / "pki" / "seal.bundle.pem"
    if how == "gone":
        file.unlink()
    else:
        put(town, a_seal(town, "Ended", not_after=datetime.now(UTC) - timedelta(hours=1)))
    assert run("check", "-c", town.site.configuration, status=1).stdout.startswith("problem  seal: ")
    with town.site.start():
        assert len(logged(town, "seal.unavailable")) == 1
        town.dms.behave(GOOD)
        town.settle()
        assert len(town.dms.received) == 1
        assert town.put(document).answer().attachment.content == receipt
        assert town.put(town.letter(1)).fault().code.endswith("Server"), "come back later"
        follower = a_seal(town, "Follower")
        put(town, follower)
        taken_over(town, follower)
        wait_for(lambda: town.put(town.letter(1)).status == 200)


def rewritten(town, seal):
    """Exchange the [seal] table of the configuration."""
    text = town.site.configuration.read_text(encoding="utf-8")
    head, _, rest = text.partition("[seal]\n")
    _, _, tail = rest.partition("\n[")
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in seal.items())
    beside = town.site.configuration.with_suffix(".new")
    beside.write_text(f"{head}[seal]\n{lines}\n[{tail}", encoding="utf-8")
    beside.rename(town.site.configuration)


def test_from_an_absent_token_to_a_file_into_a_token_and_from_key_to_key_within_it(found, tmp_path, monkeypatch):
    """The broker starts without its seal; then the configuration names others while senders are at work."""
    subprocess.run([sys.executable, str(DEBIAN), "softhsm"], check=True)
    hsm = SoftHsm(tmp_path / "hsm")
    monkeypatch.setenv("SOFTHSM2_CONF", str(hsm.configuration))
    monkeypatch.setenv("TEST_SEAL_PIN", PIN)
    table = {"kind": "pkcs11", "module": MODULE, "token": LABEL, "pin_variable": "TEST_SEAL_PIN"}
    town = found(sections={"seal": {**table, "token": "unplugged", "key": "one"}})
    assert town.put(town.letter()).fault().code.endswith("Server"), "come back later"
    rewritten(town, {"kind": "pem", "file": "pki/seal.bundle.pem"})
    taken_over(town, town.site.pki.seal)
    wait_for(lambda: town.put(town.letter()).status == 200)  # nobody is put off any more, from the next look on
    first, second = a_seal(town, "Token 1"), a_seal(town, "Token 2")
    hsm.put(first, label="one", id_="01")
    hsm.put(second, label="two", id_="02")
    with Senders(town) as senders:
        senders.some_more()
        for label, credential in (("one", first), ("two", second)):
            rewritten(town, {**table, "key": label})
            taken_over(town, credential)
            senders.some_more()
        # A PIN that the token refuses, and a wrong label on top: the seal in use goes on by its own.
        for word in ("two", "typo"):
            before = len(logged(town, "seal.kept-old"))
            (tmp_path / f"pin-{word}").write_text(f"1111-{word}")
            changed = {**table, "pin_file": str(tmp_path / f"pin-{word}"), "key": word}
            del changed["pin_variable"]
            rewritten(town, changed)
            wait_for(lambda before=before: len(logged(town, "seal.kept-old")) > before)
            senders.some_more()
        said = [problem for one in logged(town, "seal.kept-old") for problem in one["problems"]]
        assert said == ["seal: pin: the token refuses the PIN: PinIncorrect"] * 2
    bundle = served(town)
    assert len(x509.load_pem_x509_certificates(bundle)) == 3
    assert all(judged(town, receipt, document, bundle).holds for document, receipt in senders.receipts)


def test_receipts_are_time_stamped_behind_the_traffic(found, tmp_path):
    now = datetime.now(UTC)
    ca = Pki(at=now).local_ca
    tsa = Tsa.of(ca, now)
    tsa.clock = lambda: datetime.now(UTC)
    (tmp_path / "tsa-ca.pem").write_bytes(ca.credential.pem)
    with serving(tsa) as url:
        town = found(sections={"stamping": {"url": url, "ca": ["tsa-ca.pem"], "every": 0.2}})
        document = town.letter()
        reply = town.put(document).answer()
        receipt = reply.attachment.content

        def stamped():
            with open_ledger(town.site.settings) as ledger:
                return ledger.show(reply.document).stamped

        wait_for(stamped)
        assert town.put(document).answer().attachment.content == receipt, "a repeat gets the original"
        (tmp_path / "copy.xml").write_bytes(stamped())
        (tmp_path / "document.xml").write_bytes(document)
        (tmp_path / "bundle.pem").write_bytes(served(town))
    shown = run("show", reply.document, "--stamped", "-c", town.site.configuration)
    assert shown.stdout.encode() == (tmp_path / "copy.xml").read_bytes()
    words = ["receipt", "verify", tmp_path / "copy.xml", "--trust", tmp_path / "bundle.pem"]
    told = answer(*words, "--tsa", tmp_path / "tsa-ca.pem", "--document", tmp_path / "document.xml")
    assert told["verdict"] == "TOTAL-PASSED"
    assert told["stamped_at"]
    assert "Time-Stamping Unit" in run(*words, "--tsa", tmp_path / "tsa-ca.pem").stdout


@pytest.fixture
def town(found):
    return found()
