"""One suite, every seal; and what only a seal in a file can get wrong."""

from __future__ import annotations

import gc
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from signxml.xades.xades import XAdESSigner

from adapters.seals import KINDS
from adapters.seals.pkcs12 import Settings, make
from adapters.testkit.pki import JAN, Pki
from adapters.testkit.seals import UNSIGNED, SealHarness, SealSuite, judged
from adapters.wire.kind import Surroundings
from broker.errors import ConfigError
from broker.parse import Limits

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PKI = Pki(at=NOW)


class Hands:
    """A clock that a test sets."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


def around(folder, clock=lambda: NOW):
    return Surroundings(
        name="seal", folder=folder, clock=clock, ids=iter(()).__next__, text=lambda _: b"", limits=Limits()
    )


def harnessed(settings, folder):
    clock = Hands()
    seal = make(settings, around(folder, clock))

    def take_away():
        clock.now = seal.certificate.not_valid_after_utc + timedelta(seconds=1)

    return SealHarness(seal=seal, certificate=seal.certificate, take_away=take_away)


class TestPkcs12(SealSuite):
    @pytest.fixture
    def harness(self, tmp_path):
        (tmp_path / "seal.p12").write_bytes(PKI.seal.pkcs12("hasło 1".encode()))
        (tmp_path / "password").write_text("hasło 1\n", encoding="utf-8")
        return harnessed(Settings(file="seal.p12", password_file="password"), tmp_path)


class TestPem(SealSuite):
    @pytest.fixture
    def harness(self, tmp_path):
        (tmp_path / "seal.pem").write_bytes(PKI.seal.bundle)
        return harnessed(Settings(file="seal.pem"), tmp_path)


class TestEllipticCurve(SealSuite):
    @pytest.fixture
    def harness(self, tmp_path):
        credential = PKI.personal(PKI.seal_ca, JAN, kind="ec-256", usage=("digital_signature",))
        (tmp_path / "seal.pem").write_bytes(credential.bundle)
        return harnessed(Settings(file="seal.pem"), tmp_path)


def refusal(settings, folder):
    with pytest.raises(ConfigError) as caught:
        make(settings, around(folder))
    return " ".join(caught.value.problems)


def test_the_listing_of_kinds_makes_seals_that_hold(tmp_path):
    (tmp_path / "seal.pem").write_bytes(PKI.seal.bundle)
    for kind in (KINDS["pem"], KINDS["pkcs12"]):  # pkcs11, which needs a token: tests/integration/test_seals_pkcs11.py
        seal = kind.make(kind.settings(file="seal.pem"), around(tmp_path))
        judged(seal.seal(UNSIGNED), PKI.seal.certificate)


def test_the_password_may_come_from_the_environment(tmp_path, monkeypatch):
    (tmp_path / "seal.p12").write_bytes(PKI.seal.pkcs12(b"secret"))
    settings = Settings(file="seal.p12", password_variable="GONIEC_TEST_SEAL")
    assert "GONIEC_TEST_SEAL" in refusal(settings, tmp_path)
    monkeypatch.setenv("GONIEC_TEST_SEAL", "secret")
    judged(make(settings, around(tmp_path)).seal(UNSIGNED), PKI.seal.certificate)


def test_a_wrong_password_is_a_configuration_error_that_does_not_tell_it(tmp_path):
    (tmp_path / "seal.p12").write_bytes(PKI.seal.pkcs12(b"secret"))
    (tmp_path / "password").write_text("guessed")
    said = refusal(Settings(file="seal.p12", password_file="password"), tmp_path)
    assert "wrong password" in said
    assert "guessed" not in said


def test_what_holds_no_key_is_a_configuration_error(tmp_path):
    for name, content in (("noise", b"\x00\x01"), ("certificate", PKI.seal.pem), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
        assert "no key" in refusal(Settings(file=name), tmp_path)
    assert "No such file" in refusal(Settings(file="absent"), tmp_path)


def test_a_key_without_its_certificate_is_a_configuration_error(tmp_path):
    (tmp_path / "seal.pem").write_bytes(PKI.seal.key_pem + PKI.person.pem)
    assert "no certificate for its key" in refusal(Settings(file="seal.pem"), tmp_path)


@pytest.mark.parametrize(
    ("credential", "said"),
    [
        (PKI.expired, "expired"),
        (PKI.not_yet_valid, "not valid before"),
        (PKI.short_key, "1024 bits"),
        (PKI.personal(PKI.seal_ca, JAN, usage=("key_encipherment",)), "not for signing"),
    ],
    ids=["expired", "not-yet-valid", "short-key", "usage"],
)
def test_what_cannot_seal_now_is_a_configuration_error(credential, said, tmp_path):
    (tmp_path / "seal.pem").write_bytes(credential.bundle)
    assert said in refusal(Settings(file="seal.pem"), tmp_path)


def test_every_problem_is_told_at_once(tmp_path):
    credential = PKI.personal(
        PKI.seal_ca, JAN, kind="rsa-1024", usage=("key_encipherment",), not_after=NOW - timedelta(days=1)
    )
    (tmp_path / "seal.pem").write_bytes(credential.bundle)
    said = refusal(Settings(file="seal.pem"), tmp_path)
    assert all(part in said for part in ("1024 bits", "expired", "not for signing"))


def test_two_passwords_are_one_too_many():
    with pytest.raises(ValueError, match="not both"):
        Settings(file="x", password_file="y", password_variable="Z")


def test_the_order_in_a_pem_file_does_not_matter_and_the_root_is_not_published(tmp_path):
    middle = PKI.seal_ca.subordinate("Goniec Test Middle Seal CA", NOW)
    credential = PKI.personal(middle, JAN)
    pieces = [c.public_bytes(Encoding.PEM) for c in reversed(credential.chain)] + [credential.pem, PKI.person.pem]
    (tmp_path / "seal.pem").write_bytes(b"".join(pieces) + credential.key_pem)
    seal = make(Settings(file="seal.pem"), around(tmp_path))
    assert seal.chain == (credential.certificate, middle.credential.certificate)
    assert x509.load_pem_x509_certificates(seal.pem) == list(seal.chain)


def test_the_signing_time_is_the_brokers(tmp_path):
    (tmp_path / "seal.pem").write_bytes(PKI.seal.bundle)
    seal = make(Settings(file="seal.pem"), around(tmp_path, lambda: NOW + timedelta(hours=1, microseconds=7)))
    assert b"<xades:SigningTime>2026-01-01T13:00:00Z</xades:SigningTime>" in seal.seal(UNSIGNED)


def test_sealing_touches_no_file(tmp_path):
    path = tmp_path / "seal.pem"
    path.write_bytes(PKI.seal.bundle)
    seal = make(Settings(file="seal.pem"), around(tmp_path))
    path.unlink()
    judged(seal.seal(UNSIGNED), PKI.seal.certificate)


def test_no_signer_outlives_its_signature(tmp_path):
    """A signer that is used again keeps every Id that it drew: over 100 bytes a seal, for ever."""
    (tmp_path / "seal.pem").write_bytes(PKI.seal.bundle)
    seal = make(Settings(file="seal.pem"), around(tmp_path))
    for _ in range(3):
        seal.seal(UNSIGNED)
    gc.collect()  # a spent signer holds on to itself
    assert not [it for it in gc.get_objects() if issubclass(type(it), XAdESSigner)]
