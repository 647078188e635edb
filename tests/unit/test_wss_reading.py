"""Signed messages as clients make them are read, and all that is wrong with one has its own code."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from datetime import timedelta

import pytest
from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from adapters.testkit import wss as client
from adapters.testkit.box import Submission
from adapters.testkit.certificates import Credential
from adapters.testkit.pki import JAN
from adapters.testkit.signing import canonical
from adapters.testkit.signing.recipe import C14N, ENVELOPED, EXCLUSIVE, EXCLUSIVE_COMMENTS, XPATH
from adapters.testkit.wss import ALL, EPUAP, NODE, WSSE, WSU, ZEEP, Recipe, secure
from adapters.testkit.wss_attacks import HOSTILE
from adapters.wire import ob, soap, wss
from adapters.wire.media import media_type
from adapters.wire.mtom import unpack
from adapters.wire.soap import SOAP11, SOAP12
from broker.errors import Malformed, Rejection, Unauthorised
from broker.parse import Limits
from broker.partner import Credential as Proven
from broker.partner import Proof, fingerprint
from broker.texts import explain
from tests.corpus.verify.scene import AT, PKI

VERSIONS = pytest.mark.parametrize("version", [SOAP11, SOAP12], ids=["1.1", "1.2"])
BY = PKI.local_person
LETTER = Submission(document=b"<letter/>\n\n")
MINUTE = timedelta(minutes=1)


def read(message: bytes, at=AT, **how):
    return wss.read(soap.read(message, Limits()), at, **how)


def signed(recipe: Recipe = ALL, version=SOAP11, by: Credential = BY, **changes) -> bytes:
    return secure(LETTER.envelope(version), by, AT, recipe, **changes)


def refused(code: str, message: bytes, at=AT, **how) -> Rejection:
    with pytest.raises((Malformed, Unauthorised)) as no:
        read(message, at, **how)
    assert no.value.code == code
    assert explain(no.value).count("?") == 0
    return no.value


# ── what is read ──


@VERSIONS
@pytest.mark.parametrize("by", [PKI.local_person, PKI.elliptic_person], ids=["rsa", "ec"])
@pytest.mark.parametrize(
    ("recipe", "timestamp", "headers"),
    [(ALL, True, 5), (ZEEP, True, 0), (NODE, True, 5), (EPUAP, False, 0)],
    ids=["all", "zeep", "node", "epuap"],
)
def test_a_message_is_read_as_each_client_signs_it(version, by, recipe, timestamp, headers) -> None:
    message = soap.read(signed(recipe, version, by), Limits())
    secured = wss.read(message, AT)
    assert secured is not None
    assert secured.certificate == by.certificate
    assert secured.der == by.certificate.public_bytes(Encoding.DER)
    assert secured.credential == Proven(proof=Proof.WS_SECURITY, key=fingerprint(by.certificate))
    assert (secured.body, secured.timestamp) == (True, timestamp)
    assert secured.headers == message.headers[:headers]
    assert (secured.created, secured.expires) == ((AT, AT + 5 * MINUTE) if timestamp else (None, None))


@pytest.mark.parametrize("method", ["rsa", "pss", "ecdsa"])
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_the_sha_2_family_is_taken_with_every_kind_of_key(method, digest) -> None:
    by = PKI.elliptic_person if method == "ecdsa" else BY
    assert read(signed(by=by, method=f"{method}-{digest}", digest=digest)) is not None


@pytest.mark.parametrize(
    "order",
    [("token", "timestamp", "signature"), ("signature", "token", "timestamp"), ("timestamp", "signature", "token")],
)
def test_the_order_of_elements_means_nothing(order) -> None:
    assert read(signed(order=order)) is not None


@pytest.mark.parametrize("name", [client.ID, "Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id"])
def test_parts_are_found_by_every_attribute_that_is_an_id(name) -> None:
    assert read(signed(id_name=name)) is not None


@pytest.mark.parametrize("prefixes", ["", "soap", "soap ob #default", "nowhere"])
def test_the_prefixes_of_exclusive_canonicalisation_are_kept_to(prefixes) -> None:
    envelope = LETTER.envelope(SOAP11).replace(b"<soap:Envelope ", b'<soap:Envelope xmlns="urn:default" ')
    assert read(secure(envelope, BY, AT, prefixes=prefixes)) is not None


def test_a_message_without_a_signature_for_us_proves_nothing() -> None:
    assert read(LETTER.envelope(SOAP11)) is None
    only_a_time = signed(order=("timestamp", "signature")).replace(b"ds:Signature>", b"ds:Other>")
    assert read(re.sub(rb"<ds:Signature .*</ds:Other>", b"", only_a_time)) is None


@VERSIONS
def test_a_security_header_for_another_receiver_is_left_alone(version) -> None:
    role = f"{{{version.namespace}}}{version.role}"
    assert read(signed(version=version, attributes=((role, "urn:somebody-else"),))) is None
    for ours in sorted(version.ours):
        assert read(signed(version=version, attributes=((role, ours),))) is not None


@VERSIONS
def test_with_mtom_the_body_counts_as_it_is_with_its_parts_inside(version) -> None:
    document = bytes(range(256)) * 40
    letter = Submission(document=document)
    content_type, body = letter.package(version)
    package = unpack(body, media_type(content_type))
    whole = secure(letter.envelope(version), BY, AT)
    text = b64encode(document)
    include = re.search(rb"<xop:Include.*?/>", package.envelope)
    assert include is not None
    assert whole.count(text) == 1
    message = soap.read(whole.replace(text, include[0]), Limits())
    secured = wss.read(message, AT, parts=package.parts)
    assert secured is not None
    assert secured.body
    package.parts.demand_none_left()
    assert message.body is not None
    assert ob.read_file(message.body, package.parts).content == document


def test_with_mtom_a_changed_part_is_found_out() -> None:
    content_type, body = LETTER.package(SOAP11)
    package = unpack(body.replace(b"<letter/>", b"<lettre/>"), media_type(content_type))
    whole = signed().replace(b64encode(LETTER.document), re.findall(rb"<xop:Include.*?/>", package.envelope)[0])
    refused("wss.digest-mismatch", whole, parts=package.parts)


def test_parts_of_an_unsigned_message_are_left_to_whoever_reads_it() -> None:
    content_type, body = LETTER.package(SOAP11)
    package = unpack(body, media_type(content_type))
    message = soap.read(package.envelope, Limits())
    assert wss.read(message, AT, parts=package.parts) is None
    assert message.body is not None
    assert ob.read_file(message.body, package.parts).content == LETTER.document


# ── whose key ──

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


# ── algorithms and shapes ──


@pytest.mark.parametrize("digest", ["sha1"])
def test_weak_digests_are_refused(digest) -> None:
    refused("wss.digest-algorithm", signed(digest=digest))


@pytest.mark.parametrize("method", ["rsa-sha1", "hmac-sha256", "hmac-sha1"])
def test_weak_signatures_are_refused(method) -> None:
    refused("wss.signature-algorithm", signed(method=method))


@pytest.mark.parametrize("c14n", [C14N, EXCLUSIVE_COMMENTS])
def test_only_exclusive_canonicalisation_is_taken(c14n) -> None:
    refused("wss.c14n", signed(c14n=c14n))
    refused("wss.transform", signed(transforms=(c14n,)))


@pytest.mark.parametrize(
    "transforms",
    [
        (),
        (ENVELOPED,),
        (EXCLUSIVE, ENVELOPED),
        (EXCLUSIVE, EXCLUSIVE),
        (ENVELOPED, ENVELOPED, EXCLUSIVE),
        (XPATH, EXCLUSIVE),
        ("http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#STR-Transform",),
        ("http://www.w3.org/TR/1999/REC-xslt-19991116", EXCLUSIVE),
    ],
)
def test_other_transforms_are_refused(transforms) -> None:
    refused("wss.transform", signed(transforms=transforms))


REFERENCE = re.compile(r"<ds:Reference URI=\"#body-0\">.*?</ds:Reference>")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda _: "", "wss.signature-shape"),
        (lambda text: text.replace('"#body-0"', '""'), "wss.reference-external"),
        (lambda text: text.replace('"#body-0"', '"https://partner.invalid/"'), "wss.reference-external"),
        (lambda text: text.replace('"#body-0"', '"file:///etc/passwd"'), "wss.reference-external"),
        (lambda text: text.replace('"#body-0"', '"cid:part"'), "wss.reference-external"),
        (lambda text: text.replace('"#body-0"', "\"#xpointer(id('body-0'))\""), "wss.reference-external"),
        (lambda text: text.replace(' URI="#body-0"', ""), "wss.reference-external"),
        (lambda text: text.replace('"#body-0"', '"#nobody"'), "wss.reference-missing"),
        (lambda text: text + REFERENCE.findall(text)[0], "wss.reference-twice"),
        (lambda text: text * 20, "wss.too-many"),
        (lambda text: text.replace("</ds:DigestValue>", "A=</ds:DigestValue>", 1), "wss.signature-shape"),
    ],
)
def test_references_elsewhere_are_refused(change, code) -> None:
    refused(code, signed(references=change))


@pytest.mark.parametrize("inside", ["Header", "Envelope", "Security", "nazwaPliku"])
def test_nothing_but_whole_parts_of_the_message_can_be_signed(inside) -> None:
    def mark(root: etree._Element) -> None:
        next(it for it in root.iter(etree.Element) if etree.QName(it).localname == inside).set("Id", "here")

    refused(
        "wss.reference-target",
        signed(prepare=mark, references=lambda text: text.replace('"#body-0"', '"#here"', 1)),
    )


METHOD = rb"<ds:SignatureMethod [^>]*/>"
XADES = b'<q:QualifyingProperties xmlns:q="http://uri.etsi.org/01903/v1.3.2#"/>'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb"</ds:Signature>", b"<ds:Object>" + XADES + b"</ds:Object></ds:Signature>"),
        (rb"</ds:Signature>", b"text</ds:Signature>"),
        (rb"<ds:SignedInfo>", b"<ds:SignedInfo/><ds:SignedInfo>"),
        (rb"<ds:CanonicalizationMethod [^>]*/>", b""),
        (METHOD, b""),
        (
            METHOD,
            b'<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"><a/></ds:SignatureMethod>',
        ),
        (rb"<ds:SignatureMethod ", b"<ds:Other/><ds:SignatureMethod "),
        (rb"</ds:SignedInfo>", b"<ds:Other/></ds:SignedInfo>"),
        (rb"<ds:SignatureValue>.*</ds:SignatureValue>", b"<ds:SignatureValue/>"),
        (rb"<ds:SignatureValue>", b"<ds:SignatureValue>*"),
        (rb"<ds:SignatureValue>.*</ds:SignatureValue>", b""),
    ],
)
def test_a_signature_is_built_in_one_way(old, new) -> None:
    refused("wss.signature-shape", re.sub(old, new, signed()))


def test_a_key_info_is_needed() -> None:
    refused("wss.key-info", re.sub(rb"<ds:KeyInfo>.*</ds:KeyInfo>", b"", signed()))


@pytest.mark.parametrize("kind", ["x509v3"])
def test_there_may_be_a_few_tokens_only(kind) -> None:
    token = b'<wsse:BinarySecurityToken ValueType="urn:other"/>'
    few = signed().replace(b"</wsse:Security>", token * 3 + b"</wsse:Security>")
    assert read(few) is not None
    refused("wss.too-many", signed().replace(b"</wsse:Security>", token * 4 + b"</wsse:Security>"))


def test_a_signature_of_very_many_parts_is_not_even_canonicalised() -> None:
    crowd = b"<ds:SignedInfo>" + b"<ds:Reference/>" * 1_000
    assert refused("wss.too-many", signed().replace(b"<ds:SignedInfo>", crowd)).place == "ds:Signature"


def test_a_relative_namespace_name_cannot_be_canonicalised() -> None:
    message = signed().replace(b"<nazwaPliku>", b'<nazwaPliku xmlns:r="relative" r:a="">')
    assert refused("wss.c14n", message).place.startswith("ds:Reference")


# ── what is done to a message on its way ──


@VERSIONS
@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_message_that_was_tampered_with_is_refused(name, version) -> None:
    code, tamper = HOSTILE[name]
    by_box_first = Submission(sender=None, headers=ob.element("IdentyfikatorPodmiotu", b"citizen"))
    good = secure(by_box_first.envelope(version), BY, AT)
    assert read(good) is not None
    with pytest.raises(Malformed if code.startswith("soap.") else (Malformed, Unauthorised)) as no:
        read(tamper(good))
    assert no.value.code == code
    assert no.value.place


# ── when ──


def moved(created: str, expires: str = "") -> bytes:
    """A message whose Timestamp says these words."""

    def write(root: etree._Element) -> None:
        timestamp = root.find(f".//{{{WSU}}}Timestamp")
        assert timestamp is not None
        for child in list(timestamp):
            timestamp.remove(child)
        for name, text in (("Created", created), ("Expires", expires)):
            if text:
                etree.SubElement(timestamp, f"{{{WSU}}}{name}").text = text

    return signed(prepare=write)


def test_a_message_holds_for_a_window_around_its_creation() -> None:
    message = signed(expires=None)
    for minutes in (-5, 0, 5):
        assert read(message, AT + minutes * MINUTE) is not None
    refused("wss.stale", message, AT + 5 * MINUTE + timedelta(microseconds=1))
    refused("wss.future", message, AT - 5 * MINUTE - timedelta(microseconds=1))
    assert read(message, AT + 60 * MINUTE, window=60 * MINUTE) is not None


def test_a_message_does_not_outlive_what_it_says_of_its_end() -> None:
    message = signed(expires=MINUTE)
    assert read(message, AT + MINUTE) is not None
    refused("wss.stale", message, AT + MINUTE + timedelta(microseconds=1))
    refused("wss.stale", signed(expires=60 * MINUTE), AT + 6 * MINUTE)


@pytest.mark.parametrize(
    "created",
    [
        "2026-01-01T12:00:00Z",
        " 2026-01-01T12:00:00.000Z\n",
        "2026-01-01T12:00:00.123456789Z",
        "2026-01-01T12:00:00+00:00",
        "2026-01-01T11:58:00-00:00",
    ],
)
def test_moments_in_utc_are_read(created) -> None:
    secured = read(moved(created))
    assert secured is not None
    assert secured.created is not None
    assert abs(secured.created - AT) <= 2 * MINUTE


@pytest.mark.parametrize(
    "created",
    [
        "",
        "now",
        "2026-01-01",
        "2026-01-01T12:00:00",
        "2026-01-01T13:00:00+01:00",
        "20260101T120000Z",
        "2026-W01-4T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "2026-01-01T12:00:60Z",
        "٢٠٢٦-01-01T12:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ],
)
def test_other_moments_are_refused(created) -> None:
    refused("wss.timestamp-malformed", moved(created))


def test_a_message_does_not_end_before_it_begins() -> None:
    refused("wss.expires-before-created", moved("2026-01-01T12:00:00Z", "2026-01-01T11:59:59Z"))


def test_a_timestamp_holds_two_moments_and_nothing_else() -> None:
    twice = b"<wsu:Created>2026-01-01T12:00:00Z</wsu:Created>"
    refused("wss.timestamp-malformed", signed().replace(twice, twice * 2))
    refused("wss.timestamp-malformed", signed().replace(twice, b""))
    refused("wss.timestamp-malformed", signed().replace(twice, twice + b"<wsu:Other/>"))


def test_a_time_that_is_not_signed_is_not_told_yet_must_be_near() -> None:
    message = signed(covers=("body",))
    secured = read(message)
    assert secured is not None
    assert (secured.timestamp, secured.created, secured.expires, secured.once) == (False, None, None, None)
    refused("wss.stale", message, AT + 6 * MINUTE)


# ── again ──


def once(message: bytes, at=AT):
    secured = read(message, at)
    assert secured is not None
    assert secured.once is not None
    return secured.once


def test_a_message_that_was_sent_before_is_known_for_as_long_as_it_would_be_taken() -> None:
    message = signed(expires=None)
    assert once(message) == once(message, AT + 4 * MINUTE)
    last = AT + 5 * MINUTE
    assert read(message, last) is not None
    assert once(message).until > last
    assert once(signed(expires=MINUTE)).until > AT + MINUTE


def test_a_message_that_was_signed_anew_is_another() -> None:
    assert once(signed()) != once(signed(created=timedelta(seconds=1)))
    assert once(signed()) != once(signed(by=PKI.elliptic_person))


def test_a_signature_written_anew_is_the_same() -> None:
    message = signed(by=PKI.elliptic_person)
    value = re.findall(rb"<ds:SignatureValue>(.*?)<", message)[0]
    r, s = b64decode(value)[:32], int.from_bytes(b64decode(value)[32:], "big")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    twin = b64encode(r + (order - s).to_bytes(32, "big"))
    assert twin != value
    assert once(message.replace(value, twin)) == once(message)
    assert once(message.replace(value, value[:20] + b"\n " + value[20:])) == once(message)
    lines = signed().replace(b"<ds:SignedInfo>", b"<ds:SignedInfo >").replace(b"<ds:Transforms>", b"<ds:Transforms  >")
    assert once(lines) == once(signed())


def test_another_certificate_of_the_same_key_does_not_make_it_another_message() -> None:
    later = PKI.personal(PKI.local_ca, JAN, not_after=AT + 600 * MINUTE)
    assert later.der != BY.der
    message = signed(covers=("body", "timestamp", "headers"))
    assert once(message.replace(b64encode(BY.der), b64encode(later.der))) == once(message)


# ── what must be signed ──


def test_what_must_be_signed_is_demanded_by_name() -> None:
    message = soap.read(signed(ZEEP), Limits())
    secured = wss.read(message, AT)
    assert secured is not None
    secured.demand(timestamp=True, headers=())
    with pytest.raises(Unauthorised) as no:
        secured.demand(timestamp=True, headers=message.headers[:2])
    assert (no.value.code, no.value.facts) == ("wss.header-unsigned", {"name": "IdentyfikatorPodmiotu"})

    body_only = read(signed(EPUAP))
    assert body_only is not None
    body_only.demand(timestamp=False, headers=())
    with pytest.raises(Unauthorised) as no:
        body_only.demand(timestamp=True, headers=())
    assert no.value.code == "wss.timestamp-missing"

    no_body = read(signed(covers=("timestamp", "headers")))
    assert no_body is not None
    with pytest.raises(Unauthorised) as no:
        no_body.demand(timestamp=False, headers=())
    assert no.value.code == "wss.body-unsigned"


def test_all_of_a_message_that_is_covered_may_be_demanded() -> None:
    message = soap.read(signed(), Limits())
    secured = wss.read(message, AT)
    assert secured is not None
    secured.demand(timestamp=True, headers=message.headers[:-1])
    with pytest.raises(Unauthorised):
        secured.demand(timestamp=True, headers=message.headers)  # the last is the Security header itself


def test_what_the_digests_cover_is_what_a_second_reader_sees() -> None:
    """The octets of the testkit's canonicalisation, which shares no code with ours, give the digests."""
    message = signed()
    root = canonical.tree(message)
    body = root[-1]
    digest = b64encode(hashlib.sha256(canonical.canonical(body, EXCLUSIVE)).digest())
    assert digest in message
