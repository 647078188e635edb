"""Documents that must be accepted: every shape of the closed list (DOMAIN §5), and every way of writing one.

The key is `<what it shows>`; the value says how it is made and the box that it goes to.
"""

from __future__ import annotations

import codecs
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product

from adapters.testkit.certificates import Credential
from adapters.testkit.pki import JAN, ZOFIA
from adapters.testkit.signer import countersign, sign, sign_on_platform
from adapters.testkit.signing.recipe import (
    BASELINE,
    C14N,
    C14N11,
    C14N11_COMMENTS,
    C14N_COMMENTS,
    ENVELOPED,
    ENVELOPING,
    EXCLUSIVE,
    EXCLUSIVE_COMMENTS,
    PODPIS_ZAUFANY,
    QUALIFIED,
    XPATH,
    Recipe,
    with_offset,
)
from adapters.testkit.signing.template import reference
from config.demo.forms import Kind, form
from config.demo.offices import offices
from tests.corpus.admitting import of_a_firm
from tests.corpus.verify import keys
from tests.corpus.verify.chains import below
from tests.corpus.verify.prefixes import COVERED
from tests.corpus.verify.scene import AT, FORM, FORM_WITH_ID, PKI

ACCEPTED: dict[str, tuple[Callable[[], bytes], str]] = {}

_DEFAULTED = FORM.replace(b"<wnio:", b"<").replace(b"</wnio:", b"</").replace(b"xmlns:wnio=", b"xmlns=")


def _accept(name: str, maker: Callable[[], bytes], box: str = "/corpus/any") -> None:
    assert name not in ACCEPTED, name
    ACCEPTED[name] = (maker, box)


def _signed(recipe: Recipe = BASELINE, form: bytes = FORM, by: Credential | None = None, **changes: object) -> bytes:
    return sign(form, by or PKI.person, AT, recipe, **changes)


# ── shapes ──

for _name, _recipe in {
    "enveloped": BASELINE,
    "qualified": replace(QUALIFIED, certificates="own"),
    "shape-of-podpis-zaufany": PODPIS_ZAUFANY,
    "both-transforms": replace(BASELINE, transforms=(ENVELOPED, XPATH)),
    "white-space-in-the-xpath": replace(
        QUALIFIED, transforms=(ENVELOPED, XPATH), xpath="\n not ( ancestor-or-self :: ds:Signature )\t"
    ),
    "enveloping": ENVELOPING,
    "enveloping-without-transforms": replace(ENVELOPING, transforms=(), signed_info=C14N, properties=C14N),
    "no-prefix": replace(BASELINE, prefix=""),
    "no-prefix-xpath": replace(QUALIFIED, prefix="", signed_info=C14N, properties=C14N),
    "no-transform-of-the-properties": replace(QUALIFIED, properties=""),
    "binding-of-version-1": replace(BASELINE, binding="v1"),
    "signed-key-info": replace(BASELINE, binding="key-info"),
    "signed-key-info-with-the-chain": replace(BASELINE, binding="key-info", certificates="chain"),
    "with-a-bare-key": replace(BASELINE, key_value=True),
    "with-the-chain": replace(BASELINE, certificates="chain"),
    "signing-time-with-an-offset": replace(BASELINE, time=with_offset),
    "policy-implied": replace(BASELINE, policy_implied=True),
    "archive-properties": replace(
        BASELINE, unsigned='<a:ArchiveTimeStamp xmlns:a="http://uri.etsi.org/01903/v1.4.1#"/>'
    ),
}.items():
    _accept(_name, partial(_signed, _recipe))

