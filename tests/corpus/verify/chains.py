"""Refused for a certificate: the signer's own, or one above it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from adapters.testkit.certificates import Authority, Credential, Extra, distinguished, key
from adapters.testkit.pki import JAN
from tests.corpus.verify.recipes import Family, Maker, edited, signed
from tests.corpus.verify.scene import AT, PKI

expect = Family("chains")

DAY = timedelta(days=1)

expect("certificate-missing", partial(signed, certificates="none"), "no-key-info")
expect("certificate-unreadable", edited("<ds:X509Certificate>[^<]*", "<ds:X509Certificate>foo"), "not-base64")
expect("certificate-unreadable", edited("<ds:X509Certificate>[^<]*", "<ds:X509Certificate>Zm9v"), "no-der")
expect("too-many-certificates", edited("(<ds:X509Certificate>[^<]*</ds:X509Certificate>)", r"\1" * 11), "11")
expect("certificate-expired", partial(signed, by=PKI.expired), "yesterday")
expect("certificate-not-yet-valid", partial(signed, by=PKI.not_yet_valid), "tomorrow")
expect("certificate-is-ca", partial(signed, by=PKI.qualified_ca.credential), "signs-itself")
expect("key-usage", lambda: signed(by=PKI.personal(PKI.qualified_ca, JAN, usage=("key_encipherment",))), "encipherment")
for _purpose in (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.OCSP_SIGNING):
    expect(
        "key-usage",
        lambda purpose=_purpose: signed(  # type: ignore[misc]
            by=PKI.personal(
                PKI.qualified_ca,
                JAN,
                usage=("digital_signature",),
                extras=[(x509.ExtendedKeyUsage([purpose]), True)],
            )
        ),
        f"purpose-{_purpose._name}",
    )
expect(
    "certificate-unreadable",
    lambda: signed(
        by=PKI.personal(
            PKI.qualified_ca,
            JAN,
            extras=[(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x04" * 20_000), False)],
        )
    ),
    "too-large",
)
expect("chain-untrusted", partial(signed, by=PKI.stranger), "a-stranger")
expect("chain-untrusted", lambda: signed(by=PKI.personal(below("Unseen"), JAN), certificates="own"), "no-intermediate")


def below(name: str, *, kind: str = "rsa-2048", **about: object) -> Authority:
    """An intermediate CA under the qualified root."""
    issued = PKI.qualified_ca.issue(
        distinguished(common_name=f"Goniec Test {name} CA"),
        key(name, kind),
        **{"not_before": AT - DAY, "not_after": AT + DAY, "usage": ("key_cert_sign",), "ca": True, **about},  # type: ignore[arg-type]
    )
    return Authority(credential=issued)


def _through(**about: object) -> Maker:
    return lambda: signed(by=PKI.personal(below(f"Between {' '.join(about)}", **about), JAN))  # type: ignore[arg-type]


expect("chain-expired", _through(not_after=AT - DAY / 2), "an-intermediate")
expect("chain-invalid", _through(ca=False), "no-ca")
expect("chain-invalid", _through(usage=("digital_signature",)), "no-cert-sign")
expect("chain-weak", _through(kind="rsa-1024"), "rsa-1024")


def _weak_curve() -> bytes:
    curve = ec.derive_private_key(224, ec.SECP224R1())
    subject = distinguished(common_name="Goniec Test Weak CA")
    issued = PKI.qualified_ca.issue(
        subject, curve, not_before=AT - DAY, not_after=AT + DAY, usage=("key_cert_sign",), ca=True
    )
    return signed(by=PKI.personal(Authority(credential=issued), JAN))


expect("chain-weak", _weak_curve, "curve")


def _forged() -> bytes:
    """An issuer of the right name, and of another key."""
    forger = Authority.root("Goniec Test Qualified CA", AT, kind="rsa-3072")
    plain = _plainly_issued(forger, JAN.pesel)
    return signed(by=plain, certificates="own")


def _plainly_issued(forger: Authority, role: str) -> Credential:
    own = key(role)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(distinguished(common_name="JAN TESTOWY"))
        .issuer_name(forger.credential.certificate.subject)
        .public_key(own.public_key())
        .serial_number(77)
        .not_valid_before(AT - DAY)
        .not_valid_after(AT + DAY)
        .sign(forger.credential.key, hashes.SHA256())
    )
    return Credential(key=own, certificate=certificate)


expect("chain-invalid", _forged, "forged")


def _unreadable() -> bytes:
    """An extension that one library does not look at and the other cannot read (subjectDirectoryAttributes)."""
    junk = x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.9"), b"\x01\x02")
    return signed(by=PKI.personal(PKI.qualified_ca, JAN, extras=[(junk, False)]))


expect("chain-unreadable", _unreadable, "directory-attributes")


def maze() -> Credential:
    """Nine authorities of one name, each of which may have issued any other."""
    name = distinguished(common_name="Maze")

    def issued(number: int, *, ca: bool, subject: x509.Name) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name)
            .public_key(key(f"maze {number}", "ec-256").public_key())
            .serial_number(1000 + number)
            .not_valid_before(AT - DAY)
            .not_valid_after(AT + DAY)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(key("maze 1", "ec-256"), hashes.SHA256(), ecdsa_deterministic=True)
        )

    bag = tuple(issued(number, ca=True, subject=name) for number in range(1, 10))
    subject = distinguished(common_name="Minotaur")
    return Credential(key=key("maze 0", "ec-256"), certificate=issued(0, ca=False, subject=subject), chain=bag)


expect("chain-too-complex", lambda: signed(by=maze()), "a-maze")

# ── the signer's own ──

_LEAF = "<ds:X509Certificate>[^<]*"
for _what, _text in {
    "empty": "",
    "a-private-key-header": "LS0tLS1CRUdJTg==",
    "an-empty-sequence": "MAA=",
    "an-endless-length": "MIT/////",
    "null": "BQA=",
}.items():
    expect("certificate-unreadable", edited(_LEAF, f"<ds:X509Certificate>{_text}"), _what)
expect("signing-certificate-mismatch", edited("(<ds:X509Certificate>[^<]{40})....", r"\1AAAA"), "four-octets-changed")
expect(
    "certificate-unreadable",
    edited("(<ds:X509Certificate>[^<]*)</ds:X509Certificate>", r"\1<ds:x/></ds:X509Certificate>"),
    "an-element-inside",
)
expect("certificate-missing", edited("<ds:X509Data>.*</ds:X509Data>", "<ds:X509Data/>"), "empty-data")
expect(
    "certificate-missing",
    edited("<ds:X509Data>.*</ds:X509Data>", "<ds:KeyName>Jan Testowy</ds:KeyName>"),
    "a-name-only",
)
expect("certificate-missing", partial(signed, certificates="none", key_value=True), "a-bare-key-only")
expect(
    "certificate-missing",
    edited(
        "<ds:X509Data>.*</ds:X509Data>",
        "<ds:X509Data><ds:X509SubjectName>CN=JAN TESTOWY</ds:X509SubjectName></ds:X509Data>",
    ),
    "a-subject-only",
)
expect(
    "certificate-missing",
    edited("<ds:X509Data>.*</ds:X509Data>", '<ds:RetrievalMethod URI="http://example.test/certificate"/>'),
    "by-retrieval",
)
expect("too-many-certificates", edited("(<ds:X509Data>.*</ds:X509Data>)", r"\1" * 11), "over-several-bags")
expect(
    "signing-certificate-mismatch",
    edited(_LEAF + "</ds:X509Certificate>", "", certificates="chain"),
    "only-the-ca-is-left",
)

for _what, _usage in {
    "certificates-only": ("key_cert_sign",),
    "lists-only": ("crl_sign",),
    "agreement": ("key_agreement",),
    "data-encipherment": ("data_encipherment",),
}.items():
    expect("key-usage", lambda usage=_usage: signed(by=PKI.personal(PKI.qualified_ca, JAN, usage=usage)), _what)  # type: ignore[misc]
expect(
    "key-usage",
    lambda: _with(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.OCSP_SIGNING]), critical=True
    ),
    "machines-twice",
)
expect(
    "key-usage",
    lambda: _with(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=False),
    "time-stamps-not-critical",
)


def _with(extension: x509.ExtensionType, *, critical: bool) -> bytes:
    return signed(by=PKI.personal(PKI.qualified_ca, JAN, usage=("digital_signature",), extras=[(extension, critical)]))


expect(
    "certificate-expired",
    lambda: signed(by=PKI.personal(PKI.qualified_ca, JAN, not_before=AT - DAY, not_after=AT - timedelta(seconds=1))),
    "a-second-ago",
)
expect(
    "certificate-expired",
    lambda: signed(by=PKI.personal(PKI.local_ca, JAN, not_before=AT - 300 * DAY, not_after=AT - 200 * DAY)),
    "local-long-ago",
)
expect(
    "certificate-not-yet-valid",
    lambda: signed(by=PKI.personal(PKI.qualified_ca, JAN, not_before=AT + timedelta(seconds=1), not_after=AT + DAY)),
    "in-a-second",
)
expect(
    "certificate-is-ca",
    lambda: signed(by=below("Signing", usage=("key_cert_sign", "digital_signature")).credential, certificates="chain"),
    "an-intermediate",
)
expect(
    "chain-invalid",
    lambda: _with(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.5"), b"\x05\x00"), critical=True),
    "a-critical-extension",
)
expect("chain-untrusted", lambda: signed(by=_self_signed()), "signed-by-itself")
expect(
    "chain-untrusted",
    lambda: signed(by=PKI.personal(Authority.root("Goniec Test Qualified CA Two", AT), JAN)),
    "a-name-almost-the-same",
)
expect(
    "chain-untrusted",
    lambda: signed(
        by=PKI.personal(
            Authority.root("Goniec Test Stranger Root", AT).subordinate("Goniec Test Stranger Sub", AT), JAN
        )
    ),
    "a-stranger-two-deep",
)


def _self_signed() -> Credential:
    own, name = key("alone"), distinguished(common_name="JAN TESTOWY", serial=f"PNOPL-{JAN.pesel}")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(own.public_key())
        .serial_number(78)
        .not_valid_before(AT - DAY)
        .not_valid_after(AT + DAY)
        .sign(own, hashes.SHA256())
    )
    return Credential(key=own, certificate=certificate)


# ── above it ──


def _below_with(extension: x509.ExtensionType, *, critical: bool = True) -> Maker:
    """A signer below an intermediate that bears this extension."""
    name = type(extension).__name__
    return lambda: signed(by=PKI.personal(below(f"With {name}", extras=[(extension, critical)]), JAN))


expect(
    "chain-expired",
    _through(not_before=AT - 3 * DAY, not_after=AT - timedelta(seconds=1)),
    "an-intermediate-a-second-ago",
)
expect("chain-not-yet-valid", _through(not_before=AT + DAY / 2), "an-intermediate")
expect("chain-invalid", _through(usage=("crl_sign",)), "an-intermediate-for-lists")
expect(
    "chain-invalid",
    _below_with(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.6"), b"\x05\x00")),
    "an-intermediate-with-a-critical-extension",
)
_ELSEWHERE = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "DE")]))
_HOME = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "PL")]))
expect(
    "chain-invalid",
    _below_with(x509.NameConstraints(permitted_subtrees=[_ELSEWHERE], excluded_subtrees=None)),
    "names-permitted-elsewhere",
)
expect(
    "chain-invalid",
    _below_with(x509.NameConstraints(permitted_subtrees=None, excluded_subtrees=[_HOME])),
    "names-excluded",
)
expect(
    "chain-invalid",
    _below_with(x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None)),
    "a-policy-is-required",
)


def _too_long() -> bytes:
    """The first intermediate may have none below it."""
    first = _constrained("Short Path", PKI.qualified_ca, length=0)
    second = _constrained("Below Short Path", first, length=None)
    return signed(by=PKI.personal(second, JAN))


def _constrained(title: str, above: Authority, *, length: int | None) -> Authority:
    own = key(title)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(distinguished(common_name=f"Goniec Test {title} CA"))
        .issuer_name(above.credential.certificate.subject)
        .public_key(own.public_key())
        .serial_number(79 + (length or 1))
        .not_valid_before(AT - DAY)
        .not_valid_after(AT + DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=length), critical=True)
        .sign(above.credential.key, hashes.SHA256())
    )
    chain = (above.credential.certificate, *above.credential.chain)
    return Authority(credential=Credential(key=own, certificate=certificate, chain=chain))


expect("chain-invalid", _too_long, "path-too-long")


def _deep() -> bytes:
    authority = PKI.qualified_ca
    for number in range(9):
        authority = _constrained(f"Deep {number}", authority, length=None)
    return signed(by=PKI.personal(authority, JAN), certificates="chain", rewrite=_without_the_last)


def _without_the_last(text: str) -> str:
    """Ten certificates are taken at most: the anchor is known anyway."""
    head, _, _ = text.rpartition("<ds:X509Certificate>")
    return head + text[text.index("</ds:X509Data>") :]


expect("chain-untrusted", _deep, "ten-deep")


def _weak_hash() -> bytes:
    """An intermediate that was signed over SHA-1: the library would not make one, so it is signed anew by hand."""
    above = PKI.qualified_ca.credential
    own = below("Weak Hash").credential
    made = asn1.Certificate.load(own.der)
    made["tbs_certificate"]["signature"] = made["signature_algorithm"] = {"algorithm": "sha1_rsa"}
    octets = made["tbs_certificate"].dump(force=True)
    assert isinstance(above.key, rsa.RSAPrivateKey)
    made["signature_value"] = above.key.sign(octets, padding.PKCS1v15(), hashes.SHA1())
    certificate = x509.load_der_x509_certificate(made.dump(force=True))
    return signed(by=PKI.personal(Authority(credential=replace(own, certificate=certificate)), JAN))


expect("chain-weak", _weak_hash, "sha1")
expect("chain-weak", _through(kind="rsa-1536"), "rsa-1536")


def _twin_authority() -> bytes:
    """Two authorities of one name: the trusted one's name, the other's key, both beside the signature."""
    twin = Authority.root("Goniec Test Qualified CA", AT, kind="rsa-2056")
    return signed(by=PKI.personal(twin, JAN), certificates="chain")


expect("chain-invalid", _twin_authority, "duplicate-subject")


def _borrowed_chain() -> bytes:
    """A stranger shows the certificates of an honest chain beside its own."""
    liar = Credential(key=PKI.stranger.key, certificate=PKI.stranger.certificate, chain=PKI.person.chain)
    return signed(by=liar, certificates="chain")


expect("chain-untrusted", _borrowed_chain, "under-a-borrowed-chain")


def _issued_by_a_person() -> bytes:
    """A person issues a certificate to another."""
    issuer = Authority(credential=PKI.other_person)
    return signed(by=_issued(issuer), certificates="chain")


def _issued(issuer: Authority, extras: tuple[Extra, ...] = ()) -> Credential:
    return issuer.issue(
        distinguished(common_name="JAN TESTOWY"),
        key("by a person"),
        not_before=AT - DAY,
        not_after=AT + DAY,
        extras=extras,
    )


expect("chain-invalid", _issued_by_a_person, "issued-by-a-person")
