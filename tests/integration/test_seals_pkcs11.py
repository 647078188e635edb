"""Seals whose key never leaves its token, by a real PKCS#11 library: SoftHSM."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.seals import token as tokens
from adapters.seals.pkcs11 import Settings, make
from adapters.testkit.pki import JAN, Pki
from adapters.testkit.seals import UNSIGNED, SealHarness, SealSuite, judged
from adapters.testkit.softhsm import _STORE as STORE
from adapters.testkit.softhsm import LABEL, MODULE, PIN, SoftHsm
from adapters.wire.kind import SealLost, Surroundings
from broker.errors import ConfigError, Unavailable
from broker.parse import Limits
from broker.proof import check
from broker.verify import TrustSnapshot, anchors
from tests.receipts import SCHEMA, a_upp

NOW = datetime(2026, 1, 1, 12, 0, 1, 250000, tzinfo=UTC)  # as `tests/receipts.py`
DEBIAN = Path(__file__).resolve().parents[2] / "scripts" / "debian.py"
PKI = Pki(at=NOW)
ELLIPTIC = PKI.personal(PKI.seal_ca, JAN, kind="ec-256", usage=("digital_signature",))


def around(folder):
    return Surroundings(
        name="seal", folder=folder, clock=lambda: NOW, ids=iter(()).__next__, text=lambda _: b"", limits=Limits()
    )


@pytest.fixture(scope="module")
def pattern(tmp_path_factory):
    subprocess.run([sys.executable, str(DEBIAN), "softhsm"], check=True)
    made = SoftHsm(tmp_path_factory.mktemp("softhsm"))
    made.put(PKI.seal, label="rsa", id_="01")
    made.put(ELLIPTIC, label="ec", id_="02")
    return made


@pytest.fixture
def hsm(pattern, tmp_path):
    made = SoftHsm(tmp_path, like=pattern)
    with made.configured():
        tokens.forget()
        yield made
        tokens.forget()


def settings(tmp_path, **about):
    (tmp_path / "pin").write_text(f"{PIN}\n")
    return Settings(**{"module": MODULE, "token": LABEL, "key": "rsa", "pin_file": "pin", **about})


def refusal(tmp_path, **about):
    with pytest.raises(ConfigError) as caught:
        make(settings(tmp_path, **about), around(tmp_path))
    return " ".join(caught.value.problems)


class TestRsa(SealSuite):
    @pytest.fixture
    def harness(self, hsm, tmp_path):
        seal = make(settings(tmp_path), around(tmp_path))
        return SealHarness(seal=seal, certificate=PKI.seal.certificate, take_away=hsm.take_away)


class TestEllipticCurve(SealSuite):
    @pytest.fixture
    def harness(self, hsm, tmp_path):
        seal = make(settings(tmp_path, key="", key_id="02"), around(tmp_path))
        return SealHarness(seal=seal, certificate=ELLIPTIC.certificate, take_away=hsm.take_away)


def test_the_certificate_may_lie_in_a_file_with_those_above_it(hsm, tmp_path):
    middle = PKI.seal_ca.subordinate("Goniec Test Middle Seal CA", NOW)
    credential = PKI.personal(middle, JAN, kind="ec-384", usage=("digital_signature",))
    hsm.put(credential, label="filed", id_="03", certificate=False)
    (tmp_path / "seal.pem").write_bytes(credential.bundle.replace(credential.key_pem, b""))
    seal = make(settings(tmp_path, key="filed", certificate="seal.pem"), around(tmp_path))
    judged(seal.seal(UNSIGNED), credential.certificate)
    assert seal.chain == (credential.certificate, middle.credential.certificate)
    assert "no certificate of the key's name" in refusal(tmp_path, key="filed")


@pytest.mark.parametrize("key", ["rsa", "ec"])
def test_a_receipt_sealed_by_a_token_proves_its_document(hsm, tmp_path, key):
    seal = make(settings(tmp_path, key=key), around(tmp_path))
    trust = TrustSnapshot(anchors=anchors(PKI.seal_ca.credential.pem))
    found = check(a_upp(b"<letter/>", seal=seal), schema=SCHEMA, trust=trust, document=b"<letter/>")
    assert found.holds, found


def test_what_is_wrong_with_the_settings_is_a_configuration_error(hsm, tmp_path):
    assert "no private key" in refusal(tmp_path, key="nobody")
    assert "can be loaded" in refusal(tmp_path, module="/usr/lib/nothing.so")
    (tmp_path / "other.pem").write_bytes(PKI.person.pem)
    assert "not for its key" in refusal(tmp_path, certificate="other.pem")
    (tmp_path / "noise.pem").write_bytes(b"noise")
    assert "no certificate in PEM" in refusal(tmp_path, certificate="noise.pem")
    for wrong in ({"token": "", "slot": None}, {"slot": 3}, {"key": ""}, {"key_id": "0x01"}, {"pin_variable": "X"}):
        with pytest.raises(ValueError, match="validation error"):
            settings(tmp_path, **wrong)


def test_a_certificate_on_the_token_that_cannot_be_read_is_no_matter(hsm, tmp_path):
    der = ELLIPTIC.certificate.public_bytes(Encoding.DER)
    strange = der.replace(bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a811ccf5501822d"))
    for number, content in enumerate((strange, b"nothing")):
        hsm._run([sys.executable, "-c", STORE, MODULE, LABEL, PIN, f"strange-{number}", f"5{number}"], content)
    judged(make(settings(tmp_path), around(tmp_path)).seal(UNSIGNED), PKI.seal.certificate)
    hsm.put(ELLIPTIC, label="strange-0", id_="60", certificate=False)
    assert "key is neither RSA nor on an elliptic curve" in refusal(tmp_path, key="strange-0")


def test_a_file_of_the_certificate_that_is_not_there_is_lost(hsm, tmp_path):
    with pytest.raises(SealLost, match=r"certificate: .*No such file"):
        make(settings(tmp_path, certificate="absent.pem"), around(tmp_path))


def test_an_id_is_hexadecimal(tmp_path):
    with pytest.raises(ValueError, match="must be hexadecimal, without 0x"):
        settings(tmp_path, key_id="0x01")


def test_a_wrong_pin_is_told_without_it_and_never_tried_twice(hsm, tmp_path):
    (tmp_path / "wrong").write_text("1111-guess")
    told = [refusal(tmp_path, pin_file="wrong") for _ in range(5)]  # a token gives three tries
    assert "PinIncorrect" in told[0]
    assert all("not tried again" in one for one in told[1:])
    assert not any("guess" in one for one in told)
    judged(make(settings(tmp_path), around(tmp_path)).seal(UNSIGNED), PKI.seal.certificate)


@pytest.mark.parametrize("key", ["rsa", "typo"])
def test_a_pin_that_is_refused_leaves_the_seal_in_use_as_it_is(hsm, tmp_path, key):
    """It is tried, once, though somebody is logged in; and the other one counts again, after a restart too."""
    old = make(settings(tmp_path), around(tmp_path))
    old.seal(UNSIGNED)
    (tmp_path / "wrong").write_text("1111")
    assert "pin: the token refuses the PIN: PinIncorrect" in refusal(tmp_path, key=key, pin_file="wrong")
    judged(old.seal(UNSIGNED), PKI.seal.certificate)
    assert "not tried again" in refusal(tmp_path, key=key, pin_file="wrong")
    hsm.take_away()
    with pytest.raises(Unavailable):
        old.seal(UNSIGNED)
    hsm.bring_back()
    restarted = threading.Event()
    for _ in range(100):
        try:
            sealed = old.seal(UNSIGNED)
            break
        except Unavailable:
            restarted.wait(0.05)
    judged(sealed, PKI.seal.certificate)


def test_a_pin_that_is_left_out_is_a_mistake_though_somebody_is_logged_in(hsm, tmp_path):
    old = make(settings(tmp_path), around(tmp_path))
    for key in ("rsa", "typo"):
        said = refusal(tmp_path, key=key, pin_file=None)
        assert f"key: no private key {key!r} is to be seen without a PIN: set pin_file or pin_variable" in said
    judged(old.seal(UNSIGNED), PKI.seal.certificate)


def test_other_pins_are_tried_under_load_and_nobody_is_put_off(hsm, tmp_path):
    """The token takes the changed one, and the seal from before, which knows of none, goes on by it."""
    old = make(settings(tmp_path), around(tmp_path))
    stop, wrong, sealed = threading.Event(), [], []

    def work():
        while not stop.is_set():
            try:
                sealed.append(old.seal(UNSIGNED))
            except Exception as error:  # noqa: BLE001
                wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        for number in range(5):
            (tmp_path / "wrong").write_text(f"1111-{number}")
            assert "PinIncorrect" in refusal(tmp_path, pin_file="wrong")
        before = len(sealed)
        while len(sealed) < before + 9 and not wrong:  # they have logged in again, by a PIN that soon is no more
            time.sleep(0.01)
        change_pin("8642-test")
        (tmp_path / "changed").write_text("8642-test")
        new = make(settings(tmp_path, key="ec", pin_file="changed"), around(tmp_path))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert sealed
    judged(old.seal(UNSIGNED), PKI.seal.certificate)
    judged(new.seal(UNSIGNED), ELLIPTIC.certificate)


def change_pin(pin):
    """By this process's library: that of SoftHSM does not see what others change before it is started anew."""
    held = tokens.token(tokens.Place(module=MODULE, label=LABEL), tokens.Access())
    session = held._found().open(rw=True)
    session.set_pin(PIN, pin)
    session.close()