_accept("by-id", lambda: _signed(form=FORM_WITH_ID, uri="#doc"))
_accept("by-id-in-capitals", lambda: _signed(form=FORM_WITH_ID.replace(b" Id=", b" ID="), uri="#doc"))
_accept(
    "a-part-covered-too",
    lambda: _signed(
        form=FORM.replace(b"<wnio:Kwota>", b'<wnio:Kwota Id="sum">'),
        extra_references=(reference("#sum", (EXCLUSIVE,), "sha512"),),
    ),
)
_accept(
    "enveloping-that-names-an-encoding",
    lambda: sign(
        FORM,
        PKI.person,
        AT,
        ENVELOPING,
        rewrite=lambda text: text.replace(
            '<ds:Object Id="object-', '<ds:Object MimeType="text/xml" Encoding="UTF-8" Id="object-', 1
        ),
    ),
)
_accept(
    "siblings-of-one-firm",
    lambda: sign(
        sign(FORM, of_a_firm("ANNA", "PASUA-AB123456"), AT, QUALIFIED),
        of_a_firm("BORYS", "PASUA-CD999999"),
        AT,
        QUALIFIED,
    ),
    "/corpus/two",
)
_accept("siblings", lambda: sign(sign(FORM, PKI.person, AT, QUALIFIED), PKI.other_person, AT, QUALIFIED))
_accept(
    "siblings-of-two",
    lambda: sign(sign(FORM, PKI.person, AT, QUALIFIED), PKI.other_person, AT, QUALIFIED),
    "/corpus/two",
)
_accept(
    "siblings-of-every-kind",
    lambda: sign(
        sign_on_platform(sign(FORM, PKI.local_person, AT, QUALIFIED), PKI.platform, ZOFIA, AT), PKI.person, AT
    ),
)
_accept("counter-signature", lambda: countersign(sign(FORM, PKI.person, AT), PKI.other_person, AT))
_accept(
    "two-counter-signatures",
    lambda: countersign(countersign(sign(FORM, PKI.person, AT), PKI.other_person, AT), PKI.organisation, AT),
)
_accept("counter-signature-of-a-stranger", lambda: countersign(sign(FORM, PKI.person, AT), PKI.stranger, AT))

_accept(
    "counter-signature-with-a-role",
    lambda: countersign(
        sign(FORM, PKI.person, AT), PKI.other_person, AT, claimed_role="<Rola xmlns=''>starosta</Rola>"
    ),
)

# ── what else KeyInfo says, and which certificates are bound ──

_accept("with-a-bare-key-on-a-curve", lambda: _signed(by=PKI.elliptic_person, key_value=True))
for _name, _value in {
    "a-bare-key-in-der": keys.der_value(keys.in_der(PKI.person)),
    "a-bare-key-twice": keys.rsa_value(b64encode(b"\0" + keys.modulus(PKI.person).to_bytes(256, "big")).decode()) * 2,
    "a-name-of-the-key": "<ds:KeyName>anybody</ds:KeyName>",
}.items():
    _accept(
        f"with-{_name}",
        lambda value=_value: _signed().replace(b"<ds:X509Data>", value.encode() + b"<ds:X509Data>"),  # type: ignore[misc]
    )
_accept(
    "with-a-list-of-revocations",
    lambda: _signed().replace(b"</ds:X509Data>", keys.list_of_revocations().encode() + b"</ds:X509Data>"),
)
for _version, (_name, _order) in product(
    ("", "V2"),
    {"the-signer-first": (keys.PERSON, keys.CA), "the-authority-first": (keys.CA, keys.PERSON)}.items(),
):
    _accept(
        f"bound-by-version-{2 if _version else 1}-{_name}",
        keys.bound(*_order, version=_version),
    )
_accept("bound-beside-somebody-who-is-not-there", keys.bound(keys.OTHER, keys.PERSON))
_accept(
    "text-before-the-signature",
    lambda: _signed(form=b'<w:Dokument xmlns:w="http://example.test/wzor/">1000</w:Dokument>'),
)
_accept(
    "identifier-of-xml-on-the-object",
    lambda: _signed(ENVELOPING, form=FORM_WITH_ID, uri="#doc").replace(b"<ds:Object Id=", b"<ds:Object xml:id="),
)

# ── who signs ──

_accept("podpis-zaufany", lambda: sign_on_platform(FORM, PKI.platform, JAN, AT), "/corpus/trusted")
_accept("podpis-zaufany-of-old", lambda: sign_on_platform(FORM, PKI.platform, ZOFIA, AT, old=True), "/corpus/trusted")
_accept("qualified-signature", partial(_signed, QUALIFIED), "/corpus/qualified")
_accept("qualified-seal", lambda: _signed(QUALIFIED, by=PKI.organisation), "/corpus/qualified")
_accept("polish-letters-in-the-name", lambda: _signed(QUALIFIED, by=PKI.other_person))
_accept("local-person", lambda: _signed(by=PKI.local_person))
_accept("below-an-intermediate", lambda: _signed(QUALIFIED, by=PKI.personal(below("Good"), JAN)))

# ── algorithms ──

_METHODS = (C14N, C14N_COMMENTS, C14N11, C14N11_COMMENTS, EXCLUSIVE, EXCLUSIVE_COMMENTS)
_NAMES = dict(
    zip(
        _METHODS, ("c14n", "c14n-comments", "c14n11", "c14n11-comments", "exclusive", "exclusive-comments"), strict=True
    )
)
for _base, _method in product(("enveloped", "xpath", "enveloping"), _METHODS):
    _shape = {"enveloped": BASELINE, "xpath": replace(QUALIFIED, certificates="own"), "enveloping": ENVELOPING}[_base]
    _kept = tuple(it for it in _shape.transforms if it in (ENVELOPED, XPATH))
    _recipe = replace(_shape, transforms=(*_kept, _method), signed_info=_method, properties=_method, prefix="")
    _accept(f"{_base}-by-{_NAMES[_method]}", partial(_signed, _recipe, form=_DEFAULTED))
