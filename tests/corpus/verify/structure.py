"""Refused for how the signature is built and where it stands, without any mathematics."""

from __future__ import annotations

from functools import partial

from adapters.testkit.signer import countersign, sign
from adapters.testkit.signing.recipe import ENVELOPED, ENVELOPING, EXCLUSIVE, XPATH
from adapters.testkit.signing.template import reference
from tests.corpus.verify.recipes import Family, doubled, edited, rewritten, signed
from tests.corpus.verify.scene import AT, DS, FORM, PKI

expect = Family("structure")

expect(
    "too-many-signatures",
    lambda: FORM.replace(b"<wnio:Kwota>", f'<s:Signature xmlns:s="{DS}"/>'.encode() * 21 + b"<wnio:Kwota>"),
    "21-empty-ones",
)
expect("signature-malformed", rewritten("(</ds:KeyInfo>)", r"\1<ds:Extra/>"), "foreign-part")
expect(
    "signature-malformed",
    rewritten("(<ds:SignatureValue.*?</ds:SignatureValue>)(<ds:KeyInfo.*</ds:KeyInfo>)", r"\2\1"),
    "order",
)
expect("signature-malformed", rewritten("(<ds:SignatureMethod[^>]*>)", r"\1<ds:Extra/>"), "signed-info")
expect("signature-text", rewritten("(</ds:SignatureValue>)", r"\1I owe you nothing"), "after-the-value")
expect("signature-text", rewritten("(</xades:SignedProperties>)", r"\1I owe you nothing"), "properties")
expect("two-signed-info", edited("(</ds:SignedInfo>)", r"\1<ds:SignedInfo/>"), "an-empty-second")
expect(
    "two-signed-properties", rewritten("(</xades:SignedProperties>)", r"\1<xades:SignedProperties/>"), "an-empty-second"
)
expect(
    "two-signed-properties",
    rewritten("(</xades:SignedSignatureProperties>)", r"\1<xades:SignedProperties/>"),
    "nested",
)
expect(
    "two-qualifying-properties",
    rewritten(
        "(</xades:QualifyingProperties>)",
        r'\1<xades:QualifyingProperties xmlns:xades="http://uri.etsi.org/01903/v1.3.2#"/>',
    ),
    "an-empty-second",
)
expect(
    "object-unknown",
    rewritten("</ds:Signature>", "<ds:Object><wnio:Kwota>999</wnio:Kwota></ds:Object></ds:Signature>"),
    "a-part-of-a-form",
)
expect("object-unknown", rewritten("(</xades:QualifyingProperties>)", r"\1a promise"), "text")
expect("manifest", rewritten("</ds:Signature>", "<ds:Object><ds:Manifest/></ds:Object></ds:Signature>"), "an-empty-one")
expect(
    "enveloping-base64",
    rewritten(
        '<ds:Object Id="object-.*?</ds:Object>',
        '<ds:Object Id="object" Encoding="http://www.w3.org/2000/09/xmldsig#base64">PGEvPg==</ds:Object>',
        ENVELOPING,
        uri="#object",
    ),
    "said",
)
expect(
    "enveloping-base64",
    rewritten(
        '<ds:Object Id="object-.*?</ds:Object>',
        '<ds:Object Id="object">PGEvPg==</ds:Object>',
        ENVELOPING,
        uri="#object",
    ),
    "unsaid",
)
expect("enveloping-base64", rewritten("</ds:Signature>", "<ds:Object>PGEvPg==</ds:Object></ds:Signature>"), "beside")
expect("enveloping-form", rewritten("(</wnio:Dokument>)", r"\1<second/>", ENVELOPING), "a-second-element")
expect("enveloping-form", rewritten("(</wnio:Dokument>)", r"\1and text", ENVELOPING), "text")
expect("detached", rewritten('<ds:Object Id="object-.*?</ds:Object>', "", ENVELOPING, uri="document.xml"), "no-object")
expect("root-not-covered", rewritten('<ds:Reference Id="form.*?</ds:Reference>', ""), "properties-only")
expect(
    "root-not-covered",
    partial(signed, form=FORM.replace(b"<wnio:Kwota>", b'<wnio:Kwota Id="part">'), uri="#part"),
    "part-only",
)
expect("covers-nothing", partial(signed, ENVELOPING, transforms=(ENVELOPED, EXCLUSIVE)), "enveloping-enveloped")
expect("covers-nothing", partial(signed, ENVELOPING, transforms=(XPATH,)), "enveloping-xpath")
expect("covers-nothing", partial(signed, ENVELOPING, uri="", transforms=(XPATH,)), "enveloping-whole")

# ── where a signature may stand ──

