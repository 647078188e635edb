"""Refused for what a Reference points at, how it is transformed, and how it is digested."""

from __future__ import annotations

from functools import partial

from adapters.testkit.signing.recipe import C14N, C14N11, ENVELOPED, ENVELOPING, EXCLUSIVE, PLAIN, QUALIFIED, XPATH
from adapters.testkit.signing.template import reference
from tests.corpus.verify.recipes import Family, also, edited, rewritten, signed, transform
from tests.corpus.verify.scene import FORM, FORM_WITH_ID

expect = Family("referring")

expect("no-references", rewritten("<ds:Reference.*</ds:Reference>", ""), "empty-list")
expect(
    "too-many-references",
    partial(
        signed, extra_references=(reference("", (XPATH,), "sha256", xpath="not(ancestor-or-self::ds:Signature)"),) * 19
    ),
    "21",
)
expect("reference-no-uri", rewritten('(<ds:Reference Id="[^"]*") URI=""', r"\1"), "of-the-form")
expect("reference-http", also("http://example.test/document.xml"), "beside-the-form")
expect("reference-http", also("HTTPS://example.test/document.xml"), "tls")
expect("reference-file", also("file:///etc/hostname"), "a-local-file")
expect("reference-external", also("document.xml"), "a-relative-name")
expect("reference-external", also("urn:uuid:00000000-0000-0000-0000-000000000000"), "urn")
expect("reference-external", also("document.xml#part"), "fragment")
expect("reference-xpointer", also("#xpointer(/)"), "the-root")
expect("reference-target-missing", also("#nobody"), "an-id-that-nobody-bears")
expect("too-many-transforms", partial(signed, transforms=(XPATH,) * 6), "6")
expect(
    "transform-xslt",
    transform(
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        '<x:stylesheet version="1.0" xmlns:x="http://www.w3.org/1999/XSL/Transform"/>',
    ),
    "a-stylesheet",
)
expect("transform-xpath", partial(signed, xpath="true()"), "everything")
expect("transform-xpath", partial(signed, xpath="not(ancestor-or-self::ds:Signature) or self::text()"), "longer")
expect("transform-xpath", partial(signed, xpath="not(ancestor-or-self::Signature)"), "no-prefix")
expect("transform-xpath", partial(signed, xpath="not(ancestor-or-self::wnio:Signature)"), "other-namespace")
expect("transform-xpath", rewritten("(<ds:XPath[^>]*>)", r"\1<!-- a comment -->"), "comment")
expect(
    "transform-filter2",
    transform(
        "http://www.w3.org/2002/06/xmldsig-filter2",
        '<f:XPath xmlns:f="http://www.w3.org/2002/06/xmldsig-filter2" Filter="subtract">//wnio:Kwota</f:XPath>',
    ),
    "subtract",
)
expect("transform-decrypt", transform("http://www.w3.org/2002/07/decrypt#XML"), "xml")
expect("transform-base64", transform("http://www.w3.org/2000/09/xmldsig#base64"), "before-the-others")
expect("transform-unknown", transform("urn:a-transform-of-my-own"), "of-my-own")
expect("transform-order", partial(signed, transforms=(EXCLUSIVE, ENVELOPED)), "enveloped-after-canonicalisation")
expect("transform-order", partial(signed, transforms=(XPATH, EXCLUSIVE, C14N)), "two-canonicalisations")
expect("transform-parameters", transform(ENVELOPED, "<ds:XPath>//wnio:Kwota</ds:XPath>"), "of-enveloped")
expect("transform-parameters", transform(XPATH), "no-xpath")
expect(
    "transform-parameters",
    rewritten('(REC-xml-c14n-20010315")/>', r"\1><ds:Extra/></ds:Transform>", transforms=(XPATH, C14N)),
    "c14n",
)
expect(
    "transform-parameters",
    rewritten("<ds:SignatureMethod([^>]*)/>", r"<ds:SignatureMethod\1><ds:Extra/></ds:SignatureMethod>"),
    "signature-method",
)
expect("digest-sha1", partial(signed, digest="sha1"), "of-the-form")
expect(
    "digest-sha1",
    rewritten('(<xades:CertDigest><ds:DigestMethod Algorithm=")[^"]*', r"\1http://www.w3.org/2000/09/xmldsig#sha1"),
    "certificate",
)
expect(
    "digest-md5",
    rewritten('(<ds:DigestMethod Algorithm=")[^"]*', r"\1http://www.w3.org/2001/04/xmldsig-more#md5"),
    "of-the-form",
)
expect(
    "digest-unknown",
    rewritten('(<ds:DigestMethod Algorithm=")[^"]*', r"\1http://www.w3.org/2001/04/xmlenc#ripemd160"),
    "ripemd160",
)
expect("digest-malformed", edited("<ds:DigestValue>[^<]*", "<ds:DigestValue>t="), "not-base64")
expect("digest-malformed", edited("<ds:DigestValue>[^<]*", "<ds:DigestValue>AAAA"), "length")
expect("digest-malformed", edited("<ds:DigestValue>", "<ds:DigestValue><ds:Extra/>"), "children")
expect("digest-mismatch", edited("<wnio:Kwota>100", "<wnio:Kwota>999"), "another-amount")
expect("digest-mismatch", edited("00-000", "00-0<!-- a comment -->01"), "around-comment")
expect("digest-mismatch", edited("never-followed", "followed"), "instruction")
expect("digest-mismatch", edited('nr="1"', 'nr="2"'), "attribute")
expect("digest-mismatch", edited('xmlns:unused="urn:unused"', ""), "namespace-dropped")
expect("digest-mismatch", edited("<xades:SigningTime>2026", "<xades:SigningTime>2025"), "signing-time")
expect(
    "c14n-unknown",
    rewritten('(<ds:CanonicalizationMethod Algorithm=")[^"]*', r"\1http://www.w3.org/2010/xml-c14n2"),
    "version-2",
)
expect("c14n-failed", edited("xmlns:unused=", 'xmlns:relative="no-scheme" xmlns:unused='), "relative-namespace")
expect(
    "c14n11-base",
    partial(signed, form=FORM.replace(b"xml:lang", b'xml:base="http://example.test/" xml:lang'), signed_info=C14N11),
    "above-signed-info",
)


