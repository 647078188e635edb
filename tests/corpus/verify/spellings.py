"""Refused because something that is signed was changed afterwards, however small it is; and what only looks small.

Comments and white space, other spellings of the same letters, what XML allows and canonicalisation keeps.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import partial
from itertools import product

from adapters.testkit.certificates import Credential
from adapters.testkit.signer import countersign, sign
from adapters.testkit.signing.canonical import canonical, tree
from adapters.testkit.signing.recipe import BASELINE, C14N, C14N_COMMENTS, ENVELOPED, ENVELOPING, QUALIFIED
from tests.corpus.verify.recipes import Family, edited, rewritten, signed
from tests.corpus.verify.scene import AT, FORM, FORM_WITH_ID, PKI

expect = Family("spellings")

for _what, (_old, _new) in {
    "attribute-removed": (' nr="1"', ""),
    "attribute-added": ("<wnio:Kwota>", '<wnio:Kwota waluta="EUR">'),
    "attribute-space": ('nr="1"', 'nr="1 "'),
    "attribute-line-end": ('nr="1"', 'nr="1&#10;"'),
    "attribute-renamed": ('nr="1"', 'Nr="1"'),
    "attribute-in-a-namespace": ('nr="1"', 'wnio:nr="1"'),
    "attribute-values-swapped": ('nr="1" b="2"', 'nr="2" b="1"'),
    "element-renamed": ("wnio:Kwota>100</wnio:Kwota>", "wnio:Suma>100</wnio:Suma>"),
    "element-removed": ("<wnio:Kwota>100</wnio:Kwota>", ""),
    "element-doubled": ("(<wnio:Kwota>100</wnio:Kwota>)", r"\1\1"),
    "element-added": ("<wnio:Kwota>", "<wnio:Rabat/><wnio:Kwota>"),
    "element-moved": ("(<wnio:Tytul.*?</wnio:Tytul>)(.*)(<wnio:Kwota>100</wnio:Kwota>)", r"\3\2\1"),
    "element-wrapped": ("(<wnio:Kwota>100</wnio:Kwota>)", r"<wnio:Opcja>\1</wnio:Opcja>"),
    "element-split": ("<wnio:Kwota>100", "<wnio:Kwota>1</wnio:Kwota><wnio:Kwota>00"),
    "a-zero-more": ("100", "1000"),
    "other-digits": ("100", "\N{FULLWIDTH DIGIT ONE}00"),
    "a-letter-that-looks-the-same": ("Wniosek", "Wni\N{CYRILLIC SMALL LETTER O}sek"),
    "decomposed-letters": (
        "\N{LATIN SMALL LETTER O WITH ACUTE}\N{LATIN SMALL LETTER L WITH STROKE}|\N{LATIN SMALL LETTER O WITH ACUTE}",
        "o\N{COMBINING ACUTE ACCENT}",
    ),
    "a-soft-hyphen": ("Wniosek", "Wnio\N{SOFT HYPHEN}sek"),
    "zero-width": ("100", "1\N{ZERO WIDTH SPACE}00"),
    "right-to-left": ("100", "\N{RIGHT-TO-LEFT OVERRIDE}100"),
    "a-byte-order-mark-in-the-text": ("100", "\N{ZERO WIDTH NO-BREAK SPACE}100"),
    "no-break-space": ("Wniosek o", "Wniosek\N{NO-BREAK SPACE}o"),
    "space-before-a-value": (">100<", "> 100<"),
    "space-behind-a-value": (">100<", ">100 <"),
    "carriage-return": (">100<", ">100&#13;<"),
    "tab-for-space": ("Wniosek o", "Wniosek\to"),
    "indentation": ("  <wnio:Kwota>", "    <wnio:Kwota>"),
    "line-end-removed": ("\n  <wnio:Kwota>", "<wnio:Kwota>"),
    "text-behind-the-last-value": ("(</wnio:Kwota>)", r"\1 i jeszcze"),
    "text-behind-the-signature": ("(</ds:Signature>)", r"\g<1>999"),
    "line-end-behind-the-signature": ("(</ds:Signature>)", "\\1\n"),
    "instruction-inside": ("(<wnio:Kwota>)", r"<?pay 999?>\1"),
    "instruction-in-a-value": (">100<", ">1<?x?>00<"),
    "instruction-added-before": ("(<wnio:Dokument )", r'<?xml-stylesheet href="evil.xsl"?>\1'),
    "instruction-added-behind": ("(</wnio:Dokument>)", r"\1<?pay 999?>"),
    "instruction-removed": ("<\\?xml-stylesheet.*?\\?>\n", ""),
    "language": ('xml:lang="pl"', 'xml:lang="en"'),
    "language-below": ("<wnio:Kwota>", '<wnio:Kwota xml:lang="en">'),
    "space-kept": ("<wnio:Kwota>", '<wnio:Kwota xml:space="preserve">'),
    "base": ("<wnio:Kwota>", '<wnio:Kwota xml:base="http://example.test/">'),
    "identifier": ("<wnio:Kwota>", '<wnio:Kwota Id="sum">'),
    "type": ("<wnio:Kwota>", '<wnio:Kwota xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true">'),
    "default-namespace": ('xmlns="urn:adres"', 'xmlns="urn:adresat"'),
    "namespace-of-the-prefix": ("<wnio:Kwota>", '<wnio:Kwota xmlns:wnio="urn:other">'),
    "namespace-added": ("<wnio:Kwota>", '<wnio:Kwota xmlns:more="urn:more">'),
    "namespace-undeclared": ("<Ulica>", '<Ulica xmlns="">'),
    "text-and-comment": (">100<", "><!-- 100 -->999<"),
}.items():
    expect("digest-mismatch", edited(_old, _new), _what)


def _renamed_prefix() -> bytes:
    return signed().replace(b"wnio:", b"w:").replace(b"xmlns:wnio=", b"xmlns:w=")


expect("digest-mismatch", _renamed_prefix, "prefix-renamed")
expect("digest-mismatch", edited(">100<", ">999<", BASELINE), "exclusive")
expect("digest-mismatch", edited(">100<", ">999<", ENVELOPING), "enveloping")
expect("digest-mismatch", edited('(<ds:Object Id="object-[^>]*>)', r"\1 ", ENVELOPING), "space-in-the-object")
expect(
    "digest-mismatch",
    edited('(<ds:Object Id="object-[^>]*)>', r'\1 MimeType="text/html">', ENVELOPING),
    "kind-of-the-object",
)
expect("digest-mismatch", edited(">100<", ">999<", QUALIFIED, prefix=""), "no-prefix")
expect(
    "digest-mismatch", edited('Id="doc"', 'Id="doc" late="1"', BASELINE, form=FORM_WITH_ID, uri="#doc"), "root-by-id"
)
expect("digest-mismatch", edited(">100<", ">999<", BASELINE, transforms=(ENVELOPED, C14N_COMMENTS)), "with-comments")
expect("digest-mismatch", rewritten("(<ds:DigestValue>)@digest@", rf"\g<1>{'A' * 43}="), "never-true")


def _digest_with_comments() -> bytes:
    """Made by a program that digests comments because the method's name says so."""
    octets = canonical(tree(FORM), C14N, comments=True)
    value = b64encode(hashlib.sha256(octets).digest()).decode()
    return signed(transforms=(ENVELOPED, C14N_COMMENTS), rewrite=lambda text: text.replace("@digest@", value, 1))