_HIDDEN = '<s:Signature xmlns:s="http://www.w3.org/2000/09/xmldsig#"><wnio:Kwota>999999</wnio:Kwota></s:Signature>'

for _what, _place in {
    "in-an-object": "</xades:QualifyingProperties>",
    "in-key-info": "</ds:X509Data>",
    "in-x509-data": "</ds:X509Certificate>",
    "in-signed-properties": "</xades:SignedSignatureProperties>",
    "in-the-signing-time": "</xades:IssuerSerial>",
    "in-signed-info": "</ds:Reference>",
    "in-a-transform": "</ds:XPath>",
}.items():
    expect("signature-misplaced", rewritten(f"({_place})", rf"\1{_HIDDEN}"), _what)


def _unsigned(content: str) -> bytes:
    return signed(unsigned=content, rewrite=lambda text: text)


expect("signature-misplaced", partial(_unsigned, _HIDDEN), "among-unsigned-properties")
expect(
    "signature-misplaced",
    partial(_unsigned, f"<xades:CertificateValues>{_HIDDEN}</xades:CertificateValues>"),
    "as-a-certificate-value",
)
expect(
    "signature-misplaced",
    partial(_unsigned, f"<xades:CounterSignature><x>{_HIDDEN}</x></xades:CounterSignature>"),
    "below-a-counter-signature",
)
expect("signature-misplaced", edited("(<wnio:Tytul[^>]*>)", rf"\1{_HIDDEN}"), "in-a-title")
expect("signature-misplaced", edited("(<Cyfry>)", rf"\1{_HIDDEN}"), "deep-in-the-address")
expect(
    "signature-misplaced",
    lambda: signed(
        form=FORM.replace(b"<wnio:Kwota>", _HIDDEN.encode() + b"<wnio:Kwota>").replace(
            b"<Ulica>", _HIDDEN.encode() + b"<Ulica>"
        )
    ),
    "before-it-was-signed",
)
expect("signature-misplaced", lambda: signed(ENVELOPING, form=sign(FORM, PKI.person, AT)), "in-an-enveloped-form")


def _many_counters() -> bytes:
    document = sign(FORM, PKI.person, AT)
    for _ in range(20):
        document = countersign(document, PKI.other_person, AT)
    return document


expect("too-many-signatures", _many_counters, "20-counter-signatures")
expect(
    "too-many-signatures",
    lambda: FORM.replace(
        b"<wnio:Kwota>", b"".join(f'<d{n}:Signature xmlns:d{n}="{DS}"/>'.encode() for n in range(21)) + b"<wnio:Kwota>"
    ),
    "21-prefixes",
)

# ── its parts ──

_REFERENCE = "<ds:Reference .*?</ds:Reference>"

for _what, (_old, _new) in {
    "no-signed-info": ("<ds:SignedInfo>.*</ds:SignedInfo>", ""),
    "no-value": ("<ds:SignatureValue.*?</ds:SignatureValue>", ""),
    "two-values": ("(<ds:SignatureValue)([^>]*)(>.*?</ds:SignatureValue>)", r"\1\2\3\1\3"),
    "two-key-infos": ("(<ds:KeyInfo)([^>]*)(>.*</ds:KeyInfo>)", r"\1\2\3\1\3"),
    "object-before-key-info": ("(<ds:KeyInfo.*</ds:KeyInfo>)(<ds:Object>.*</ds:Object>)", r"\2\1"),
    "object-first": ("(<ds:SignedInfo>.*)(<ds:Object>.*</ds:Object>)", r"\2\1"),
    "nothing-in-it": ("(<ds:Signature [^>]*>).*(</ds:Signature>)", r"\1\2"),
    "no-digest-method": ("<ds:DigestMethod[^>]*/>", ""),
    "no-digest-value": ("<ds:DigestValue>[^<]*</ds:DigestValue>", ""),
    "two-digest-values": ("(<ds:DigestValue>[^<]*</ds:DigestValue>)", r"\1\1"),
    "digest-value-first": ("(<ds:DigestMethod[^>]*/>)(<ds:DigestValue>[^<]*</ds:DigestValue>)", r"\2\1"),
    "transforms-last": ("(<ds:Transforms>.*?</ds:Transforms>)(.*?)(</ds:Reference>)", r"\2\1\3"),
    "two-transforms": ("(<ds:Transforms>.*?</ds:Transforms>)", r"\1\1"),
    "foreign-in-transforms": ("(<ds:Transforms>)", r"\1<ds:Extra/>"),
    "foreign-in-a-reference": ("(<ds:Reference [^>]*>)", r"\1<ds:Extra/>"),
    "reference-before-the-method": (f"(<ds:SignatureMethod[^>]*/>)({_REFERENCE})", r"\2\1"),
    "two-canonicalisations": ("(<ds:CanonicalizationMethod[^>]*/>)", r"\1\1"),
    "two-methods": ("(<ds:SignatureMethod[^>]*/>)", r"\1\1"),
    "no-canonicalisation": ("<ds:CanonicalizationMethod[^>]*/>", ""),
    "no-method": ("<ds:SignatureMethod[^>]*/>", ""),
    "method-first": ("(<ds:CanonicalizationMethod[^>]*/>)(<ds:SignatureMethod[^>]*/>)", r"\2\1"),
}.items():
    expect("signature-malformed", edited(_old, _new), _what)

