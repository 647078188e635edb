"""Whose key signed a message: every way to point at a certificate, and every way to point at none."""

from __future__ import annotations

import contextlib
import re
from base64 import b64decode, b64encode

import pytest
from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapters.testkit.certificates import PrivateKey
from adapters.testkit.pki import JAN
from adapters.testkit.wss import WSSE
from adapters.testkit.wss_attacks import HOSTILE
from broker.errors import Malformed, Rejection, Unauthorised
from broker.partner import Credential as Proven
from broker.partner import Proof, fingerprint
from tests.corpus.verify.scene import AT, PKI
from tests.signed_messages import BY, MINUTE, read, refused, signed

POINTERS = ["issuer-serial", "x509-ski", "ski", "thumbprint"]


@pytest.mark.parametrize("key_info", ["reference", "x509-data", "key-identifier", *POINTERS])
def test_key_info_points_at_a_certificate_in_the_message(key_info) -> None:
    secured = read(signed(key_info=key_info))
    assert secured is not None
    assert secured.certificate == BY.certificate


@pytest.mark.parametrize("key_info", POINTERS)
def test_a_certificate_that_is_not_in_the_message_must_be_known(key_info) -> None:
    message = signed(key_info=key_info, order=("timestamp", "signature"))
    refused("wss.token-missing", message)
    refused("wss.token-missing", message, known=lambda: [PKI.person.certificate])
    secured = read(message, known=lambda: [PKI.person.certificate, BY.certificate])
    assert secured is not None
    assert secured.certificate == BY.certificate


def test_of_two_known_certificates_of_one_key_the_valid_one_is_meant() -> None:
    old = PKI.personal(PKI.local_ca, JAN, not_before=AT - 60 * MINUTE, not_after=AT - MINUTE)
    message = signed(key_info="ski", order=("timestamp", "signature"))
    for known in ([old, BY], [BY, old]):
        secured = read(message, known=lambda known=known: [it.certificate for it in known])
        assert secured is not None
        assert secured.certificate == BY.certificate


def like(original: x509.Certificate, own: PrivateKey) -> x509.Certificate:
    """A certificate that says of itself what another says, with a key of its own."""
    builder = x509.CertificateBuilder().subject_name(original.subject).issuer_name(original.issuer)
    builder = builder.serial_number(original.serial_number).public_key(own.public_key())
    builder = builder.not_valid_before(AT - 60 * MINUTE).not_valid_after(AT + 60 * MINUTE)
    identifier = original.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    builder = builder.add_extension(identifier.value, identifier.critical)
    return builder.sign(own, None if isinstance(own, ed25519.Ed25519PrivateKey) else hashes.SHA256())


LOOKALIKES = [like(BY.certificate, ec.generate_private_key(ec.SECP256R1())) for _ in range(8)]


@pytest.mark.parametrize("key_info", ["issuer-serial", "x509-ski", "ski"])
@pytest.mark.parametrize(
    "lookalike",
    [
        LOOKALIKES[0],
        like(BY.certificate, ec.generate_private_key(ec.SECP192R1())),
        like(BY.certificate, rsa.generate_private_key(65537, 2048)),
        like(BY.certificate, ed25519.Ed25519PrivateKey.generate()),
    ],
    ids=["of another key", "of a short key", "of another kind", "of no kind that signs"],
)
def test_a_certificate_made_to_look_like_anothers_takes_no_signature_from_it(key_info, lookalike) -> None:
    message = signed(key_info=key_info, order=("timestamp", "signature"))
    for known in ([lookalike, BY.certificate], [BY.certificate, lookalike]):
        secured = read(message, known=lambda known=known: known)
        assert secured is not None
        assert secured.certificate == BY.certificate
    refused("wss.signature-mismatch", message, known=lambda: LOOKALIKES[:2])


def test_of_very_many_that_look_alike_only_the_first_are_tried() -> None:
    message = signed(key_info="ski", order=("timestamp", "signature"))
    assert read(message, known=lambda: [*LOOKALIKES[:7], BY.certificate]) is not None
    refused("wss.signature-mismatch", message, known=lambda: [*LOOKALIKES, BY.certificate])


def test_of_two_tokens_that_look_alike_the_signature_tells_which_is_meant() -> None:
    one = b64encode(LOOKALIKES[0].public_bytes(Encoding.DER))
    message = re.sub(
        rb"(<wsse:BinarySecurityToken[^>]*?)( wsu:Id=\"[^\"]*\")([^>]*>)([^<]*)(</wsse:BinarySecurityToken>)",
        lambda it: it[1] + it[3] + one + it[5] + it[0],
        signed(key_info="ski", covers=("body", "timestamp")),
    )
    assert message.count(b"</wsse:BinarySecurityToken>") == 2
    secured = read(message)
    assert secured is not None
    assert secured.certificate == BY.certificate