for _digest, _way in product(("sha256", "sha384", "sha512"), ("rsa", "pss")):
    _accept(f"{_way}-{_digest}", partial(_signed, digest=_digest, method=f"{_way}-{_digest}"))
for _kind, _digest in (("ec-256", "sha256"), ("ec-384", "sha384"), ("ec-521", "sha512")):
    _accept(
        f"ecdsa-{_kind}",
        lambda kind=_kind, digest=_digest: _signed(  # type: ignore[misc]
            by=PKI.personal(PKI.qualified_ca, JAN, kind=kind), digest=digest, method=f"ecdsa-{digest}"
        ),
    )
_accept("rsa-3072", lambda: _signed(by=PKI.personal(PKI.qualified_ca, JAN, kind="rsa-3072")))

# ── spellings ──

_PLAIN = FORM[FORM.index(b"<wnio:Dokument ") :]


def _encoded(name: str, mark: bytes = b"") -> Callable[[], bytes]:
    declared = f'<?xml version="1.0" encoding="{name}"?>\n'.encode() + _PLAIN
    codec = {"UTF-16LE": "utf-16-le", "UTF-16BE": "utf-16-be", "windows-1250": "cp1250"}.get(name, name)
    text = declared.decode().replace("UTF-16LE", "UTF-16").replace("UTF-16BE", "UTF-16")
    return lambda: _signed(form=mark + text.encode(codec))


_accept("utf-8-with-mark", _encoded("UTF-8", codecs.BOM_UTF8))
_accept("utf-16-little", _encoded("UTF-16LE", codecs.BOM_UTF16_LE))
_accept("utf-16-big", _encoded("UTF-16BE", codecs.BOM_UTF16_BE))
_accept("iso-8859-2", _encoded("ISO-8859-2"))
_accept("windows-1250", _encoded("windows-1250"))
for _name, (_old, _new) in {
    "character-data": (b"100", b"<![CDATA[100]]>"),
    "character-references": (b"100", b"&#x31;&#48;0"),
    "line-ends-of-windows": (b"\n", b"\r\n"),
    "other-quotes": (b'nr="1"', b"nr='1'"),
    "instruction-inside": (b"<wnio:Kwota>", b"<?note x?><wnio:Kwota>"),
    "comment-between-elements": (b"<wnio:Kwota>", b"<!-- 999 --><wnio:Kwota>"),
    "language-below": (b"<wnio:Kwota>", b'<wnio:Kwota xml:lang="en" xml:space="preserve">'),
    "empty-root": (_PLAIN.strip(), b'<wnio:Dokument xmlns:wnio="http://example.test/wzor/"/>'),
    "default-namespace-redeclared": (b"<Kod>", b'<Kod xmlns="urn:adres">'),
    "default-namespace-undeclared": (b"<Kod><Cyfry>", b'<Kod><Cyfry xmlns="">'),
}.items():
    _accept(f"spelt-{_name}", partial(_signed, form=FORM.replace(_old, _new)))
for _name, (_old, _new) in {
    "comment-in-signed-info": (b"<ds:SignatureMethod", b"<!-- x --><ds:SignatureMethod"),
    "comment-behind-the-form": (b"</wnio:Dokument>", b"</wnio:Dokument><!-- x -->"),
    "white-space-in-tags": (b'nr="1" b="2"', b'b = "2"\n nr="1" '),
    "white-space-in-the-certificate": (b"<ds:X509Certificate>", b"<ds:X509Certificate>\n    "),
    "white-space-in-the-value": (b"</ds:SignatureValue>", b"\n</ds:SignatureValue>"),
}.items():
    _accept(f"later-{_name}", lambda old=_old, new=_new: _signed().replace(old, new))  # type: ignore[misc]

# ── prefixes in values ──

for _name, _maker in COVERED.items():
    _accept(f"prefix-{_name}", _maker)

# ── forms in use ──

for _kind in Kind:
    if _kind is not Kind.QUESTION:
        _accept(
            f"form-{_kind.value.replace('/', '-')}",
            lambda kind=_kind: _signed(QUALIFIED, form=form(kind, offices()[0], 1)),
        )  # type: ignore[misc]