expect("digest-mismatch", _digest_with_comments, "comments-digested")


def _line_ends() -> bytes:
    return signed(form=FORM.replace(b"\n  ", b"&#13;\n  ")).replace(b"&#13;\n", b"\n")


expect("digest-mismatch", _line_ends, "line-ends")


def _of_two() -> bytes:
    both = sign(sign(FORM, PKI.person, AT, QUALIFIED), PKI.other_person, AT, QUALIFIED)
    return both.replace(b">100<", b">999<")


expect("digest-mismatch", _of_two, "two-signatures")


def _signed_before_the_other() -> bytes:
    """The first leaves out only itself: the second, put beside it later, changes what it covers."""
    first = sign(FORM, PKI.person, AT, BASELINE)
    return sign(first, PKI.other_person, AT, BASELINE)


expect("digest-mismatch", _signed_before_the_other, "a-second-signature-beside-an-enveloped-one")


# ── added where no signature looks ──

_INSTRUCTION = '<?xml-stylesheet type="text/xsl" href="evil.xsl"?>'
for _what, (_old, _new) in {
    "before-the-root": ("(<wnio:Dokument )", rf"{_INSTRUCTION}\1"),
    "behind-the-root": ("(</wnio:Dokument>)", rf"\1{_INSTRUCTION}"),
}.items():
    expect("instruction-unsigned", edited(_old, _new, BASELINE, form=FORM_WITH_ID, uri="#doc"), f"by-id-{_what}")