def _costly() -> bytes:
    prefix_list = '<c:InclusiveNamespaces xmlns:c="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="p{}"/>'
    extra = tuple(
        reference("", (ENVELOPED, EXCLUSIVE), "sha256").replace(
            f'Algorithm="{EXCLUSIVE}"/>', f'Algorithm="{EXCLUSIVE}">{prefix_list.format(number)}</ds:Transform>', 1
        )
        for number in range(15)
    )
    return signed(form=FORM.replace(b"100", b"1" * 300_000), extra_references=extra)


expect("too-costly", _costly, "15-prefix-lists")

# ── more places that nobody may be sent to ──

for _code, _uris in {
    "reference-http": {
        "credentials": "http://user:secret@example.test/",
        "loopback": "http://127.0.0.1:8080/admin",
        "metadata": "http://169.254.169.254/latest/",
        "port": "https://example.test:8443/x",
        "query": "http://example.test/?a=1",
    },
    "reference-file": {
        "share": "file://server/share/letter.xml",
        "capitals": "FILE:///etc/passwd",
        "no-slashes": "file:letter.xml",
    },
    "reference-external": {
        "absolute": "/etc/passwd",
        "above": "../../letter.xml",
        "network-path": "//example.test/letter.xml",
        "backslashes": "\\\\server\\share",
        "ftp": "ftp://example.test/letter.xml",
        "data": "data:text/xml,%3Ca/%3E",
        "mail-part": "cid:part-1",
        "jar": "jar:http://example.test/a.jar!/letter.xml",
        "gopher": "gopher://example.test/",
        "query": "?document",
        "space": " ",
        "space-before": " #doc",
        "escaped-fragment": "%23doc",
    },
    "reference-xpointer": {"id": "#xpointer(id('doc'))", "children": "#xpointer(/*/*)"},
    "reference-target-missing": {
        "empty-fragment": "#",
        "capitals": "#DOC",
        "space-behind": "#doc ",
        "escaped": "#d%6Fc",
        "element-scheme": "#element(/1)",
        "namespace-scheme": "#xmlns(a=urn:a)xpointer(/)",
        "two-fragments": "#doc#doc",
    },
}.items():
    for _what, _uri in _uris.items():
        expect(
            _code,
            partial(signed, form=FORM_WITH_ID, extra_references=(reference(_uri, (EXCLUSIVE,), "sha256"),)),
            _what,
        )

expect(
    "reference-target-missing",
    lambda: signed(form=FORM_WITH_ID.replace(b"Id=", b"name="), uri="#doc"),
    "another-attribute",
)
expect(
    "reference-target-missing",
    lambda: signed(form=FORM_WITH_ID.replace(b"Id=", b"iD="), uri="#doc"),
    "an-attribute-in-mixed-case",
)
expect(
    "too-many-references",
    lambda: signed(
        extra_references=(reference("", (ENVELOPED, EXCLUSIVE), "sha256").replace("@digest@", "A" * 43 + "="),) * 1000
    ),
    "1000",
)
expect(
    "too-many-references",
    lambda: signed(
        form=FORM_WITH_ID,
        extra_references=(reference("#doc", (XPATH, EXCLUSIVE), "sha256", xpath=QUALIFIED.xpath),) * 19,
    ),
    "21-by-id",
)
expect("no-references", rewritten("<ds:Reference.*</ds:Reference>", "", PLAIN), "plain")
expect("no-references", rewritten("<ds:Reference.*</ds:Reference>", "", ENVELOPING), "enveloping")

