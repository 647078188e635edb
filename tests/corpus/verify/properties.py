"""Refused for what XAdES says of the signature: its properties, their cover, the certificate that they bind."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import partial

from adapters.testkit.pki import JAN
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import BASELINE, ENVELOPING, EXCLUSIVE, PLAIN, QUALIFIED, XPATH
from adapters.testkit.signing.template import reference
from tests.corpus.verify.recipes import Family, doubled, edited, rewritten, signed
from tests.corpus.verify.scene import AT, FORM, PKI

expect = Family("properties")

_NAMESPACE = "http://uri.etsi.org/01903/v1.3.2#"
expect("xades-missing", partial(signed, PLAIN), "plain-xmldsig")
expect("xades-1-1-1", rewritten(_NAMESPACE, "http://uri.etsi.org/01903/v1.1.1#"), "of-2002")
expect("xades-1-2-2", rewritten(_NAMESPACE, "http://uri.etsi.org/01903/v1.2.2#"), "of-2004")
expect("xades-unknown", rewritten(_NAMESPACE, "http://uri.etsi.org/01903/v9#"), "a-version-to-come")
expect(
    "xades-external",
    rewritten(
        "<xades:QualifyingProperties (xmlns:xades=[^ ]*).*</xades:QualifyingProperties>",
        r'<xades:QualifyingPropertiesReference \1 URI="http://example.test/"/>',
    ),
    "by-reference",
)
expect("xades-target", partial(signed, target="#somebody-else"), "of-another")
expect("xades-target", partial(signed, target=""), "empty")
expect("xades-malformed", doubled("<xades:SigningTime>[^<]*</xades:SigningTime>"), "two-signing-times")
expect("xades-malformed", doubled("<xades:SigningCertificate>.*</xades:SigningCertificate>"), "two-certificates")
expect("xades-malformed", rewritten("<xades:IssuerSerial>.*</xades:IssuerSerial>", ""), "no-issuer-serial")
expect("signed-properties-type", rewritten(' Type="http://uri.etsi.org/01903#SignedProperties"', ""), "none")
expect("signed-properties-elsewhere", rewritten('(SignedProperties" URI="#)xades-', r"\1key-"), "key-info")
expect(
    "signed-properties-elsewhere",
    partial(
        signed,
        extra_references=(
            reference("", (XPATH, EXCLUSIVE), "sha256", type_="http://uri.etsi.org/01903#SignedProperties"),
        ),
    ),
    "the-whole-document",
)
expect("signing-certificate-missing", partial(signed, binding="none"), "no-binding")
expect("signing-certificate-issuer", rewritten("(<ds:X509SerialNumber>)", r"\g<1>1"), "serial")
expect(
    "signing-certificate-issuer",
    rewritten("(<ds:X509IssuerName>).*(</ds:X509IssuerName>)", r"\1CN=Somebody Else\2"),
    "name",
)
expect(
    "signing-certificate-issuer",
    rewritten("(<ds:X509IssuerName>).*(</ds:X509IssuerName>)", r"\1CN=#0900,OU=#0300,O=#2c030c0141\2"),
    "name-that-is-no-string",
)


def _swapped() -> bytes:
    other = sign(FORM, PKI.other_person, AT, QUALIFIED).decode()
    pattern = "<ds:KeyInfo.*</ds:KeyInfo>"
    found = re.search(pattern, other, re.DOTALL)
    assert found
    return re.sub(pattern, found[0], signed().decode(), flags=re.DOTALL).encode()


def _same_key() -> bytes:
    """Another certificate of the same key: without the binding nobody would notice."""
    twin = PKI.personal(PKI.qualified_ca, JAN, usage=("digital_signature",))
    pattern = "(<ds:X509Certificate>)[^<]*"
    found = re.search(pattern, signed(by=twin).decode())
    assert found
    return re.sub(pattern, found[0], signed().decode(), count=1).encode()


expect("signing-certificate-mismatch", _swapped, "another-signers")
expect("signing-certificate-mismatch", _same_key, "same-key")

_TARGET = 'Target="#[^"]*"'
_PROPERTIES = "<ds:Object><xades:QualifyingProperties.*</xades:QualifyingProperties></ds:Object>"
_REFERENCE = '<ds:Reference Type="http://uri.etsi.org/01903#SignedProperties".*?</ds:Reference>'
expect("xades-missing", rewritten(f"{_REFERENCE}(.*){_PROPERTIES}", r"\1"), "removed-before-signing")
expect(
    "xades-missing",
    rewritten(
        f"{_REFERENCE}(.*){_PROPERTIES}", rf"\1<ds:Object><x:QualifyingProperties xmlns:x='{_NAMESPACE}'/></ds:Object>"
    ),
    "nothing-in-it",
)
expect("xades-missing", partial(signed, ENVELOPING, xades=False, binding="none"), "plain-enveloping")
expect("xades-missing", partial(signed, PLAIN, key_value=True), "plain-with-a-bare-key")
for _what, _new in {
    "none": "",
    "no-number-sign": 'Target="id"',
    "whole-document": 'Target="#"',
    "of-the-value": 'Target="#value"',
    "elsewhere": 'Target="http://example.test/#id"',
}.items():
    expect("xades-target", rewritten(_TARGET, _new), _what)
expect("xades-target", rewritten('(<ds:Signature[^>]*?) Id="[^"]*"', r"\1"), "a-signature-without-an-id")
expect("xades-1-1-1", rewritten(_NAMESPACE, "http://uri.etsi.org/01903/v1.1.1#", BASELINE), "baseline")
expect("xades-unknown", rewritten(_NAMESPACE, "http://uri.etsi.org/01903/v1.4.1#"), "of-the-extensions")
expect("xades-unknown", rewritten(_NAMESPACE, "http://uri.etsi.org/01903/v1.3.2"), "no-number-sign")
expect(
    "xades-external",
    edited(
        "(</ds:Signature>)",
        rf"<ds:Object><x:QualifyingPropertiesReference xmlns:x='{_NAMESPACE}' URI='file:///etc/passwd'/></ds:Object>\1",
    ),
    "a-second-from-a-file",
)
expect(
    "two-qualifying-properties",
    edited("(</xades:QualifyingProperties>)", rf"\1<x:QualifyingProperties xmlns:x='{_NAMESPACE}' Target='#id'/>"),
    "one-with-a-target",
)
for _what, _type in {
    "of-an-object": "http://www.w3.org/2000/09/xmldsig#Object",
    "of-2002": "http://uri.etsi.org/01903/v1.1.1#SignedProperties",
    "in-capitals": "HTTP://URI.ETSI.ORG/01903#SIGNEDPROPERTIES",
}.items():
    expect(
        "signed-properties-type",
        rewritten('Type="http://uri.etsi.org/01903#SignedProperties"', f'Type="{_type}"'),
        _what,
    )
expect(
    "signed-properties-not-covered",
    rewritten('<ds:Reference Type="http://uri.etsi.org/01903#SignedProperties".*?</ds:Reference>', ""),
    "no-reference",
)
expect(
    "signed-properties-elsewhere",
    rewritten(
        '(SignedProperties" URI=")[^"]*', r"\1#sum", form=FORM.replace(b"<wnio:Kwota>", b'<wnio:Kwota Id="sum">')
    ),
    "a-part-of-the-form",
)
_BINDING = "<xades:SigningCertificate>.*</xades:SigningCertificate>"
for _what, (_old, _new) in {
    "both-versions": (f"({_BINDING})", r"\1<xades:SigningCertificateV2/>"),
    "no-digest": ("<xades:CertDigest>.*</xades:CertDigest>", ""),
    "no-digest-method": ("(<xades:CertDigest>)<ds:DigestMethod[^>]*/>", r"\1"),
    "no-digest-value": ("(<xades:CertDigest>.*?)<ds:DigestValue>.*?</ds:DigestValue>", r"\1"),
    "no-issuer-name": ("<ds:X509IssuerName>.*</ds:X509IssuerName>", ""),
    "no-serial": ("<ds:X509SerialNumber>.*</ds:X509SerialNumber>", ""),
    "two-signature-properties": ("(</xades:SignedSignatureProperties>)", r"\1<xades:SignedSignatureProperties/>"),
}.items():
    expect("xades-malformed", rewritten(_old, _new), _what)
expect("signing-certificate-missing", rewritten(_BINDING, "<xades:SigningCertificate/>"), "an-empty-binding")
expect(
    "signing-certificate-missing", rewritten(_BINDING, "<xades:SigningCertificateV2/>"), "an-empty-binding-of-version-2"
)
expect(
    "signing-certificate-missing",
    partial(signed, binding="none", certificates="chain", extra_references=()),
    "the-chain-alone",
)
expect(
    "signing-certificate-ambiguous",
    rewritten(
        "(<ds:X509Certificate>)[^<]*(</ds:X509Certificate>)",
        "".join(rf"\g<1>{b64encode(it.der).decode()}\g<2>" for it in (PKI.other_person, PKI.organisation)),
        BASELINE,
        binding="key-info",
    ),
    "signed-key-info-of-others",
)
expect(
    "signing-certificate-mismatch",
    rewritten("(<xades:CertDigest>.*?<ds:DigestValue>)....", r"\1AAAA"),
    "another-digest",
)
expect(
    "signing-certificate-mismatch", rewritten("(<xades:CertDigest>.*?<ds:DigestValue>)[^<]*", r"\1"), "an-empty-digest"
)
for _what, (_old, _new) in {
    "negative-serial": ("(<ds:X509SerialNumber>)", r"\1-"),
    "hexadecimal-serial": ("<ds:X509SerialNumber>[^<]*", "<ds:X509SerialNumber>0x10"),
    "empty-serial": ("<ds:X509SerialNumber>[^<]*", "<ds:X509SerialNumber>"),
    "leading-zero": ("(<ds:X509SerialNumber>)", r"\g<1>0"),
    "empty-name": ("<ds:X509IssuerName>[^<]*", "<ds:X509IssuerName>"),
    "own-name": ("<ds:X509IssuerName>[^<]*", "<ds:X509IssuerName>C=PL,CN=JAN TESTOWY"),
    "one-part-more": ("(<ds:X509IssuerName>)", r"\1OU=X,"),
    "one-part-less": ("(<ds:X509IssuerName>)[^,]*,", r"\1"),
    "endless-name": ("<ds:X509IssuerName>[^<]*", f"<ds:X509IssuerName>{'CN=A,' * 4000}CN=B"),
}.items():
    expect("signing-certificate-issuer", rewritten(_old, _new), _what)
for _what, _der in {"junk": "AAAA", "empty": "", "a-certificate": "MIIB"}.items():
    expect(
        "signing-certificate-issuer",
        rewritten("(</xades:CertDigest>)", rf"\1<xades:IssuerSerialV2>{_der}</xades:IssuerSerialV2>", BASELINE),
        f"version-2-{_what}",
    )
for _what, (_old, _new) in {
    "role-added": (
        "(</xades:SigningCertificate>)",
        r"\1<xades:SignerRole><xades:ClaimedRoles><xades:ClaimedRole>Burmistrz</xades:ClaimedRole></xades:ClaimedRoles></xades:SignerRole>",
    ),
    "signing-time-removed": ("<xades:SigningTime>[^<]*</xades:SigningTime>", ""),
    "signing-time-zone": ("(<xades:SigningTime>[^<]*)Z", r"\1+01:00"),
    "binding-removed": (_BINDING, ""),
    "commitment-changed": ("ProofOfApproval", "ProofOfReceipt"),
    "format-changed": ("<xades:MimeType>text/xml", "<xades:MimeType>text/html"),
    "instruction-in-properties": ("(<xades:SigningTime>)", r"<?a instruction?>\1"),
}.items():
    expect("digest-mismatch", edited(_old, _new), _what)
