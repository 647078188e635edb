"""What a time-stamp token proves, and every reason why it proves nothing; two foreign judges agree."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import cms, tsp
from asn1crypto import x509 as asn1
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
from broker.verify.timestamp import _raw, verify

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


def rebuilt(change, token=TOKEN):
    """The token with something changed in it, as another program would write it."""
    content = cms.ContentInfo.load(token)
    change(content["content"])
    return content.dump(force=True)


def certificates(*ders):
    def put(signed):
        signed["certificates"] = [
            cms.CertificateChoices(name="certificate", value=asn1.Certificate.load(it)) for it in ders
        ]

    return put


def test_a_token_tells_everything_of_its_unit():
    found = verify(TOKEN, OCTETS, TRUST, NOW)
    assert found.certificate.der == GOOD.credential.der
    assert found.by == GOOD.credential.certificate.subject.rfc4514_string()
    assert found.at.tzinfo is UTC
    assert [it.der for it in found.path.certificates] == [GOOD.credential.der, PKI.seal_ca.credential.der]


def test_nothing_stands_behind_a_token_nor_behind_what_it_holds():
    refused(TOKEN + b"\x00", "verify.timestamp-unreadable")
    info = cms.ContentInfo.load(TOKEN)["content"]["encap_content_info"]["content"].parsed.dump()
    assert verify(GOOD._signed(info), OCTETS, TRUST, NOW).nonce == 7
    refused(GOOD._signed(info + b"\x00"), "verify.timestamp-unreadable")


def test_what_is_of_another_type_is_no_token():
    refused(cms.ContentInfo({"content_type": "data", "content": b"x"}).dump(), "verify.timestamp-unreadable")

    def rename(signed):
        octets = signed["encap_content_info"]["content"].native
        signed["encap_content_info"] = {
            "content_type": "data",
            "content": bytes(signed["encap_content_info"]["content"]),
        }
        assert octets

    refused(rebuilt(rename), "verify.timestamp-unreadable")


def test_a_token_brings_ten_certificates_at_most_and_each_can_be_read():
    own, above = GOOD.credential.der, PKI.seal_ca.credential.der
    assert verify(rebuilt(certificates(own, *[above] * 9)), OCTETS, TRUST, NOW).at == NOW
    assert refused(rebuilt(certificates(own, *[above] * 10)), "verify.timestamp-unreadable").hint == ""
    large = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), bytes(20_000)), False
    huge = unit(PKI.seal_ca, NOW, role="huge", extras=[large]).der
    assert (
        refused(rebuilt(certificates(own, huge)), "verify.timestamp-unreadable").hint == "verify.certificate-unreadable"
    )


@pytest.mark.parametrize("name", ["message_digest", "content_type", "signing_certificate_v2"])
@pytest.mark.parametrize("times", [2, 3])
def test_an_attribute_that_is_said_twice_says_nothing(name, times):
    def repeat(signed):
        attributes = signed["signer_infos"][0]["signed_attrs"]
        (one,) = [it for it in attributes if it["type"].native == name]
        for _ in range(times - 1):
            attributes.append(one.copy())

    def twice_inside(signed):
        attributes = signed["signer_infos"][0]["signed_attrs"]
        (one,) = [it for it in attributes if it["type"].native == name]
        for _ in range(times - 1):
            one["values"].append(one["values"][0].copy())

    for change in (repeat, twice_inside):
        refused(rebuilt(change), "verify.timestamp-unreadable")


def test_a_unit_below_an_intermediate_that_the_token_brings_is_trusted():
    one = Tsa.of(PKI.seal_ca.subordinate("Goniec Test Stamping CA", NOW), NOW)
    found = verify(one.token(OCTETS), OCTETS, TRUST, NOW)
    assert len(found.path.certificates) == 3


def test_a_unit_that_is_among_the_operators_intermediates_need_not_be_brought():
    bare = tsa(brings=False)
    named = TrustSnapshot(anchors=TRUST.anchors, intermediates=(bare.credential.certificate,))
    assert verify(bare.token(OCTETS), OCTETS, named, NOW).certificate.der == bare.credential.der


def test_clocks_may_be_five_minutes_apart():
    edge = NOW + timedelta(minutes=5)
    assert verify(GOOD.token(OCTETS, at=edge), OCTETS, TRUST, NOW).at == edge
    refused(GOOD.token(OCTETS, at=edge + timedelta(seconds=1)), "verify.timestamp-future")


def named_by(signed, sid):
    signed["signer_infos"][0]["sid"] = sid


def test_a_signer_is_named_by_issuer_and_number_or_by_the_identifier_of_its_key():
    certificate = GOOD.credential.certificate
    own = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    issuer = asn1.Name.load(certificate.issuer.public_bytes())

    def numbered(name, number):
        return cms.SignerIdentifier(
            name="issuer_and_serial_number", value=cms.IssuerAndSerialNumber({"issuer": name, "serial_number": number})
        )

    def keyed(octets):
        return cms.SignerIdentifier(name="subject_key_identifier", value=octets)

    stranger = asn1.Name.load(PKI.untrusted_ca.credential.certificate.subject.public_bytes())
    for sid, holds in (
        (numbered(issuer, certificate.serial_number), True),
        (numbered(issuer, certificate.serial_number + 1), False),
        (numbered(stranger, certificate.serial_number), False),
        (keyed(own), True),
        (keyed(own[:-1] + b"\x00\x01"), False),
    ):
        token = rebuilt(lambda signed, sid=sid: named_by(signed, sid))
        if holds:
            assert verify(token, OCTETS, TRUST, NOW).at == NOW
        else:
            fault = refused(token, "verify.timestamp-untrusted")
            assert fault.hint == "verify.signing-certificate-mismatch"


def _algorithm(**about):
    def put(signed):
        for name, value in about.items():
            signed["signer_infos"][0][name] = {"algorithm": value}

    return put


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_algorithm(digest_algorithm="sha1"), "verify.timestamp-algorithm"),
        (_algorithm(digest_algorithm="sha384"), "verify.timestamp-signature"),
        (_algorithm(signature_algorithm="sha1_rsa"), "verify.timestamp-algorithm"),
        (_algorithm(signature_algorithm="sha256_dsa"), "verify.timestamp-algorithm"),
        (_algorithm(signature_algorithm="sha256_ecdsa"), "verify.timestamp-signature"),
        (_algorithm(signature_algorithm="sha512_rsa"), "verify.timestamp-signature"),
    ],
)
def test_an_algorithm_that_is_not_taken_is_called_so_and_a_wrong_one_does_not_hold(change, code):
    assert refused(rebuilt(change), code).hint == ""


@pytest.mark.parametrize("written", ["sha256_rsa", "rsassa_pkcs1v15"])
def test_plain_rsa_takes_the_digest_of_the_attributes(written):
    assert verify(rebuilt(_algorithm(signature_algorithm=written)), OCTETS, TRUST, NOW).at == NOW


def test_signed_attributes_must_say_what_they_are_of_and_its_digest():
    def without(name):
        def drop(signed):
            info = signed["signer_infos"][0]
            info["signed_attrs"] = cms.CMSAttributes([it for it in info["signed_attrs"] if it["type"].native != name])

        return drop

    def of_something_else(signed):
        (kind,) = [it for it in signed["signer_infos"][0]["signed_attrs"] if it["type"].native == "content_type"]
        kind["values"] = ["data"]

    for change in (without("content_type"), without("message_digest"), of_something_else):
        assert refused(rebuilt(change), "verify.timestamp-unreadable").hint == ""


def test_an_elliptic_value_is_no_rsa_value_nor_the_other_way_round():
    elliptic = tsa(credential=unit(PKI.seal_ca, NOW, kind="ec-256", role="ec-256"))
    token = elliptic.token(OCTETS)
    with pytest.raises(Fault) as caught:
        _raw(GOOD.credential.key.public_key(), b"\x30\x00")
    assert caught.value.code == "verify.key-mismatch"
    refused(rebuilt(_algorithm(signature_algorithm="sha256_rsa"), token), "verify.timestamp-signature")


def test_a_certificate_may_be_bound_by_any_of_the_digests_and_by_no_other():
    def bound(name):
        def put(signed):
            (one,) = [
                it for it in signed["signer_infos"][0]["signed_attrs"] if it["type"].native == "signing_certificate_v2"
            ]
            held = tsp.ESSCertIDv2({"hash_algorithm": {"algorithm": name}, "cert_hash": bytes(16)})
            one["values"] = [tsp.SigningCertificateV2({"certs": [held]})]

        return put

    assert refused(rebuilt(bound("md5")), "verify.timestamp-algorithm").hint == ""
    fault = refused(rebuilt(bound("sha256")), "verify.timestamp-untrusted")
    assert fault.hint == "verify.signing-certificate-mismatch"


def test_a_response_is_no_token_and_a_huge_one_is_not_read():
    refused(granted(TOKEN), "verify.timestamp-unreadable")
    refused(b"\x30" * 200_000, "verify.timestamp-unreadable")


@settings(max_examples=300)
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