# ── transforms ──

for _what, _xpath in {
    "descendants-only": "not(ancestor::ds:Signature)",
    "self-only": "not(self::ds:Signature)",
    "and-true": "not(ancestor-or-self::ds:Signature) and true()",
    "or-true": "true() or not(ancestor-or-self::ds:Signature)",
    "twice-not": "not(not(not(ancestor-or-self::ds:Signature)))",
    "a-count": "count(ancestor-or-self::ds:Signature)=0",
    "by-local-name": "not(ancestor-or-self::*[local-name()='Signature'])",
    "with-a-predicate": "not(ancestor-or-self::ds:Signature[1])",
    "here": "count(ancestor-or-self::ds:Signature | here()/ancestor::ds:Signature[1]) > count(ancestor-or-self::ds:Signature)",
    "one-element-more": "not(ancestor-or-self::ds:Signature or self::wnio:Kwota)",
    "text-only": "self::text()",
    "absolute": "not(//ds:Signature)",
    "in-brackets": "(not(ancestor-or-self::ds:Signature))",
    "empty": "",
    "no-break-space": "not(ancestor-or-self::ds:Signature)\N{NO-BREAK SPACE}",
    "other-letters": "not(ancestor-or-self::ds:S\N{CYRILLIC SMALL LETTER I}gnature)",
    "key-info": "not(ancestor-or-self::ds:KeyInfo)",
    "a-function": "not(boolean(ancestor-or-self::ds:Signature))",
    "a-variable": "not(ancestor-or-self::ds:Signature) or $x",
}.items():
    expect("transform-xpath", partial(signed, xpath=_xpath.replace("<", "&lt;").replace(">", "&gt;")), _what)
expect("transform-xpath", partial(signed, xpath="not(ancestor-or-self::xades:Signature)"), "prefix-of-xades")
expect("transform-xpath", rewritten("(<ds:XPath[^>]*>)", r"\1<?a instruction?>"), "instruction")
expect("transform-parameters", rewritten("(<ds:XPath.*?</ds:XPath>)", r"\1\1"), "two-xpaths")
expect(
    "transform-parameters",
    rewritten(
        "<ds:XPath([^>]*)>(.*?)</ds:XPath>",
        r'<f:XPath xmlns:f="http://www.w3.org/2002/06/xmldsig-filter2"\1>\2</f:XPath>',
    ),
    "xpath-of-filter2",
)
for _what, _filter in {"intersect": "//wnio:Kwota", "union": "/"}.items():
    expect(
        "transform-filter2",
        transform(
            "http://www.w3.org/2002/06/xmldsig-filter2",
            f'<f:XPath xmlns:f="http://www.w3.org/2002/06/xmldsig-filter2" Filter="{_what}">{_filter}</f:XPath>',
        ),
        _what,
    )
expect("transform-decrypt", transform("http://www.w3.org/2002/07/decrypt#Binary"), "binary")
expect("transform-decrypt", transform("http://www.w3.org/2001/04/decrypt#"), "of-2001")
expect(
    "transform-base64",
    partial(signed, transforms=(ENVELOPED, EXCLUSIVE, "http://www.w3.org/2000/09/xmldsig#base64")),
    "after-the-others",
)
expect(
    "transform-base64",
    partial(signed, ENVELOPING, transforms=("http://www.w3.org/2000/09/xmldsig#base64",)),
    "of-an-object",
)
_XSLT = "http://www.w3.org/TR/1999/REC-xslt-19991116"
expect(
    "transform-xslt",
    transform(
        _XSLT,
        '<x:stylesheet version="1.0" xmlns:x="http://www.w3.org/1999/XSL/Transform"><x:template match="/"><x:copy-of select="document(\'file:///etc/passwd\')"/></x:template></x:stylesheet>',
    ),
    "reads-a-file",
)
expect(
    "transform-xslt",
    transform(
        _XSLT,
        '<x:stylesheet version="1.0" xmlns:x="http://www.w3.org/1999/XSL/Transform"><x:template match="/" name="a"><x:call-template name="a"/></x:template></x:stylesheet>',
    ),
    "for-ever",
)
expect("transform-xslt", transform(_XSLT), "none-given")
for _what, _uri in {
    "minimal": "http://www.w3.org/2000/09/xmldsig#minimal",
    "empty": "",
    "space-behind": ENVELOPED + " ",
    "capitals": ENVELOPED.upper(),
    "no-fragment": "http://www.w3.org/2000/09/xmldsig",
    "security-token": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#STR-Transform",
    "relationships": "http://schemas.openxmlformats.org/package/2006/RelationshipTransform",
    "c14n-2": "http://www.w3.org/2010/xml-c14n2",
    "xpath-2": "http://www.w3.org/2007/05/xmldsig-more#xpath2",
}.items():
    expect("transform-unknown", transform(_uri), _what)
