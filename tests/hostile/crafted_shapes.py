"""Signatures of which one part is as large, as many or as dear as may be: properties, values, keys, certificates."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache, partial

from asn1crypto import cms, core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from adapters.testkit.certificates import Credential, distinguished
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from adapters.testkit.signing.stamped import stamp
from adapters.testkit.tsa import Tsa
from tests.corpus.world import AT
from tests.hostile.forging import (
    ALL,
    COSTLY,
    MISMATCH,
    PKI,
    forged,
    reference,
    with_signatures,
)
from tests.hostile.shapes import FULL, Shape, letter, many
from tests.hostile.shapes import shape as entered

CRAFTED: dict[str, Shape] = {}
shape = partial(entered, table=CRAFTED)

# ── what a signature is made of ──


@shape("SignedProperties of 28,000 elements", MISMATCH)
def properties(weight: float) -> bytes:
    inside = many(b"<a/>", weight, 28_000).decode()
    change = lambda text: text.replace("</xades:SignedProperties>", inside + "</xades:SignedProperties>")  # noqa: E731
    return with_signatures(letter(), forged(0, change=change))


@shape("SignedInfo of 28,000 elements", "verify.signature-malformed")
def signed_info(weight: float) -> bytes:
    inside = many(b"<a/>", weight, 28_000).decode()
    return with_signatures(
        letter(), forged(0, change=lambda text: text.replace("</ds:SignedInfo>", inside + "</ds:SignedInfo>"))
    )


@shape("SignedInfo of 31 MB of comments", MISMATCH)
def signed_info_comments(weight: float) -> bytes:
    inside = "<!--" + "x" * int(FULL * weight) + "-->"
    return with_signatures(
        letter(), forged(0, change=lambda text: text.replace("</ds:SignedInfo>", inside + "</ds:SignedInfo>"))
    )


@shape("28,000 qualifying properties that nobody knows", MISMATCH)
def unsigned_properties(weight: float) -> bytes:
    inside = "<xades:UnsignedProperties>" + many(b"<a/>", weight, 28_000).decode() + "</xades:UnsignedProperties>"
    return with_signatures(
        letter(),
        forged(
            0,
            change=lambda text: text.replace("</xades:QualifyingProperties>", inside + "</xades:QualifyingProperties>"),
        ),
    )


@shape("a ClaimedRole of 5 MB", "")
def role(weight: float) -> bytes:
    return sign(letter(), PKI.person, AT, claimed_role="<a>" + "x" * int(5_000_000 * weight) + "</a>")


@shape("a ClaimedRole of 80 persons within each other", "")
def persons(weight: float) -> bytes:
    start, end = "<p:DaneZPOsobyFizycznej>", "</p:DaneZPOsobyFizycznej>"
    inside = start * 75 + "<p:x/>" * int(27_000 * weight) + end * 75
    role = f'<p:PodpisZP xmlns:p="http://crd.gov.pl/xml/schematy/ppzp/">{inside}</p:PodpisZP>'
    return sign(letter(), PKI.person, AT, claimed_role=role)


@shape("a SignatureValue of 31 MB", MISMATCH)
def long_value(weight: float) -> bytes:
    value = "QUJD" * int(FULL * weight / 4)
    change = lambda text: re.sub("(<ds:SignatureValue[^>]*>)[^<]*", rf"\g<1>{value}", text)  # noqa: E731
    return with_signatures(letter(), forged(0, change=change))


@shape("a certificate of 31 MB", MISMATCH)
def long_certificate(weight: float) -> bytes:
    value = "QUJD" * int(FULL * weight / 4)
    change = lambda text: re.sub("(<ds:X509Certificate>)[^<]*", rf"\g<1>{value}", text)  # noqa: E731
    return with_signatures(letter(), forged(0, change=change))


@shape("a list of prefixes of 31 MB", COSTLY)
def long_list(weight: float) -> bytes:
    return with_signatures(letter(), forged(0, reference(prefixes="p " * int(FULL * weight / 2))))


@shape("an XPath of 31 MB of spaces", COSTLY)
def long_xpath(weight: float) -> bytes:
    steps = ALL.replace("not(", " " * int(FULL * weight) + "not(").replace("ds:Signature)<", "ds:Other)<")
    return with_signatures(letter(), forged(0, reference(steps=steps)))


@shape("a Reference to an address of 31 MB", COSTLY)
def long_uri(weight: float) -> bytes:
    return with_signatures(letter(), forged(0, reference(uri="#" + "x" * int(FULL * weight))))


@shape("a signature's Id of 31 MB", MISMATCH)
def long_id(weight: float) -> bytes:
    more = "x" * int(FULL * weight)
    return with_signatures(letter(), forged(0, change=lambda text: text.replace('Id="', f'Id="{more}', 1)))


@shape("an issuer's name of 1 MB", MISMATCH)
def long_issuer(weight: float) -> bytes:
    name = "CN=" + "a," * int(500_000 * weight)
    inside = (
        f"<xades:IssuerSerial><ds:X509IssuerName>{name}</ds:X509IssuerName>"
        f"<ds:X509SerialNumber>{'1' * int(1_000_000 * weight)}</ds:X509SerialNumber></xades:IssuerSerial></xades:Cert>"
    )
    return with_signatures(letter(), forged(0, change=lambda text: text.replace("</xades:Cert>", inside)))


# ── keys and certificates ──


def _credential(name: str, own: object, signer: object = None, issuer: str = "", size: int = 0) -> Credential:
    subject = distinguished(common_name=name, organisation="Goniec test PKI")
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(distinguished(common_name=issuer, organisation="Goniec test PKI") if issuer else subject)
        .public_key(own.public_key())  # type: ignore[attr-defined]
        .serial_number(x509.random_serial_number())
        .not_valid_before(PKI.person.certificate.not_valid_before_utc)
        .not_valid_after(PKI.person.certificate.not_valid_after_utc)
    )
    if size:
        names = [x509.DNSName(f"n{each}.example") for each in range(size // 16)]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    key = signer or own
    return Credential(key=own, certificate=builder.sign(key, hashes.SHA256()))  # type: ignore[arg-type]


def _bags(weight: float, keys: list[object], signatures: int = 20, *, issuer: str = "Bag", size: int = 0) -> bytes:
    """Twenty signatures with ten certificates each that seem to have issued each other."""
    made = []
    for number in range(max(int(signatures * weight), 1)):
        bag = [
            _credential("Bag", keys[each % len(keys)], keys[(each + 1) % len(keys)], issuer, size) for each in range(10)
        ]
        own = bag[0]
        beside = "".join(f"<ds:X509Certificate>{b64encode(it.der).decode()}</ds:X509Certificate>" for it in bag[1:])
        change = lambda text, beside=beside: text.replace("</ds:X509Data>", beside + "</ds:X509Data>")  # noqa: E731
        made.append(forged(number, by=own, change=change))
    return with_signatures(letter(), *made)


@cache
def _elliptic(number: int, curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


@shape("20 bags of ten crafted certificates", MISMATCH)
def bags(weight: float) -> bytes:
    return _bags(weight, [_elliptic(each) for each in range(10)])


@shape("20 bags of ten crafted certificates of 15 kB", MISMATCH)
def large_bags(weight: float) -> bytes:
    return _bags(weight, [_elliptic(each) for each in range(10)], size=14_000)


@shape("20 bags that seem to come from the anchor", MISMATCH)
def bags_below(weight: float) -> bytes:
    name = PKI.qualified_ca.credential.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    return _bags(weight, [_elliptic(each) for each in range(10)], issuer=str(name))


@shape("20 bags of P-521", MISMATCH)
def bags_521(weight: float) -> bytes:
    return _bags(weight, [_elliptic(each, ec.SECP521R1) for each in range(10)])


def _huge_rsa(number: int, bits: int, exponent: int) -> Credential:
    """A certificate of a key that nobody holds: whoever checks with it pays for its size all the same."""
    modulus = (1 << (bits - 1)) + (1 << (bits // 2)) + 2 * number + 1
    public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    return _credential("Huge", _Public(public), _elliptic(0))


class _Public:
    def __init__(self, public: rsa.RSAPublicKey) -> None:
        self._public = public

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public


def _huge(weight: float, bits: int, exponent: int) -> bytes:
    bag = [_huge_rsa(each, bits, exponent) for each in range(10)]
    own = Credential(key=_elliptic(0), certificate=bag[0].certificate)
    shown = "".join(f"<ds:X509Certificate>{b64encode(it.der).decode()}</ds:X509Certificate>" for it in bag[1:])

    def change(text: str) -> str:
        text = text.replace("</ds:X509Data>", shown + "</ds:X509Data>")
        text = text.replace("#ecdsa-sha256", "#rsa-sha256")
        value = b64encode((1 << (bits - 9)).to_bytes(bits // 8, "big")).decode()
        return re.sub("(<ds:SignatureValue[^>]*>)[^<]*", rf"\g<1>{value}", text)

    return with_signatures(letter(), *(forged(each, by=own, change=change) for each in range(max(int(20 * weight), 1))))


@shape("20 bags of RSA-16384", MISMATCH)
def huge_keys(weight: float) -> bytes:
    return _huge(weight, 16_384, 65_537)


@shape("20 bags of RSA-16384 with an exponent of 64 bits", MISMATCH)
def huge_exponents(weight: float) -> bytes:
    return _huge(weight, 16_384, (1 << 64) - 1)


@shape("20 bags of RSA-3072 with an exponent as large", MISMATCH)
def largest_exponents(weight: float) -> bytes:
    return _huge(weight, 3_072, (1 << 3_070) - 1)


def _token(octets: bytes) -> bytes:
    """A token of which nothing is wrong but that a stranger made it, and that it has thousands of attributes."""
    token = cms.ContentInfo.load(Tsa.of(PKI.untrusted_ca, AT).token(octets))
    attributes = token["content"]["signer_infos"][0]["signed_attrs"]
    for each in range(200):
        attributes.append(cms.CMSAttribute({"type": f"1.2.{each}", "values": [core.Null()]}))
    return bytes(token.dump(force=True))


@shape("80 time-stamps of 200 attributes", "")
def stamps(weight: float) -> bytes:
    document = letter()
    for _ in range(max(int(20 * weight), 1)):
        document = sign(
            stamp(document, _token, times=4) if b"<ds:Sig" in document else document, PKI.person, AT, QUALIFIED
        )
    return stamp(document, _token, times=4)
