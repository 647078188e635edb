"""Refused for what KeyInfo says beside the signer's certificate: another key, a list that is none; and whose is bound.

Nothing signs a KeyInfo: all of these hold by their mathematics.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.testkit.certificates import Credential
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import BASELINE
from tests.corpus.verify.recipes import Family, Maker, edited, signed
from tests.corpus.verify.scene import AT, FORM, PKI

expect = Family("keys")

SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_BEFORE = "(<ds:X509Data>)"
_DSIG11 = 'xmlns:dsig11="http://www.w3.org/2009/xmldsig11#"'


def _written(number: int) -> str:
    return b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode()


def rsa_value(modulus: str, exponent: str = "AQAB") -> str:
    inside = f"<ds:Modulus>{modulus}</ds:Modulus><ds:Exponent>{exponent}</ds:Exponent>"
    return f"<ds:KeyValue><ds:RSAKeyValue>{inside}</ds:RSAKeyValue></ds:KeyValue>"


def ec_value(of: Credential, uri: str = "urn:oid:1.2.840.10045.3.1.7") -> str:
    point = b64encode(of.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)).decode()
    inside = f'<dsig11:NamedCurve URI="{uri}"/><dsig11:PublicKey>{point}</dsig11:PublicKey>'
    return f"<ds:KeyValue><dsig11:ECKeyValue {_DSIG11}>{inside}</dsig11:ECKeyValue></ds:KeyValue>"


def der_value(octets: bytes) -> str:
    written = b64encode(octets).decode()
    return f"<dsig11:DEREncodedKeyValue {_DSIG11}>{written}</dsig11:DEREncodedKeyValue>"


def in_der(of: Credential) -> bytes:
    return of.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def modulus(of: Credential) -> int:
    return of.key.public_key().public_numbers().n  # type: ignore[union-attr]


_OWN = _written(modulus(PKI.person))

for _what, _value in {
    "of-another": rsa_value(_written(modulus(PKI.other_person))),
    "one-bit": rsa_value(_written(modulus(PKI.person) ^ 1 << 900)),
    "another-exponent": rsa_value(_OWN, "AQAD"),
    "no-number": rsa_value("AA==", "AA=="),
    "on-a-curve": ec_value(PKI.elliptic_person),
    "of-another-in-der": der_value(in_der(PKI.other_person)),
    "its-own-and-anothers": rsa_value(_OWN) + rsa_value(_written(modulus(PKI.other_person))),
}.items():
    expect("key-value-mismatch", edited(_BEFORE, rf"{_value}\1", BASELINE), _what)
expect(
    "key-value-mismatch",
    edited("(</ds:X509Data>)", rf"\1{rsa_value(_written(modulus(PKI.other_person)))}", BASELINE),
    "behind-the-certificate",
)

_OTHERS = rsa_value(_written(modulus(PKI.other_person)))
for _what, _value in {
    "in-the-name-of-a-key": rf"<ds:KeyName>{_OTHERS}</ds:KeyName>\1",
    "in-x509-data": rf"\1{_OTHERS}",
    "with-nothing-around-it": rf"{_OTHERS.removeprefix('<ds:KeyValue>').removesuffix('</ds:KeyValue>')}\1",
}.items():
    expect("key-value-mismatch", edited(_BEFORE, _value, BASELINE), _what)
expect("key-value-mismatch", partial(signed, BASELINE, unsigned=_OTHERS), "among-unsigned-properties")
expect(
    "key-value-mismatch",
    partial(signed, BASELINE, unsigned=f"<ds:KeyInfo>{_OTHERS}</ds:KeyInfo>"),
    "a-whole-key-info-among-unsigned-properties",
)

_NUMBERS = "<ds:P>AQ==</ds:P><ds:Q>AQ==</ds:Q><ds:G>AQ==</ds:G><ds:Y>AQ==</ds:Y>"
for _what, _value in {
    "nothing-in-it": "<ds:KeyValue/>",
    "two-in-one": "<ds:KeyValue>"
    + rsa_value(_OWN)[len("<ds:KeyValue>") : -len("</ds:KeyValue>")] * 2
    + "</ds:KeyValue>",
    "no-base64": rsa_value("!"),
    "no-modulus": "<ds:KeyValue><ds:RSAKeyValue><ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>",
    "dsa": f"<ds:KeyValue><ds:DSAKeyValue>{_NUMBERS}</ds:DSAKeyValue></ds:KeyValue>",
    "a-curve-that-nobody-knows": ec_value(PKI.elliptic_person, "urn:oid:1.2.3"),
    "no-der": der_value(b"\0\0\0"),
    "der-and-more": der_value(in_der(PKI.person) + b"\0"),
    "two-numbers-in-one": rsa_value(f"{_OWN}</ds:Modulus><ds:Modulus>{_written(modulus(PKI.other_person))}"),
    "a-number-of-another-deeper": rsa_value(
        f"{_OWN}</ds:Modulus><ds:KeyInfo><ds:Modulus>{_written(modulus(PKI.other_person))}</ds:Modulus></ds:KeyInfo>"
        "<ds:Modulus>"
    ).replace("<ds:Modulus></ds:Modulus>", ""),
}.items():
    expect("key-info-unreadable", edited(_BEFORE, rf"{_value}\1", BASELINE), _what)
expect("too-many-keys", edited(_BEFORE, rf"{rsa_value(_OWN) * 11}\1", BASELINE), "eleven-of-its-own")
for _what, _value in {
    "a-list-of-nothing": "<ds:X509CRL/>",
    "a-list-that-is-no-base64": "<ds:X509CRL>?</ds:X509CRL>",
    "a-list-that-is-no-der": "<ds:X509CRL>AAAA</ds:X509CRL>",
    "a-certificate-for-a-list": f"<ds:X509CRL>{b64encode(PKI.person.der).decode()}</ds:X509CRL>",
}.items():
    expect("key-info-unreadable", edited("(</ds:X509Data>)", rf"{_value}\1", BASELINE), _what)


def list_of_revocations() -> str:
    """A list as KeyInfo may hold it: well made, of the right issuer, and of no weight here."""
    issuer = PKI.qualified_ca.credential
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(AT - timedelta(days=1)).next_update(AT + timedelta(days=1))
    octets = builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)  # type: ignore[arg-type]
    return f"<ds:X509CRL>{b64encode(octets).decode()}</ds:X509CRL>"


# ── whose certificate is bound ──


def _cert(of: x509.Certificate, version: str) -> str:
    digest = b64encode(hashlib.sha256(of.public_bytes(Encoding.DER)).digest()).decode()
    issuer_serial = (
        f"<xades:IssuerSerial><ds:X509IssuerName>{of.issuer.rfc4514_string()}</ds:X509IssuerName>"
        f"<ds:X509SerialNumber>{of.serial_number}</ds:X509SerialNumber></xades:IssuerSerial>"
    )
    return (
        f'<xades:Cert><xades:CertDigest><ds:DigestMethod Algorithm="{SHA256}"/>'
        f"<ds:DigestValue>{digest}</ds:DigestValue></xades:CertDigest>{'' if version else issuer_serial}</xades:Cert>"
    )


def binding(*certificates: x509.Certificate, version: str = "", more: str = "") -> Callable[[str], str]:
    """Bind these, in this order, where the signer's alone was bound."""
    inside = "".join(_cert(it, version) for it in certificates)
    name = f"xades:SigningCertificate{version}"
    made = f"<{name}>{more}{inside}</{name}>"
    return lambda text: re.sub(
        "<xades:SigningCertificate(V2)?>.*</xades:SigningCertificate(V2)?>", lambda _: made, text, flags=re.DOTALL
    )


def bound(*certificates: x509.Certificate, **how: str) -> Maker:
    own = binding(*certificates, **how)
    return lambda: _signed(own)


def _signed(rewrite: Callable[[str], str]) -> bytes:
    return sign(FORM, PKI.person, AT, BASELINE, certificates="chain", rewrite=rewrite)


PERSON, CA = PKI.person.certificate, PKI.qualified_ca.credential.certificate
OTHER = PKI.other_person.certificate

expect("signing-certificate-other", bound(CA), "only-the-authoritys")
expect("signing-certificate-other", bound(CA, version="V2"), "only-the-authoritys-by-version-2")
expect("signing-certificate-mismatch", bound(OTHER), "of-somebody-who-is-not-there")
expect("signing-certificate-mismatch", bound(*[OTHER] * 10, PERSON), "behind-ten-others")
expect("xades-malformed", bound(PERSON, CA, more="<xades:Cert/>"), "an-empty-one-before-the-signers")
