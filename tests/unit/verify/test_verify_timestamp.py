"""What a time-stamp token proves, and every reason why it proves nothing; two foreign judges agree."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

from adapters.testkit.pki import Pki
from adapters.testkit.tsa import POLICY, Tsa, granted, unit
from broker.texts import TEXTS
from broker.verify import TrustSnapshot, anchors
from broker.verify.fault import VERDICTS, Fault
from broker.verify.timestamp import verify

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PKI = Pki(at=NOW)
TRUST = TrustSnapshot(anchors=anchors(PKI.seal_ca.credential.pem))
OCTETS = b"what was signed"
GOOD = Tsa.of(PKI.seal_ca, NOW)
TOKEN = GOOD.token(OCTETS, nonce=7)

pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")


def tsa(**about):
    return Tsa(**{"credential": unit(PKI.seal_ca, NOW), "clock": lambda: NOW, **about})


def refused(token, code, *, stamped=OCTETS, trust=TRUST, at=NOW):
    with pytest.raises(Fault) as caught:
        verify(token, stamped, trust, at)
    assert caught.value.code == code
    assert code in TEXTS
    assert code in VERDICTS
    return caught.value


def test_a_good_token_tells_moment_unit_policy_and_nonce():
    found = verify(TOKEN, OCTETS, TRUST, NOW)
    assert (found.at, found.policy, found.nonce) == (NOW, POLICY, 7)
    assert found.by.startswith("CN=Goniec Test Time-Stamping Unit")
    assert found.path.subjects[-1] == PKI.seal_ca.credential.certificate.subject.rfc4514_string()


@pytest.mark.parametrize("kind", ["rsa-2048", "ec-256", "ec-384", "ec-521"])
@pytest.mark.parametrize("binding", ["signing_certificate", "signing_certificate_v2"])
@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_every_taken_kind_of_token_holds(kind, binding, digest):
    one = tsa(credential=unit(PKI.seal_ca, NOW, kind=kind, role=kind), binding=binding, digest=digest)
    assert verify(one.token(OCTETS), OCTETS, TRUST, NOW).at == NOW


def test_a_token_that_brings_no_certificate_holds_if_its_unit_was_named():
    bare = tsa(brings=False)
    pinned = TrustSnapshot(anchors=anchors(bare.credential.pem))
    assert verify(bare.token(OCTETS), OCTETS, pinned, NOW).path.subjects == (
        bare.credential.certificate.subject.rfc4514_string(),
    )
    refused(bare.token(OCTETS), "verify.timestamp-untrusted")


def test_a_token_for_other_octets_is_refused():
    refused(TOKEN, "verify.timestamp-imprint", stamped=OCTETS + b" ")


def test_a_strangers_token_is_refused():
    fault = refused(Tsa.of(PKI.untrusted_ca, NOW).token(OCTETS), "verify.timestamp-untrusted")
    assert fault.hint == "verify.chain-untrusted"


def test_a_token_of_a_unit_that_was_not_valid_at_its_moment_is_refused():
    for days, hint in ((-101, "not-yet-valid"), (1001, "expired")):
        at = NOW + timedelta(days=days)
        fault = refused(GOOD.token(OCTETS, at=at), "verify.timestamp-untrusted", at=at)
        assert fault.hint == f"verify.certificate-{hint}"


def test_a_unit_that_has_expired_since_still_proves_its_moment():
    assert verify(TOKEN, OCTETS, TRUST, NOW + timedelta(days=2000)).at == NOW


def test_a_token_from_the_future_is_refused_clocks_apart():
    assert verify(GOOD.token(OCTETS, at=NOW + timedelta(minutes=4)), OCTETS, TRUST, NOW)
    late = GOOD.token(OCTETS, at=NOW + timedelta(minutes=6))
    refused(late, "verify.timestamp-future")
    assert verify(late, OCTETS, TRUST)


@pytest.mark.parametrize(
    "extras",
    [
        (),
        ((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), False),),
        ((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), True),),
        ((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.SERVER_AUTH]), True),),
    ],
    ids=["none", "not-critical", "another", "and-another"],
)
def test_a_key_that_is_not_for_time_stamping_alone_is_refused(extras):
    one = tsa(credential=unit(PKI.seal_ca, NOW, extras=extras))
    refused(one.token(OCTETS), "verify.timestamp-usage")


def test_a_weak_digest_is_refused():
    refused(tsa(digest="sha1").token(OCTETS), "verify.timestamp-algorithm")


def test_a_short_key_is_refused():
    one = tsa(credential=unit(PKI.seal_ca, NOW, kind="rsa-1024", role="short"))
    refused(one.token(OCTETS), "verify.timestamp-signature")


def test_a_token_that_binds_no_certificate_is_refused():
    refused(tsa(binding="").token(OCTETS), "verify.timestamp-unreadable")


def test_a_changed_moment_is_refused():
    assert b"20260101120000Z" in TOKEN
    refused(TOKEN.replace(b"20260101120000Z", b"20250701120000Z"), "verify.timestamp-signature")


def test_two_signers_are_one_too_many():
    content = cms.ContentInfo.load(TOKEN)
    content["content"]["signer_infos"].append(content["content"]["signer_infos"][0])
    refused(content.dump(force=True), "verify.timestamp-unreadable")


def test_a_response_is_no_token_and_a_huge_one_is_not_read():
    refused(granted(TOKEN), "verify.timestamp-unreadable")
    refused(b"\x30" * 200_000, "verify.timestamp-unreadable")


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(TOKEN) - 1), octet=st.integers(0, 255))
@example(at=0, octet=0)
def test_a_changed_octet_never_raises_anything_but_a_fault_nor_moves_the_moment(at, octet):
    told = said(TOKEN[:at] + bytes([octet]) + TOKEN[at + 1 :])
    assert told == (NOW, 7, POLICY) or str(told).startswith("verify.timestamp-")


def said(token):
    try:
        found = verify(token, OCTETS, TRUST, NOW)
    except Fault as fault:
        return fault.code
    return found.at, found.nonce, found.policy


@given(st.binary(max_size=400))
def test_rubbish_is_unreadable(rubbish):
    refused(rubbish, "verify.timestamp-unreadable")


def test_rfc3161_client_agrees():
    judge = VerifierBuilder(nonce=7).add_root_certificate(PKI.seal_ca.credential.certificate).build()
    assert judge.verify_message(decode_timestamp_response(granted(TOKEN)), OCTETS)
    with pytest.raises(VerificationError):
        judge.verify_message(decode_timestamp_response(granted(TOKEN)), OCTETS + b" ")


def test_openssl_agrees_about_ours_and_we_about_its(tmp_path):
    (tmp_path / "data").write_bytes(OCTETS)
    (tmp_path / "ca.pem").write_bytes(PKI.seal_ca.credential.pem)
    (tmp_path / "token").write_bytes(TOKEN)
    words = ["ts", "-verify", "-data", "data", "-in", "token", "-token_in", "-CAfile", "ca.pem", "-attime"]
    done = openssl(tmp_path, *words, str(int(NOW.timestamp())))
    assert "Verification: OK" in done.stdout

    (tmp_path / "unit.pem").write_bytes(GOOD.credential.pem)
    (tmp_path / "unit.key").write_bytes(GOOD.credential.key_pem)
    (tmp_path / "serial").write_text("01\n")
    (tmp_path / "tsa.cnf").write_text(
        "[tsa]\ndefault_tsa=one\n[one]\nserial=serial\nsigner_cert=unit.pem\nsigner_key=unit.key\nsigner_digest=sha256\n"
        f"default_policy={POLICY}\ndigests=sha256\nordering=no\ness_cert_id_alg=sha256\naccuracy=secs:1\n"
    )
    openssl(tmp_path, "ts", "-query", "-data", "data", "-sha256", "-cert", "-out", "query")
    openssl(tmp_path, "ts", "-reply", "-queryfile", "query", "-config", "tsa.cnf", "-token_out", "-out", "reply")
    found = verify((tmp_path / "reply").read_bytes(), OCTETS, TRUST)
    assert found.at > NOW


def openssl(folder, *words):
    done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done