expect("transform-unknown", rewritten("(<ds:Transforms>)", r"\1<ds:Transform/>"), "no-name")
expect("too-many-transforms", partial(signed, transforms=(ENVELOPED,) * 6), "6-enveloped")
expect("too-many-transforms", partial(signed, transforms=(XPATH, *(C14N,) * 100)), "100-canonicalisations")
expect("transform-order", partial(signed, transforms=(EXCLUSIVE, XPATH)), "xpath-after-canonicalisation")
expect("transform-order", partial(signed, transforms=(ENVELOPED, EXCLUSIVE, EXCLUSIVE)), "the-same-twice")
_LIST = '<c:InclusiveNamespaces xmlns:c="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="{}"/>'
for _what, _held in {
    "two-prefix-lists": _LIST.format("a") * 2,
    "33-prefixes": _LIST.format(" ".join(f"p{number}" for number in range(33))),
    "a-list-with-content": _LIST.format("a").replace("/>", "><c:x/></c:InclusiveNamespaces>"),
    "a-list-of-another-namespace": _LIST.format("a").replace("xml-exc-c14n#", "xml-exc-c14n"),
}.items():
    expect(
        "transform-parameters",
        rewritten(
            'xml-exc-c14n#"/></ds:Transforms>',
            f'xml-exc-c14n#">{_held}</ds:Transform></ds:Transforms>',
            transforms=(XPATH, EXCLUSIVE),
        ),
        _what,
    )
expect(
    "transform-parameters",
    rewritten(
        "(<ds:CanonicalizationMethod [^>]*)/>", rf"\1>{_LIST.format('a')}</ds:CanonicalizationMethod>", signed_info=C14N
    ),
    "a-list-for-inclusive",
)
for _what, _uri in {
    "minimal": "http://www.w3.org/2000/09/xmldsig#minimal",
    "empty": "",
    "no-fragment": EXCLUSIVE[:-1],
    "xslt": _XSLT,
}.items():
    expect("c14n-unknown", rewritten('(<ds:CanonicalizationMethod Algorithm=")[^"]*', rf"\g<1>{_uri}"), _what)

# ── digests ──

for _code, _uris in {
    "digest-unknown": {
        "sha224": "http://www.w3.org/2001/04/xmldsig-more#sha224",
        "sha3-256": "http://www.w3.org/2007/05/xmldsig-more#sha3-256",
        "whirlpool": "http://www.w3.org/2007/05/xmldsig-more#whirlpool",
        "empty": "",
        "sha256-of-another-namespace": "http://www.w3.org/2000/09/xmldsig#sha256",
        "sha256-in-capitals": "http://www.w3.org/2001/04/xmlenc#SHA256",
        "md2": "http://www.w3.org/2001/04/xmldsig-more#md2",
        "xxhash": "urn:xxhash",
    },
}.items():
    for _what, _uri in _uris.items():
        expect(_code, rewritten('(<ds:DigestMethod Algorithm=")[^"]*', rf"\g<1>{_uri}"), _what)
expect("digest-unknown", rewritten('(<ds:DigestMethod) Algorithm="[^"]*"', r"\1"), "no-name")
expect(
    "digest-sha1",
    rewritten(
        '(Type="http://uri.etsi.org/01903#SignedProperties".*?<ds:DigestMethod Algorithm=")[^"]*',
        r"\1http://www.w3.org/2000/09/xmldsig#sha1",
    ),
    "of-the-properties",
)
expect(
    "digest-md5",
    rewritten('(<xades:CertDigest><ds:DigestMethod Algorithm=")[^"]*', r"\1http://www.w3.org/2001/04/xmldsig-more#md5"),
    "of-the-certificate",
)
for _what, _value in {
    "empty": "",
    "hexadecimal": "0" * 64,
    "of-sha512-length": "A" * 86 + "==",
    "without-padding": "A" * 43,
    "spare-bits": "A" * 42 + "B=",
    "url-alphabet": "_" * 43 + "=",
    "not-ascii": "\N{CYRILLIC CAPITAL LETTER A}" * 43 + "=",
    "a-byte-too-much": "A" * 44,
    "padding-inside": "AAA=" + "A" * 39 + "=",
}.items():
    expect("digest-malformed", edited("<ds:DigestValue>[^<]*", f"<ds:DigestValue>{_value}"), _what)
