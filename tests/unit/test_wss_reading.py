"""Signed messages as clients make them are read, and all that is wrong with one has its own code."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from adapters.testkit import wss as client
from adapters.testkit.box import Submission
from adapters.testkit.signing import canonical
from adapters.testkit.signing.recipe import C14N, ENVELOPED, EXCLUSIVE, EXCLUSIVE_COMMENTS, XPATH
from adapters.testkit.wss import ALL, EPUAP, NODE, ZEEP, secure
from adapters.testkit.wss_attacks import HOSTILE
from adapters.wire import ob, soap, wss
from adapters.wire.media import media_type
from adapters.wire.mtom import unpack
from adapters.wire.soap import SOAP11
from broker.errors import Malformed, Unauthorised
from broker.parse import Limits
from broker.partner import Credential as Proven
from broker.partner import Proof, fingerprint
from tests.corpus.verify.scene import AT, PKI
from tests.signed_messages import BY, LETTER, MINUTE, VERSIONS, read, refused, signed

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


XSI = b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def typed(kind: bytes, **how) -> bytes:
    letter = b'<o:letter xmlns:o="urn:o" xmlns:k="urn:k" %b xsi:type="%b"/>' % (XSI, kind)
    return secure(Submission(document=letter, any=True).envelope(SOAP11), BY, AT, **how)


def test_a_prefix_that_a_value_in_the_body_uses_must_be_signed() -> None:
    assert read(typed(b"o:Letter")) is not None
    assert read(typed(b"k:Letter", prefixes="k")) is not None
    for message in typed(b"k:Letter"), typed(b"k:Letter", prefixes="o"):
        refused("wss.prefix-unsigned", message)
        refused("wss.prefix-unsigned", message.replace(b"urn:k", b"urn:evil"))
    refused("wss.digest-mismatch", typed(b"k:Letter", prefixes="k").replace(b"urn:k", b"urn:evil"))
    refused("wss.prefix-unsigned", typed(b"Letter").replace(b"<o:letter ", b'<o:letter xmlns="urn:evil" '))


def test_headers_are_text_and_may_say_of_which_type_they_are() -> None:
    header = b'<h:x xmlns:h="urn:h" xmlns:k="urn:k" %b xsi:type="k:T"/>' % XSI
    assert read(secure(Submission(headers=header).envelope(SOAP11), BY, AT)) is not None


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
