"""Signature wrapping and its kin: a true signature of one text, made to stand for another.

Each takes a document that is rightly signed and moves its parts about; none touches a digest or a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from adapters.testkit.signer import countersign, sign
from adapters.testkit.signing.recipe import BASELINE, ENVELOPING, QUALIFIED
from tests.corpus.verify.scene import AT, DS, FORM, FORM_WITH_ID, PKI

ATTACKS: dict[str, tuple[str, Callable[[], bytes]]] = {}

_SIGNATURE = re.compile(r"<ds:Signature .*</ds:Signature>", re.DOTALL)
_DECLARATION = re.compile(r"\A.*?(?=<wnio:Dokument)", re.DOTALL)
EVIL = '<wnio:Dokument xmlns:wnio="http://example.test/wzor/"><wnio:Kwota>999999</wnio:Kwota>{}</wnio:Dokument>'


def _attack(name: str, code: str) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    def register(maker: Callable[[], bytes]) -> Callable[[], bytes]:
        ATTACKS[name] = (f"verify.{code}", maker)
        return maker

    return register


def _parts(form: bytes = FORM_WITH_ID, **changes: object) -> tuple[str, str]:
    """Return the signed element without its signature, and the signature."""
    changes = {"uri": "#doc", **changes}
    text = _DECLARATION.sub("", sign(form, PKI.person, AT, BASELINE, **changes).decode())
    found = _SIGNATURE.search(text)
    assert found
    return text.replace(found[0], "").strip(), found[0]


@_attack("root-moved", "signature-misplaced")
def _root_moved() -> bytes:
    signed = _DECLARATION.sub("", sign(FORM_WITH_ID, PKI.person, AT, uri="#doc").decode())
    return EVIL.format(signed).encode()


@_attack("sibling", "root-not-covered")
def _sibling() -> bytes:
    form, signature = _parts()
    return EVIL.format(form + signature).encode()


@_attack("in-object", "object-unknown")
def _in_object() -> bytes:
    form, signature = _parts()
    return EVIL.format(signature.replace("</ds:Signature>", f"<ds:Object>{form}</ds:Object></ds:Signature>")).encode()


@_attack("in-object-with-properties", "object-unknown")
def _in_object_with_properties() -> bytes:
    form, signature = _parts()
    return EVIL.format(
        signature.replace("</xades:QualifyingProperties>", f"</xades:QualifyingProperties>{form}")
    ).encode()


@_attack("in-signature", "signature-malformed")
def _in_signature() -> bytes:
    form, signature = _parts()
    return EVIL.format(signature.replace("</ds:Signature>", f"{form}</ds:Signature>")).encode()


@_attack("in-key-info", "root-not-covered")
def _in_key_info() -> bytes:
    form, signature = _parts()
    return EVIL.format(signature.replace("</ds:KeyInfo>", f"{form}</ds:KeyInfo>")).encode()


@_attack("in-unsigned-properties", "root-not-covered")
def _in_unsigned_properties() -> bytes:
    form, signature = _parts(unsigned="@here@")
    return EVIL.format(signature.replace("@here@", form)).encode()


@_attack("in-signature-value", "root-not-covered")
def _in_signature_value() -> bytes:
    form, signature = _parts()
    return EVIL.format(signature.replace("</ds:SignatureValue>", f"{form}</ds:SignatureValue>")).encode()


def _shadowed(name: str) -> Callable[[], bytes]:
    def make() -> bytes:
        form, signature = _parts()
        wsu = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
        evil = EVIL.replace("<wnio:Dokument ", f'<wnio:Dokument xmlns:wsu="{wsu}" {name}="doc" ', 1)
        return evil.format(form + signature).encode()

    return make


for _name in ("Id", "ID", "id", "xml:id", "wsu:Id"):
    _attack(f"id-shadowed-by-{_name.replace(':', '-')}", "duplicate-id")(_shadowed(_name))


@_attack("namespace-shadowed-xpath", "transform-xpath")
def _namespace_shadowed() -> bytes:
    """The prefix of the XPath is bound to something else; exclusive C14N of SignedInfo would not show it."""
    signed = sign(FORM, PKI.person, AT, QUALIFIED, prefix="").decode()
    return signed.replace(f'<XPath xmlns:ds="{DS}">', '<XPath xmlns:ds="urn:nothing">').encode()


@_attack("enveloping-swapped", "enveloping-form")
def _enveloping_swapped() -> bytes:
    signed = sign(FORM, PKI.person, AT, ENVELOPING).decode()
    return signed.replace("</ds:Signature>", f"<ds:Object>{EVIL.format('')}</ds:Object></ds:Signature>").encode()


@_attack("enveloping-form-beside-covered-object", "enveloping-form")
def _enveloping_beside() -> bytes:
    signed = sign(FORM, PKI.person, AT, ENVELOPING).decode()
    return signed.replace(
        '<ds:Object Id="object-', f'<ds:Object>{EVIL.format("")}</ds:Object><ds:Object Id="object-'
    ).encode()


@_attack("enveloping-covered-by-its-properties-only", "root-not-covered")
def _enveloping_uncovered() -> bytes:
    return sign(
        FORM,
        PKI.person,
        AT,
        ENVELOPING,
        rewrite=lambda text: re.sub('<ds:Reference Id="form.*?</ds:Reference>', "", text, count=1, flags=re.DOTALL),
    )


@_attack("hidden-in-signature-of-the-form", "signature-misplaced")
def _hidden() -> bytes:
    """The XPath leaves out every ds:Signature: text hidden in one would stay "valid" (DOMAIN §5)."""
    signed = sign(FORM, PKI.person, AT, QUALIFIED).decode()
    hidden = f'<s:Signature xmlns:s="{DS}"><wnio:Kwota>999999</wnio:Kwota></s:Signature>'
    return signed.replace("<wnio:Kwota>", f"<wnio:Kwota>{hidden}").encode()


@_attack("hidden-in-a-second-signature", "signature-malformed")
def _hidden_beside() -> bytes:
    signed = sign(FORM, PKI.person, AT, QUALIFIED).decode()
    hidden = f'<s:Signature xmlns:s="{DS}"><wnio:Kwota>999999</wnio:Kwota></s:Signature>'
    return signed.replace("<wnio:Kwota>", f"{hidden}<wnio:Kwota>").encode()


@_attack("hidden-between-the-parts", "signature-text")
def _hidden_between() -> bytes:
    return sign(FORM, PKI.person, AT, QUALIFIED).decode().replace("</ds:KeyInfo>", "</ds:KeyInfo>999999").encode()


@_attack("second-signature-of-a-stranger", "chain-untrusted")
def _strangers_second() -> bytes:
    return sign(sign(FORM, PKI.person, AT, QUALIFIED), PKI.stranger, AT, QUALIFIED)


@_attack("signature-of-another-document", "digest-mismatch")
def _transplanted() -> bytes:
    _, signature = _parts(FORM, uri="")
    return EVIL.format(signature).encode()


@_attack("counter-signature-as-signature", "root-not-covered")
def _promoted() -> bytes:
    """A counter-signature is cut out and put where signatures stand."""
    text = countersign(sign(FORM, PKI.person, AT), PKI.other_person, AT).decode()
    found = re.search("<xades:CounterSignature>(.*?)</xades:CounterSignature>", text, re.DOTALL)
    assert found
    value = re.search("<ds:SignatureValue .*?</ds:SignatureValue>", text)
    assert value
    return EVIL.format(f'<k xmlns:ds="{DS}">{value[0]}</k>{found[1]}').encode()


@_attack("properties-of-another", "signed-properties-elsewhere")
def _borrowed_properties() -> bytes:
    """Two signatures, of which the second points at the properties of the first."""
    first = sign(FORM, PKI.person, AT, QUALIFIED)
    found = re.search(b'<xades:SignedProperties Id="([^"]*)"', first)
    assert found
    theirs = found[1].decode()
    return sign(
        first,
        PKI.other_person,
        AT,
        QUALIFIED,
        rewrite=lambda text: re.sub('(SignedProperties" URI="#)[^"]*', rf"\g<1>{theirs}", text, count=1),
    )