expect("signature-text", edited("(<ds:SignedInfo>)", r"999\1"), "before-everything")
expect("signature-text", edited("(</ds:Signature>)", r"999\1"), "at-the-end")
expect("signature-text", edited("(</ds:KeyInfo>)", r"\1<![CDATA[999]]>"), "as-character-data")
expect("signature-text", edited("(</ds:KeyInfo>)", "\\1\N{NO-BREAK SPACE}\N{ZERO WIDTH SPACE}"), "that-nobody-sees")
expect("duplicate-id", doubled("<ds:SignedInfo>.*</ds:SignedInfo>"), "signed-info-twice")
expect(
    "duplicate-id",
    doubled("<ds:Object><xades:QualifyingProperties.*</xades:QualifyingProperties></ds:Object>"),
    "properties-twice",
)
expect(
    "two-signed-info",
    edited("(<ds:SignedInfo>)", r"<ds:SignedInfo><ds:Reference URI=''/></ds:SignedInfo>\1"),
    "the-second-first",
)
expect(
    "two-signed-properties",
    edited(
        "(</xades:QualifyingProperties>)",
        r"<xades:UnsignedProperties><xades:SignedProperties/></xades:UnsignedProperties>\1",
    ),
    "one-unsigned",
)
expect(
    "object-unknown",
    edited("(</ds:Signature>)", r"<ds:Object><ds:SignatureProperties/></ds:Object>\1"),
    "signature-properties",
)
expect("object-unknown", edited("(</ds:Signature>)", r"<ds:Object><ds:KeyInfo/></ds:Object>\1"), "key-info")
expect("object-unknown", edited("(</ds:Signature>)", r"<ds:Object><ds:SignedInfo/></ds:Object>\1"), "signed-info")
expect(
    "object-unknown",
    edited(
        "(</ds:Signature>)", r'<ds:Object><e:EncryptedData xmlns:e="http://www.w3.org/2001/04/xmlenc#"/></ds:Object>\1'
    ),
    "encrypted",
)
expect(
    "object-unknown",
    edited("(</ds:Signature>)", r"<ds:Object><Kwota xmlns=''>999</Kwota></ds:Object>\1"),
    "no-namespace",
)
expect(
    "manifest",
    edited("(</ds:Signature>)", rf"<ds:Object><ds:Manifest>{'<ds:Reference/>' * 3}</ds:Manifest></ds:Object>\1"),
    "three-references",
)
expect(
    "enveloping-base64",
    edited(
        "(</ds:Signature>)",
        r"<ds:Object Encoding='http://www.w3.org/2000/09/xmldsig#base64'><xades:QualifyingProperties xmlns:xades='http://uri.etsi.org/01903/v1.3.2#'/></ds:Object>\1",
    ),
    "properties-that-say-so",
)
expect(
    "enveloping-form",
    rewritten('(<ds:Object Id="object-.*?</ds:Object>)', r"\1<ds:Object/>", ENVELOPING),
    "an-empty-object-more",
)
expect("enveloping-form", rewritten('(<ds:Object Id="object-[^>]*>)', r"\1<before/>", ENVELOPING), "an-element-before")
expect(
    "detached",
    rewritten('<ds:Object Id="object-.*?</ds:Object>', "", ENVELOPING, uri="http://example.test/letter.xml"),
    "by-http",
)
expect("covers-nothing", lambda: signed(ENVELOPING, uri="", transforms=(ENVELOPED,)), "enveloping-whole-enveloped")
expect(
    "root-not-covered",
    partial(signed, form=FORM.replace(b"<Kod>", b'<Kod Id="part">'), uri="#part", transforms=(EXCLUSIVE,)),
    "a-grandchild",
)
expect(
    "root-not-covered",
    lambda: signed(
        form=FORM.replace(b"<wnio:Tytul ", b'<wnio:Tytul Id="a" ').replace(b"<wnio:Kwota>", b'<wnio:Kwota Id="b">'),
        uri="#a",
        extra_references=(reference("#b", (EXCLUSIVE,), "sha256"),),
    ),
    "all-parts-but-the-whole",
)