def test_a_wrong_label_restarts_no_library_that_others_use(hsm, tmp_path):
    make(settings(tmp_path), around(tmp_path))
    held = tokens.token(tokens.Place(module=MODULE, label=LABEL), tokens.Access())
    before = held._library.generation
    assert "key: no private key 'typo' on the token" in refusal(tmp_path, key="typo")
    assert held._library.generation == before


def test_a_token_that_went_away_is_no_wrong_label(hsm, tmp_path):
    make(settings(tmp_path), around(tmp_path))
    hsm.take_away()
    with pytest.raises(Unavailable):
        make(settings(tmp_path, key="typo"), around(tmp_path))
    with pytest.raises(Unavailable):  # though it is too early for another restart
        make(settings(tmp_path, key="typo"), around(tmp_path))


def test_a_name_that_several_keys_or_tokens_bear_is_a_mistake(hsm, tmp_path):
    hsm.put(ELLIPTIC, label="rsa", id_="09", certificate=False)
    assert "key: several private keys 'rsa' on the token: name one by key_id too" in refusal(tmp_path)
    judged(make(settings(tmp_path, key_id="01"), around(tmp_path)).seal(UNSIGNED), PKI.seal.certificate)
    hsm._util("--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", PIN)
    tokens.forget()
    assert f"token: several tokens are labelled '{LABEL}': name one by slot" in refusal(tmp_path)