expect(
    "instruction-unsigned", edited("(<ds:Signature )", rf"{_INSTRUCTION}\1", ENVELOPING), "enveloping-before-the-root"
)
expect(
    "instruction-unsigned", edited("(</ds:Signature>)", rf"\1{_INSTRUCTION}", ENVELOPING), "enveloping-behind-the-root"
)

_SUM = "<wnio:Kwota>999</wnio:Kwota>"
for _what, _place in {"key-info": "</ds:X509Data>", "x509-data": "</ds:X509Certificate>"}.items():
    expect("foreign-unsigned", edited(f"({_place})", rf"\1{_SUM}", BASELINE), f"in-{_what}")
expect("foreign-unsigned", partial(signed, BASELINE, unsigned=_SUM), "among-unsigned-properties")
expect(
    "foreign-unsigned",
    partial(signed, BASELINE, unsigned=f"<xades:CertificateValues>{_SUM}</xades:CertificateValues>"),
    "as-a-certificate-value",
)
expect("foreign-unsigned", partial(signed, BASELINE, unsigned='<Kwota xmlns="">999</Kwota>'), "of-no-namespace")
expect(
    "foreign-unsigned",
    edited(
        "</ds:X509Data>",
        '</ds:X509Data><os:PESEL xmlns:os="http://crd.gov.pl/xml/schematy/osoba/2009/03/06/">85022800027</os:PESEL>',
        BASELINE,
    ),
    "a-number-of-somebody-else",
)
expect(
    "foreign-unsigned",
    edited(
        "</ds:X509Data>",
        '</ds:X509Data><ds:Object><xades:QualifyingProperties xmlns:xades="http://uri.etsi.org/01903/v1.3.2#"><xades:UnsignedProperties><a/></xades:UnsignedProperties></xades:QualifyingProperties></ds:Object>'.replace(
            "ds:Object", "ds:SPKIData"
        ),
        BASELINE,
    ),
    "properties-in-key-info",
)


def _counter(old: str, by: Credential = PKI.stranger) -> bytes:
    """A counter-signature, which decides nothing, is no place for it either."""
    document = countersign(sign(FORM, PKI.person, AT), by, AT)
    head, found, tail = document.rpartition(old.encode())
    return head + _SUM.encode() + found + tail


expect("foreign-unsigned", partial(_counter, "</xades:CounterSignature>"), "beside-a-counter-signature")
expect("foreign-unsigned", partial(_counter, "<ds:X509Data>", PKI.other_person), "in-the-key-info-of-one-that-holds")
expect("counter-signature-unproven", partial(_counter, "<ds:X509Data>"), "in-the-key-info-of-a-strangers")


# ── what only looks signed: by its name, not by anybody's signature ──

_XADES = "http://uri.etsi.org/01903/v1.3.2#"
_POSING = {
    "signed-info": f"<ds:SignedInfo>{_SUM}</ds:SignedInfo>",
    "signed-properties": (
        f'<ds:Object><xades:QualifyingProperties xmlns:xades="{_XADES}"><xades:SignedProperties>{_SUM}'
        "</xades:SignedProperties></xades:QualifyingProperties></ds:Object>"
    ),
}
for _name, _posing in _POSING.items():
    for _what, _place in {"key-info": "</ds:KeyInfo>", "x509-data": "</ds:X509Data>"}.items():
        expect("foreign-unsigned", edited(f"({_place})", rf"{_posing}\1", BASELINE), f"{_name}-in-{_what}")
    expect("foreign-unsigned", partial(signed, BASELINE, unsigned=_posing), f"{_name}-among-unsigned-properties")
    expect(
        "foreign-unsigned",
        edited("(</ds:KeyInfo>)", rf"{_posing}\1".replace(_SUM, "<Kwota xmlns=''>999</Kwota>"), ENVELOPING),
        f"{_name}-in-key-info-of-an-enveloping-one",
    )