def test_a_known_certificate_that_cannot_be_read_keeps_no_other_out() -> None:
    """An elliptic curve that no library here knows: the OID of P-256 with its last arc changed."""
    curve = bytes.fromhex("06082a8648ce3d030107")
    der = LOOKALIKES[0].public_bytes(Encoding.DER)
    assert curve in der
    strange = x509.load_der_x509_certificate(der.replace(curve, curve[:-1] + b"\x7f"))
    message = signed(key_info="ski", order=("timestamp", "signature"))
    assert read(message, known=lambda: [strange, BY.certificate]) is not None
    refused("wss.token-missing", message, known=lambda: [strange])


def test_the_signer_stands_last_in_a_path_of_certificates() -> None:
    secured = read(signed(token="pkipath"))
    assert secured is not None
    assert secured.certificate == BY.certificate


@pytest.mark.parametrize("token", ["pkipath", "x509v3"])
def test_a_token_that_is_no_certificate_is_refused(token) -> None:
    def spoil(root: etree._Element) -> None:
        found = root.find(f".//{{{WSSE}}}BinarySecurityToken")
        assert found is not None
        found.text = b64encode(b64decode(found.text or "")[:-3]).decode()

    refused("wss.token", signed(token=token, prepare=spoil))


def test_a_path_without_a_certificate_or_with_very_many_is_refused() -> None:
    def path(certificates: int) -> bytes:
        class Path(core.SequenceOf):
            _child_spec = core.Any

        content = b64encode(Path([core.load(BY.der)] * certificates).dump()).decode()

        def write(root: etree._Element) -> None:
            found = root.find(f".//{{{WSSE}}}BinarySecurityToken")
            assert found is not None
            found.text = content

        return signed(token="pkipath", covers=("body",), prepare=write)

    assert read(path(10)) is not None
    for number in (0, 11, 200):
        refused("wss.token", path(number))


def in_token(octets: bytes, token: str) -> bytes:
    """A message with these octets for its token, which nothing that is signed covers."""
    message, pattern = signed(token=token, covers=("body",)), rb"(<wsse:BinarySecurityToken[^>]*>)[^<]*"
    return re.sub(pattern, rb"\g<1>" + b64encode(octets), message)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x30",
        bytes.fromhex("300727800401610000"),  # an element of no known end: it cannot be written anew
        bytes.fromhex("300728800401610000"),
        bytes.fromhex("3080") * 500 + bytes(1_000),
        BY.der,  # a certificate, and no path of any: its last piece is its signature
        b"\x31\x82" + len(BY.der).to_bytes(2) + BY.der,  # a SET
    ],
    ids=["nothing", "cut off", "without end", "in pieces", "deep", "no path", "set"],
)
def test_what_is_no_path_of_certificates_is_refused(octets) -> None:
    refused("wss.token", in_token(octets, "pkipath"))


def test_the_end_of_a_path_is_read_as_it_stands_and_its_beginning_is_not_read() -> None:
    def path(*values: bytes) -> bytes:
        content = b"".join(values)
        return b"\x30\x82" + len(content).to_bytes(2) + content

    secured = read(in_token(path(bytes.fromhex("27800401610000"), BY.der), "pkipath"))
    assert secured is not None
    assert secured.der == BY.der
    refused("wss.token", in_token(path(BY.der) + b"\0", "pkipath"))
    refused("wss.token", in_token(path(BY.der, b"\x30"), "pkipath"))


@given(
    token=st.sampled_from(["pkipath", "x509v3"]),
    octets=st.one_of(
        st.binary(max_size=60),
        st.tuples(st.binary(max_size=30), st.sampled_from([BY.der, BY.der[:-1], bytes.fromhex("2780")])).map(
            lambda it: b"\x30\x82" + len(b"".join(it)).to_bytes(2) + b"".join(it)
        ),
    ),
)
def test_no_octets_of_a_token_raise_anything_but_a_refusal(token, octets) -> None:
    with contextlib.suppress(Malformed, Unauthorised):
        secured = read(in_token(octets, token))
        assert secured is not None
        assert secured.der == BY.der


def test_a_key_of_another_kind_is_refused() -> None:
    own = ed25519.Ed25519PrivateKey.generate()
    issued = PKI.local_ca.issue(BY.certificate.subject, own, not_before=AT - MINUTE, not_after=AT + MINUTE)
    der = b64encode(issued.certificate.public_bytes(Encoding.DER))
    refused("wss.token", signed(covers=("body",)).replace(b64encode(BY.der), der))


