"""One suite, every seal; and what only a seal in a file can get wrong."""

from __future__ import annotations

import gc
from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from signxml.xades.xades import XAdESSigner

from adapters.seals import KINDS
from adapters.seals.pkcs12 import Settings, make
from adapters.testkit.pki import JAN, Pki
from adapters.testkit.seals import UNSIGNED, SealHarness, SealSuite, judged
from adapters.wire.kind import SealLost, Surroundings
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
    assert said.endswith("seal.p12: the password does not open it, or it is damaged")
    assert "guessed" not in said


def encrypted(credential, password):
    key = serialization.load_pem_private_key(credential.key_pem, None)
    how = serialization.BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, how) + credential.pem


@pytest.mark.parametrize(
    ("content", "password", "said"),
    [
        (PKI.seal.key_pem, "", "holds a key and no certificate: put the seal's certificate into the same file"),
        (PKI.seal.pem, "", "holds certificates and no private key"),
        (b"-----BEGIN NOTHING-----", "", "holds neither a private key nor a certificate"),
        (encrypted(PKI.seal, b"s"), "", "its key is encrypted: say the password by password_file or password_variable"),
        (encrypted(PKI.seal, b"s"), "other", "the password does not open it, or it is damaged"),
        (PKI.seal.bundle, "s", "its key is not encrypted: leave password_file and password_variable out"),
        (PKI.seal.bundle.replace(b"\nM", b"\nN"), "", "its key is damaged, or of a kind not known"),
        (PKI.seal.pkcs12(b"s"), "other", "the password does not open it, or it is damaged"),
        (b"\x00\x01", "", "it needs a password (password_file or password_variable), or it is no PKCS#12"),
        (b"", "", "it needs a password (password_file or password_variable), or it is no PKCS#12"),
    ],
    ids=["key-only", "certificate-only", "neither", "locked", "wrong", "clear", "damaged", "shut", "noise", "empty"],
)
def test_what_is_wrong_with_the_file_is_told(tmp_path, content, password, said):
    (tmp_path / "seal").write_bytes(content)
    (tmp_path / "password").write_text(password)
    named = {"password_file": "password"} if password else {}
    assert refusal(Settings(file="seal", **named), tmp_path).endswith(said)


def test_a_pkcs12_without_key_or_certificate_is_told_as_such(tmp_path):
    key = serialization.load_pem_private_key(PKI.seal.key_pem, None)
    for name, pieces, said in (
        ("key", (key, None), "holds a key and no certificate"),
        ("certificate", (None, PKI.seal.certificate), "holds certificates and no private key"),
    ):
        how = serialization.NoEncryption()
        (tmp_path / name).write_bytes(pkcs12.serialize_key_and_certificates(b"x", *pieces, None, how))
        assert said in refusal(Settings(file=name), tmp_path)


def test_what_is_not_there_is_lost_and_a_folder_is_not(tmp_path):
    with pytest.raises(SealLost, match="No such file"):
        make(Settings(file="absent"), around(tmp_path))
    with pytest.raises(ConfigError, match="Is a directory") as caught:
        make(Settings(file="."), around(tmp_path))
    assert not isinstance(caught.value, SealLost)


def test_a_seal_that_has_only_ended_is_lost(tmp_path):
    short = {"kind": "rsa-1024", "not_after": NOW - timedelta(days=1)}
    for credential, lost in ((PKI.expired, True), (PKI.personal(PKI.seal_ca, JAN, **short), False)):
        (tmp_path / "seal.pem").write_bytes(credential.bundle)
        with pytest.raises(ConfigError) as caught:
            make(Settings(file="seal.pem"), around(tmp_path))
        assert isinstance(caught.value, SealLost) is lost


def test_a_certificate_beside_it_that_cannot_be_read_is_no_matter(tmp_path):
    """Its key is on a curve that is not known (SM2's, in the place of P-256's), or it is no certificate at all."""
    credential = PKI.personal(PKI.seal_ca, JAN, kind="ec-256")
    der = credential.certificate.public_bytes(Encoding.DER)
    strange = der.replace(bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a811ccf5501822d"))
    assert strange != der
    label = b"-----%s CERTIFICATE-----\n"
    for inside in (strange, b"nothing"):
        pem = label % b"BEGIN" + b64encode(inside) + b"\n" + label % b"END"
        (tmp_path / "seal.pem").write_bytes(pem + PKI.seal.bundle)
        judged(make(Settings(file="seal.pem"), around(tmp_path)).seal(UNSIGNED), PKI.seal.certificate)
        (tmp_path / "seal.pem").write_bytes(PKI.seal.key_pem + pem)
        assert "no certificate for its key" in refusal(Settings(file="seal.pem"), tmp_path)
    others = [x509.load_der_x509_certificate(strange)]
    key = serialization.load_pem_private_key(PKI.seal.key_pem, None)
    how = serialization.NoEncryption()
    bundle = pkcs12.serialize_key_and_certificates(b"x", key, PKI.seal.certificate, others, how)
    (tmp_path / "seal.p12").write_bytes(bundle)
    judged(make(Settings(file="seal.p12"), around(tmp_path)).seal(UNSIGNED), PKI.seal.certificate)


def test_of_two_keys_the_first_counts_and_that_is_a_doubt(tmp_path):
    (tmp_path / "seal.pem").write_bytes(PKI.seal.bundle)
    assert make(Settings(file="seal.pem"), around(tmp_path)).doubts == ()
    (tmp_path / "seal.pem").write_bytes(PKI.seal.bundle + PKI.person.key_pem)
    seal = make(Settings(file="seal.pem"), around(tmp_path))
    assert seal.doubts == (f"{tmp_path}/seal.pem: holds two keys: the first counts",)
    judged(seal.seal(UNSIGNED), PKI.seal.certificate)


def test_a_key_without_its_certificate_is_a_configuration_error(tmp_path):
    (tmp_path / "seal.pem").write_bytes(PKI.seal.key_pem + PKI.person.pem)
    assert "no certificate for its key" in refusal(Settings(file="seal.pem"), tmp_path)


@pytest.mark.parametrize(
    ("credential", "said"),
    [
        (PKI.expired, "expired"),
        (PKI.not_yet_valid, "not valid before"),
        (PKI.short_key, "1024 bits"),
        (PKI.personal(PKI.seal_ca, JAN, kind="rsa-2048-33"), "an exponent of more than 32 bits"),
        (PKI.personal(PKI.seal_ca, JAN, usage=("key_encipherment",)), "not for signing"),
        (PKI.seal_ca.credential, "is a CA's (basicConstraints CA:TRUE): use one of an end entity"),
    ],
    ids=["expired", "not-yet-valid", "short-key", "exponent", "usage", "authority"],
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