expect(
    "foreign-unsigned",
    edited("(</xades:QualifyingProperties>)", rf"{_POSING['signed-info']}\1", BASELINE),
    "signed-info-beside-the-properties",
)


def _countered(old: str, new: str) -> bytes:
    """The counter-signature is changed, and holds no more."""
    document = countersign(sign(FORM, PKI.person, AT), PKI.other_person, AT).decode()
    head, mark, tail = document.partition("<xades:CounterSignature>")
    assert old in tail
    return (head + mark + tail.replace(old, new, 1)).encode()


expect(
    "counter-signature-unproven",
    partial(_countered, "<xades:SigningTime>", f"{_SUM}<xades:SigningTime>"),
    "in-the-signed-properties-of-one-that-was-changed",
)
expect(
    "counter-signature-unproven",
    partial(
        signed,
        BASELINE,
        unsigned=f"<xades:CounterSignature><ds:Signature>{_POSING['signed-info']}</ds:Signature></xades:CounterSignature>",
    ),
    "a-counter-signature-of-nothing-else",
)
expect(
    "counter-signature-unproven",
    lambda: countersign(sign(FORM, PKI.person, AT), PKI.expired, AT, claimed_role=_SUM),
    "a-role-that-somebody-claims-by-a-certificate-that-has-ended",
)
expect(
    "counter-signature-unproven",
    lambda: countersign(sign(FORM, PKI.person, AT), PKI.stranger, AT, claimed_role=_SUM),
    "a-role-that-a-stranger-claims",
)

# ── what acts on the signed form, and no signature covers ──

_NESTED = {"on-the-signature": "(<ds:Signature)", "on-the-object": '(<ds:Object(?= Id="object-))'}
for (_what, _place), (_name, _attribute) in product(
    _NESTED.items(),
    {
        "base": r' xml:base="http://example.test/elsewhere/"',
        "language": r' xml:lang="en"',
        "space": r' xml:space="preserve"',
    }.items(),
):
    _uri = {"uri": "#doc", "form": FORM_WITH_ID} if _what == "on-the-object" else {}
    expect("attribute-unsigned", edited(_place, rf"\1{_attribute}", ENVELOPING, **_uri), f"{_name}-{_what}")
for _what, _place in {
    "signature": "(<ds:Signature)",
    "object": "(<ds:Object)",
    "qualifying-properties": "(<xades:QualifyingProperties)",
}.items():
    expect(
        "attribute-unsigned", edited(_place, r'\1 xml:lang="en"', BASELINE), f"language-around-the-properties-{_what}"
    )
expect(
    "digest-mismatch",
    edited("(<ds:Signature)", r'\1 xml:lang="en"', ENVELOPING, transforms=(C14N,)),
    "language-around-what-inclusive-canonicalisation-covers",
)

_AMOUNT = b'<wnio:Dokument xmlns:wnio="http://example.test/wzor/">1000</wnio:Dokument>'
for _what, (_before, _behind) in {"within-it": ("1", "000"), "before-it": ("", "1000")}.items():
    expect(
        "signature-in-text",
        edited("1000(<ds:Signature.*</ds:Signature>)", rf"{_before}\g<1>{_behind}", BASELINE, form=_AMOUNT),
        f"moved-{_what}",
    )


def _two_in_a_text() -> bytes:
    both = sign(sign(_AMOUNT, PKI.person, AT, QUALIFIED), PKI.other_person, AT, QUALIFIED)
    return both.replace(b"1000<ds:Signature", b"1<ds:Signature", 1).replace(
        b"</ds:Signature></wnio", b"</ds:Signature>000</wnio"
    )


expect("signature-in-text", _two_in_a_text, "two-of-them")