@pytest.mark.parametrize(
    ("key_info", "old", "new", "code"),
    [
        (
            "reference",
            rb'Reference URI="#token-0" ValueType="[^"]*"',
            b'Reference URI="#token-0" ValueType="urn:x"',
            "wss.key-info",
        ),
        ("ski", rb"#X509SubjectKeyIdentifier", b"#Other", "wss.key-info"),
        ("ski", rb"(KeyIdentifier .*)>(.*)</wsse:KeyIdentifier>", rb"\1>!</wsse:KeyIdentifier>", "wss.token"),
        (
            "thumbprint",
            rb"(KeyIdentifier .*)>(.*)</wsse:KeyIdentifier>",
            rb"\1>AAAA</wsse:KeyIdentifier>",
            "wss.token-missing",
        ),
        ("issuer-serial", rb"<ds:X509SerialNumber>", b"<ds:X509SerialNumber>-", "wss.key-info"),
        ("issuer-serial", rb"<ds:X509SerialNumber>", b"<ds:X509SerialNumber>1", "wss.token-missing"),
        ("issuer-serial", rb"<ds:X509IssuerName>", b"<ds:X509IssuerName>CN=another,", "wss.token-missing"),
        (
            "issuer-serial",
            rb"<ds:X509IssuerName>[^<]*",
            b"<ds:X509IssuerName>CN=#0900",
            "wss.token-missing",
        ),
        ("issuer-serial", rb"<ds:X509IssuerName>.*</ds:X509IssuerName>", b"", "wss.key-info"),
        ("x509-ski", rb"<ds:X509SKI>.*</ds:X509SKI>", b"", "wss.key-info"),
        ("x509-ski", rb"<ds:X509SKI>", b"<ds:X509CRL/><ds:X509SKI>", "wss.key-info"),
        ("x509-data", rb"(<ds:X509Certificate>.*</ds:X509Certificate>)", rb"\1\1", "wss.key-info"),
    ],
)
def test_what_points_at_no_certificate_is_refused(key_info, old, new, code) -> None:
    refused(code, re.sub(old, new, signed(key_info=key_info)))


def test_a_certificate_without_a_key_identifier_is_not_meant_by_one() -> None:
    bare = (
        x509.CertificateBuilder()
        .subject_name(BY.certificate.subject)
        .issuer_name(BY.certificate.issuer)
        .public_key(BY.key.public_key())
        .serial_number(1)
        .not_valid_before(AT - MINUTE)
        .not_valid_after(AT + MINUTE)
        .sign(BY.key, hashes.SHA256())
    )
    message = signed(key_info="ski", order=("timestamp", "signature"))
    refused("wss.token-missing", message, known=lambda: [bare])
    assert read(message, known=lambda: [bare, BY.certificate]) is not None


@pytest.mark.parametrize("key_info", ["embedded", "key-name"])
def test_other_ways_to_name_a_key_are_refused(key_info) -> None:
    refused("wss.key-info", signed(key_info=key_info))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"#X509v3", b"#PKCS7", "wss.token"),
        (b"#Base64Binary", b"#HexBinary", "wss.token"),
        (b'URI="#token-0"', b'URI="#body-0"', "wss.token-missing"),
        (b'URI="#token-0"', b'URI="https://partner.invalid/certificate"', "wss.token-missing"),
        (b"<wsse:SecurityTokenReference", b"<wsse:SecurityTokenReference x='", "parse.malformed"),
    ],
)
def test_nothing_is_taken_for_a_token_that_is_none(old, new, code) -> None:
    message = signed(covers=("body",)).replace(old, new)
    with pytest.raises(Rejection) as no:
        read(message)
    assert no.value.code == code


def test_a_short_key_is_refused() -> None:
    refused("wss.key-short", signed(by=PKI.short_key))


def test_a_certificate_of_another_key_does_not_fit() -> None:
    other = PKI.stranger
    message = signed(covers=("body", "timestamp")).replace(b64encode(BY.der), b64encode(other.der))
    refused("wss.signature-mismatch", message)


def test_whose_signature_it_is_can_be_refused_before_anything_is_digested() -> None:
    def turn_away(credential: Proven) -> None:
        raise Unauthorised("partner.unknown", facts={"key": credential.key})

    changed = signed().replace(b"letter.xml", b"lettre.xml")
    no = refused("partner.unknown", changed, meet=turn_away)
    assert no.facts == {"key": fingerprint(BY.certificate)}
    met: list[Proven] = []
    refused("wss.digest-mismatch", changed, meet=met.append)
    refused("wss.signature-mismatch", HOSTILE["the signature value cut short"][1](signed()), meet=met.append)
    assert met == [Proven(proof=Proof.WS_SECURITY, key=fingerprint(BY.certificate))]