def test_a_token_that_is_not_there_is_unavailable_and_no_mistake(hsm, tmp_path):
    with pytest.raises(Unavailable):
        make(settings(tmp_path, token="elsewhere"), around(tmp_path))


def test_a_token_may_be_named_by_its_slot(hsm, tmp_path):
    shown = subprocess.run(["softhsm2-util", "--show-slots"], capture_output=True, text=True, check=True).stdout
    slot = int(shown.split("Slot ")[1].split()[0])
    judged(make(settings(tmp_path, token="", slot=slot), around(tmp_path)).seal(UNSIGNED), PKI.seal.certificate)
    with pytest.raises(Unavailable):
        make(settings(tmp_path, token="", slot=slot + 1), around(tmp_path))


def test_two_keys_of_one_token_are_used_side_by_side(hsm, tmp_path):
    first, second = (make(settings(tmp_path, key=key), around(tmp_path)) for key in ("rsa", "ec"))
    with ThreadPoolExecutor(8) as pool:
        sealed = list(pool.map(lambda n: (first, second)[n % 2].seal(UNSIGNED), range(40)))
    for number, one in enumerate(sealed):
        judged(one, (PKI.seal, ELLIPTIC)[number % 2].certificate)


def test_no_more_sessions_are_opened_than_configured(hsm, tmp_path):
    seal = make(settings(tmp_path, sessions=2), around(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(seal.seal, [UNSIGNED] * 60))
    held = tokens.token(tokens.Place(module=MODULE, label=LABEL), tokens.Access())
    assert 1 <= len(held._idle) <= 2


def test_threads_that_find_no_free_session_are_told_to_come_back(hsm, tmp_path):
    seal = make(settings(tmp_path, sessions=1, patience=0.05), around(tmp_path))
    held = tokens.token(tokens.Place(module=MODULE, label=LABEL), tokens.Access())
    entered, leave = threading.Event(), threading.Event()

    def occupy(_session):
        entered.set()
        leave.wait(20)

    holder = threading.Thread(target=held.use, args=(occupy,))
    holder.start()
    entered.wait(20)
    with pytest.raises(Unavailable, match="in use"):
        seal.seal(UNSIGNED)
    leave.set()
    holder.join()
    judged(seal.seal(UNSIGNED), PKI.seal.certificate)


def test_a_token_removed_under_load_comes_back_by_itself(hsm, tmp_path):
    """While it is away everybody is told to come back; then it seals again, nobody having done anything."""
    seal = make(settings(tmp_path, patience=2), around(tmp_path))
    stop, away, back = threading.Event(), threading.Event(), threading.Event()
    wrong = []
    sealed_after = []

    def work():
        while not stop.is_set():
            try:
                one = seal.seal(UNSIGNED)
            except Unavailable:
                away.set()
                continue
            except Exception as error:  # noqa: BLE001
                wrong.append(error)
                return
            if back.is_set():
                sealed_after.append(one)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        away.clear()
        hsm.take_away()
        assert away.wait(20)
        hsm.bring_back()
        back.set()
        before = len(sealed_after)
        deadline = threading.Event()
        for _ in range(400):
            if len(sealed_after) >= before + 20:
                break
            deadline.wait(0.05)
        assert len(sealed_after) >= before + 20
        back.clear()
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    for one in sealed_after[:10] + sealed_after[-10:]:
        judged(one, PKI.seal.certificate)


def test_a_forked_child_opens_the_token_for_itself(hsm, tmp_path):
    seal = make(settings(tmp_path), around(tmp_path))
    seal.seal(UNSIGNED)
    child = os.fork()
    if child == 0:
        try:
            judged(seal.seal(UNSIGNED), PKI.seal.certificate)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    judged(seal.seal(UNSIGNED), PKI.seal.certificate)


def test_no_session_is_left_open_by_what_fails(hsm, tmp_path):
    make(settings(tmp_path), around(tmp_path))
    held = tokens.token(tokens.Place(module=MODULE, label=LABEL), tokens.Access())
    for _ in range(30):
        with pytest.raises(Unavailable):
            held.use(lambda session: session.key(tokens.Key(label="nobody")))
    assert held.use(lambda _: open_sessions()) <= 2


def open_sessions():
    """How many handles the library knows; it gives small numbers, and none twice."""
    library, info = ctypes.CDLL(MODULE), (ctypes.c_ubyte * 64)()
    return sum(library.C_GetSessionInfo(ctypes.c_ulong(handle), info) == 0 for handle in range(1, 5000))
