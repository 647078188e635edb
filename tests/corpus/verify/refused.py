"""Documents that must be refused, one line of the closed list each, made by recipe; the key is the code.

The mathematics of each is right as far as that can be: only the badness in its name is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from adapters.testkit.certificates import Authority, Credential, distinguished, key
from adapters.testkit.pki import JAN
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import (
    C14N,
    C14N11,
    ENVELOPED,
    ENVELOPING,
    EXCLUSIVE,
    PLAIN,
    QUALIFIED,
    XPATH,
    Recipe,
)
from adapters.testkit.signing.template import reference
from tests.corpus.verify.scene import AT, DS, FORM, PKI

Maker = Callable[[], bytes]
REFUSED: dict[str, tuple[str, Maker]] = {}
"""By the name of the document: the code it must give, and its maker."""

DAY = timedelta(days=1)


def _expect(code: str, maker: Maker, why: str = "") -> None:
    name = f"{code}-{why}" if why else code
    assert name not in REFUSED, name
    REFUSED[name] = (f"verify.{code}", maker)


def _signed(recipe: Recipe = QUALIFIED, form: bytes = FORM, by: Credential = PKI.person, **changes: object) -> bytes:
    return sign(form, by, AT, recipe, **changes)


def _rewritten(old: str, new: str, recipe: Recipe = QUALIFIED, **changes: object) -> Maker:
    """Change the signature before it is computed: a regular expression and what it becomes, once."""

    def rewrite(text: str) -> str:
        changed, times = re.subn(old, new, text, count=1, flags=re.DOTALL)
        assert times, old
        return changed

    return partial(_signed, recipe, rewrite=rewrite, **changes)


def _edited(old: str, new: str, recipe: Recipe = QUALIFIED, **changes: object) -> Maker:
    """Change the document after it was signed."""

    def edit() -> bytes:
        changed, times = re.subn(old, new, _signed(recipe, **changes).decode(), count=1, flags=re.DOTALL)
        assert times, old
        return changed.encode()

    return edit


def _doubled(pattern: str, recipe: Recipe = QUALIFIED) -> Maker:
    return _rewritten(f"({pattern})", r"\1\1", recipe)


def _also(uri: str, transforms: tuple[str, ...] = (EXCLUSIVE,)) -> Maker:
    return partial(_signed, extra_references=(reference(uri, transforms, "sha256"),))


def _transform(uri: str, content: str = "") -> Maker:
    """One more transform before the others, of the Reference to the form."""
    added = f'<ds:Transforms><ds:Transform Algorithm="{uri}">{content}</ds:Transform>'
    return _rewritten("<ds:Transforms>", added)


# ── shape ────────────────────────────────────────────────────────────────────────────────────────────────

_expect(
    "too-many-signatures",
    lambda: FORM.replace(b"<wnio:Kwota>", f'<s:Signature xmlns:s="{DS}"/>'.encode() * 21 + b"<wnio:Kwota>"),
)
_expect("signature-malformed", _rewritten("(</ds:KeyInfo>)", r"\1<ds:Extra/>"))
_expect(
    "signature-malformed",
    _rewritten("(<ds:SignatureValue.*?</ds:SignatureValue>)(<ds:KeyInfo.*</ds:KeyInfo>)", r"\2\1"),
    "order",
)
_expect("signature-malformed", _rewritten("(<ds:SignatureMethod[^>]*>)", r"\1<ds:Extra/>"), "signed-info")
_expect("signature-text", _rewritten("(</ds:SignatureValue>)", r"\1I owe you nothing"))
_expect("signature-text", _rewritten("(</xades:SignedProperties>)", r"\1I owe you nothing"), "properties")
_expect("two-signed-info", _edited("(</ds:SignedInfo>)", r"\1<ds:SignedInfo/>"))
_expect("two-signed-properties", _rewritten("(</xades:SignedProperties>)", r"\1<xades:SignedProperties/>"))
_expect(
    "two-signed-properties",
    _rewritten("(</xades:SignedSignatureProperties>)", r"\1<xades:SignedProperties/>"),
    "nested",
)
_expect(
    "two-qualifying-properties",
    _rewritten(
        "(</xades:QualifyingProperties>)",
        r'\1<xades:QualifyingProperties xmlns:xades="http://uri.etsi.org/01903/v1.3.2#"/>',
    ),
)
_expect(
    "object-unknown",
    _rewritten("</ds:Signature>", "<ds:Object><wnio:Kwota>999</wnio:Kwota></ds:Object></ds:Signature>"),
)
_expect("object-unknown", _rewritten("(</xades:QualifyingProperties>)", r"\1a promise"), "text")
_expect("manifest", _rewritten("</ds:Signature>", "<ds:Object><ds:Manifest/></ds:Object></ds:Signature>"))
_expect(
    "enveloping-base64",
    _rewritten(
        '<ds:Object Id="object-.*?</ds:Object>',
        '<ds:Object Id="object" Encoding="http://www.w3.org/2000/09/xmldsig#base64">PGEvPg==</ds:Object>',
        ENVELOPING,
        uri="#object",
    ),
)
_expect(
    "enveloping-base64",
    _rewritten(
        '<ds:Object Id="object-.*?</ds:Object>',
        '<ds:Object Id="object">PGEvPg==</ds:Object>',
        ENVELOPING,
        uri="#object",
    ),
    "unsaid",
)
_expect("enveloping-base64", _rewritten("</ds:Signature>", "<ds:Object>PGEvPg==</ds:Object></ds:Signature>"), "beside")
_expect("enveloping-form", _rewritten("(</wnio:Dokument>)", r"\1<second/>", ENVELOPING))
_expect("enveloping-form", _rewritten("(</wnio:Dokument>)", r"\1and text", ENVELOPING), "text")
_expect("detached", _rewritten('<ds:Object Id="object-.*?</ds:Object>', "", ENVELOPING, uri="document.xml"))
_expect("root-not-covered", _rewritten('<ds:Reference Id="form.*?</ds:Reference>', ""))
_expect(
    "root-not-covered",
    partial(_signed, form=FORM.replace(b"<wnio:Kwota>", b'<wnio:Kwota Id="part">'), uri="#part"),
    "part-only",
)
_expect("covers-nothing", partial(_signed, ENVELOPING, transforms=(ENVELOPED, EXCLUSIVE)), "enveloping-enveloped")
_expect("covers-nothing", partial(_signed, ENVELOPING, transforms=(XPATH,)), "enveloping-xpath")
_expect("covers-nothing", partial(_signed, ENVELOPING, uri="", transforms=(XPATH,)), "enveloping-whole")

# ── references ───────────────────────────────────────────────────────────────────────────────────────────

_expect("no-references", _rewritten("<ds:Reference.*</ds:Reference>", ""))
_expect(
    "too-many-references",
    partial(
        _signed, extra_references=(reference("", (XPATH,), "sha256", xpath="not(ancestor-or-self::ds:Signature)"),) * 19
    ),
)
_expect("reference-no-uri", _rewritten('(<ds:Reference Id="[^"]*") URI=""', r"\1"))
_expect("reference-http", _also("http://example.test/document.xml"))
_expect("reference-http", _also("HTTPS://example.test/document.xml"), "tls")
_expect("reference-file", _also("file:///etc/hostname"))
_expect("reference-external", _also("document.xml"))
_expect("reference-external", _also("urn:uuid:00000000-0000-0000-0000-000000000000"), "urn")
_expect("reference-external", _also("document.xml#part"), "fragment")
_expect("reference-xpointer", _also("#xpointer(/)"))
_expect("reference-target-missing", _also("#nobody"))
_expect("too-many-transforms", partial(_signed, transforms=(XPATH,) * 6))
_expect(
    "transform-xslt",
    _transform(
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        '<x:stylesheet version="1.0" xmlns:x="http://www.w3.org/1999/XSL/Transform"/>',
    ),
)
_expect("transform-xpath", partial(_signed, xpath="true()"))
_expect("transform-xpath", partial(_signed, xpath="not(ancestor-or-self::ds:Signature) or self::text()"), "longer")
_expect("transform-xpath", partial(_signed, xpath="not(ancestor-or-self::Signature)"), "no-prefix")
_expect("transform-xpath", partial(_signed, xpath="not(ancestor-or-self::wnio:Signature)"), "other-namespace")
_expect("transform-xpath", _rewritten("(<ds:XPath[^>]*>)", r"\1<!-- a comment -->"), "comment")
_expect(
    "transform-filter2",
    _transform(
        "http://www.w3.org/2002/06/xmldsig-filter2",
        '<f:XPath xmlns:f="http://www.w3.org/2002/06/xmldsig-filter2" Filter="subtract">//wnio:Kwota</f:XPath>',
    ),
)
_expect("transform-decrypt", _transform("http://www.w3.org/2002/07/decrypt#XML"))
_expect("transform-base64", _transform("http://www.w3.org/2000/09/xmldsig#base64"))
_expect("transform-unknown", _transform("urn:a-transform-of-my-own"))
_expect("transform-order", partial(_signed, transforms=(EXCLUSIVE, ENVELOPED)))
_expect("transform-order", partial(_signed, transforms=(XPATH, EXCLUSIVE, C14N)), "two-canonicalisations")
_expect("transform-parameters", _transform(ENVELOPED, "<ds:XPath>//wnio:Kwota</ds:XPath>"))
_expect("transform-parameters", _transform(XPATH), "no-xpath")
_expect(
    "transform-parameters",
    _rewritten('(REC-xml-c14n-20010315")/>', r"\1><ds:Extra/></ds:Transform>", transforms=(XPATH, C14N)),
    "c14n",
)
_expect(
    "transform-parameters",
    _rewritten("<ds:SignatureMethod([^>]*)/>", r"<ds:SignatureMethod\1><ds:Extra/></ds:SignatureMethod>"),
    "signature-method",
)
_expect("digest-sha1", partial(_signed, digest="sha1"))
_expect(
    "digest-sha1",
    _rewritten('(<xades:CertDigest><ds:DigestMethod Algorithm=")[^"]*', r"\1http://www.w3.org/2000/09/xmldsig#sha1"),
    "certificate",
)
_expect(
    "digest-md5", _rewritten('(<ds:DigestMethod Algorithm=")[^"]*', r"\1http://www.w3.org/2001/04/xmldsig-more#md5")
)
_expect(
    "digest-unknown", _rewritten('(<ds:DigestMethod Algorithm=")[^"]*', r"\1http://www.w3.org/2001/04/xmlenc#ripemd160")
)
_expect("digest-malformed", _edited("<ds:DigestValue>[^<]*", "<ds:DigestValue>t="))
_expect("digest-malformed", _edited("<ds:DigestValue>[^<]*", "<ds:DigestValue>AAAA"), "length")
_expect("digest-malformed", _edited("<ds:DigestValue>", "<ds:DigestValue><ds:Extra/>"), "children")
_expect("digest-mismatch", _edited("<wnio:Kwota>100", "<wnio:Kwota>999"))
_expect("digest-mismatch", _edited("00-000", "00-0<!-- a comment -->01"), "around-comment")
_expect("digest-mismatch", _edited("never-followed", "followed"), "instruction")
_expect("digest-mismatch", _edited('nr="1"', 'nr="2"'), "attribute")
_expect("digest-mismatch", _edited('xmlns:unused="urn:unused"', ""), "namespace-dropped")
_expect("digest-mismatch", _edited("<xades:SigningTime>2026", "<xades:SigningTime>2025"), "signing-time")
_expect(
    "c14n-unknown", _rewritten('(<ds:CanonicalizationMethod Algorithm=")[^"]*', r"\1http://www.w3.org/2010/xml-c14n2")
)
_expect("c14n-failed", _edited("xmlns:unused=", 'xmlns:relative="no-scheme" xmlns:unused='))
_expect(
    "c14n11-base",
    partial(_signed, form=FORM.replace(b"xml:lang", b'xml:base="http://example.test/" xml:lang'), signed_info=C14N11),
)


def _costly() -> bytes:
    prefix_list = '<c:InclusiveNamespaces xmlns:c="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="p{}"/>'
    extra = tuple(
        reference("", (ENVELOPED, EXCLUSIVE), "sha256").replace(
            f'Algorithm="{EXCLUSIVE}"/>', f'Algorithm="{EXCLUSIVE}">{prefix_list.format(number)}</ds:Transform>', 1
        )
        for number in range(15)
    )
    return _signed(form=FORM.replace(b"100", b"1" * 300_000), extra_references=extra)


_expect("too-costly", _costly)

# ── the signature value ──────────────────────────────────────────────────────────────────────────────────


def _method(uri: str) -> Maker:
    return _rewritten('(<ds:SignatureMethod Algorithm=")[^"]*', rf"\1{uri}")


_expect("signature-sha1", partial(_signed, method="rsa-sha1"))
_expect("signature-sha1", _method("http://www.w3.org/2000/09/xmldsig#dsa-sha1"), "dsa")
_expect("signature-md5", _method("http://www.w3.org/2001/04/xmldsig-more#rsa-md5"))
_expect("signature-hmac", partial(_signed, method="hmac-sha256"))
_expect("signature-hmac", partial(_signed, method="hmac-sha1"), "sha1")
_expect("signature-dsa", _method("http://www.w3.org/2009/xmldsig11#dsa-sha256"))
_expect("signature-algorithm-unknown", _method("http://www.w3.org/2001/04/xmldsig-more#rsa-ripemd160"))
_expect("signature-value-malformed", _edited('(<ds:SignatureValue Id="[^"]*">).', r"\1!"))
_expect("signature-value-mismatch", _edited('(<ds:SignatureValue Id="[^"]*">).{8}', r"\1AAAAAAAA"))
_expect("signature-value-mismatch", _edited("<ds:Reference Id=", '<ds:Reference  id="x" Id='), "signed-info")
_expect("key-mismatch", _method("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"))
_expect("key-short", partial(_signed, by=PKI.short_key))


def _der_value() -> bytes:
    import base64  # noqa: PLC0415 - used here alone

    text = _signed(by=PKI.elliptic_person).decode()
    found = re.search('(<ds:SignatureValue Id="[^"]*">)([^<]*)', text)
    assert found
    raw = base64.b64decode(found[2])
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    return text.replace(found[0], found[1] + base64.b64encode(der).decode()).encode()


_expect("signature-value-encoding", _der_value)

# ── XAdES ────────────────────────────────────────────────────────────────────────────────────────────────

_NAMESPACE = "http://uri.etsi.org/01903/v1.3.2#"
_expect("xades-missing", partial(_signed, PLAIN))
_expect("xades-1-1-1", _rewritten(_NAMESPACE, "http://uri.etsi.org/01903/v1.1.1#"))
_expect("xades-1-2-2", _rewritten(_NAMESPACE, "http://uri.etsi.org/01903/v1.2.2#"))
_expect("xades-unknown", _rewritten(_NAMESPACE, "http://uri.etsi.org/01903/v9#"))
_expect(
    "xades-external",
    _rewritten(
        "<xades:QualifyingProperties (xmlns:xades=[^ ]*).*</xades:QualifyingProperties>",
        r'<xades:QualifyingPropertiesReference \1 URI="http://example.test/"/>',
    ),
)
_expect("xades-target", partial(_signed, target="#somebody-else"))
_expect("xades-target", partial(_signed, target=""), "empty")
_expect("xades-malformed", _doubled("<xades:SigningTime>[^<]*</xades:SigningTime>"))
_expect("xades-malformed", _doubled("<xades:SigningCertificate>.*</xades:SigningCertificate>"), "two-certificates")
_expect("xades-malformed", _rewritten("<xades:IssuerSerial>.*</xades:IssuerSerial>", ""), "no-issuer-serial")
_expect("signed-properties-not-covered", _rewritten(' Type="http://uri.etsi.org/01903#SignedProperties"', ""))
_expect("signed-properties-elsewhere", _rewritten('(SignedProperties" URI="#)xades-', r"\1key-"))
_expect("signing-certificate-missing", partial(_signed, binding="none"))
_expect("signing-certificate-issuer", _rewritten("(<ds:X509SerialNumber>)", r"\g<1>1"), "serial")
_expect(
    "signing-certificate-issuer", _rewritten("(<ds:X509IssuerName>).*(</ds:X509IssuerName>)", r"\1CN=Somebody Else\2")
)


def _swapped() -> bytes:
    other = sign(FORM, PKI.other_person, AT, QUALIFIED).decode()
    pattern = "<ds:KeyInfo.*</ds:KeyInfo>"
    found = re.search(pattern, other, re.DOTALL)
    assert found
    return re.sub(pattern, found[0], _signed().decode(), flags=re.DOTALL).encode()


def _same_key() -> bytes:
    """Another certificate of the same key: without the binding nobody would notice."""
    twin = PKI.personal(PKI.qualified_ca, JAN, usage=("digital_signature",))
    pattern = "(<ds:X509Certificate>)[^<]*"
    found = re.search(pattern, _signed(by=twin).decode())
    assert found
    return re.sub(pattern, found[0], _signed().decode(), count=1).encode()


_expect("signing-certificate-mismatch", _swapped)
_expect("signing-certificate-mismatch", _same_key, "same-key")

# ── certificates ─────────────────────────────────────────────────────────────────────────────────────────

_expect("certificate-missing", partial(_signed, certificates="none"))
_expect("certificate-unreadable", _edited("<ds:X509Certificate>[^<]*", "<ds:X509Certificate>foo"))
_expect("certificate-unreadable", _edited("<ds:X509Certificate>[^<]*", "<ds:X509Certificate>Zm9v"), "no-der")
_expect("too-many-certificates", _edited("(<ds:X509Certificate>[^<]*</ds:X509Certificate>)", r"\1" * 11))
_expect("certificate-expired", partial(_signed, by=PKI.expired))
_expect("certificate-not-yet-valid", partial(_signed, by=PKI.not_yet_valid))
_expect("certificate-is-ca", partial(_signed, by=PKI.qualified_ca.credential))
_expect("key-usage", lambda: _signed(by=PKI.personal(PKI.qualified_ca, JAN, usage=("key_encipherment",))))
for _purpose in (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.OCSP_SIGNING):
    _expect(
        "key-usage",
        lambda purpose=_purpose: _signed(  # type: ignore[misc]
            by=PKI.personal(
                PKI.qualified_ca,
                JAN,
                usage=("digital_signature",),
                extras=[(x509.ExtendedKeyUsage([purpose]), True)],
            )
        ),
        f"purpose-{_purpose._name}",
    )
_expect(
    "certificate-unreadable",
    lambda: _signed(
        by=PKI.personal(
            PKI.qualified_ca,
            JAN,
            extras=[(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x04" * 20_000), False)],
        )
    ),
    "too-large",
)
_expect("chain-untrusted", partial(_signed, by=PKI.stranger))
_expect(
    "chain-untrusted", lambda: _signed(by=PKI.personal(below("Unseen"), JAN), certificates="own"), "no-intermediate"
)


def below(name: str, *, kind: str = "rsa-2048", **about: object) -> Authority:
    """An intermediate CA under the qualified root."""
    issued = PKI.qualified_ca.issue(
        distinguished(common_name=f"Goniec Test {name} CA"),
        key(name, kind),
        **{"not_before": AT - DAY, "not_after": AT + DAY, "usage": ("key_cert_sign",), "ca": True, **about},  # type: ignore[arg-type]
    )
    return Authority(credential=issued)


def _through(**about: object) -> Maker:
    return lambda: _signed(by=PKI.personal(below(f"Between {' '.join(about)}", **about), JAN))  # type: ignore[arg-type]


_expect("chain-expired", _through(not_after=AT - DAY / 2))
_expect("chain-invalid", _through(ca=False), "no-ca")
_expect("chain-invalid", _through(usage=("digital_signature",)), "no-cert-sign")
_expect("chain-weak", _through(kind="rsa-1024"))


def _weak_curve() -> bytes:
    curve = ec.generate_private_key(ec.SECP224R1())
    subject = distinguished(common_name="Goniec Test Weak CA")
    issued = PKI.qualified_ca.issue(
        subject, curve, not_before=AT - DAY, not_after=AT + DAY, usage=("key_cert_sign",), ca=True
    )
    return _signed(by=PKI.personal(Authority(credential=issued), JAN))


_expect("chain-weak", _weak_curve, "curve")


def _forged() -> bytes:
    """An issuer of the right name, and of another key."""
    forger = Authority.root("Goniec Test Qualified CA", AT, kind="rsa-3072")
    plain = _plainly_issued(forger, JAN.pesel)
    return _signed(by=plain, certificates="own")


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


_expect("chain-invalid", _forged, "forged")


def _unreadable() -> bytes:
    """An extension that one library does not look at and the other cannot read (subjectDirectoryAttributes)."""
    junk = x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.9"), b"\x01\x02")
    return _signed(by=PKI.personal(PKI.qualified_ca, JAN, extras=[(junk, False)]))


_expect("chain-unreadable", _unreadable)


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
            .sign(key("maze 1", "ec-256"), hashes.SHA256())
        )

    bag = tuple(issued(number, ca=True, subject=name) for number in range(1, 10))
    subject = distinguished(common_name="Minotaur")
    return Credential(key=key("maze 0", "ec-256"), certificate=issued(0, ca=False, subject=subject), chain=bag)


_expect("chain-too-complex", lambda: _signed(by=maze()))
