"""Refused for the signature's algorithm, its key, or its value."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import partial

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from adapters.testkit.certificates import Credential
from adapters.testkit.pki import JAN
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import BASELINE, C14N, EXCLUSIVE, QUALIFIED
from adapters.testkit.signing.template import reference
from tests.corpus.verify.recipes import Family, Maker, edited, rewritten, signed
from tests.corpus.verify.scene import AT, FORM, PKI

expect = Family("mathematics")


def _method(uri: str) -> Maker:
    return rewritten('(<ds:SignatureMethod Algorithm=")[^"]*', rf"\1{uri}")


expect("signature-sha1", partial(signed, method="rsa-sha1"), "rsa")
expect("signature-sha1", _method("http://www.w3.org/2000/09/xmldsig#dsa-sha1"), "dsa")
expect("signature-md5", _method("http://www.w3.org/2001/04/xmldsig-more#rsa-md5"), "rsa")
expect("signature-hmac", partial(signed, method="hmac-sha256"), "keyed-with-the-public-key")
expect("signature-hmac", partial(signed, method="hmac-sha1"), "sha1")
expect("signature-dsa", _method("http://www.w3.org/2009/xmldsig11#dsa-sha256"), "sha256")
expect("signature-algorithm-unknown", _method("http://www.w3.org/2001/04/xmldsig-more#rsa-ripemd160"), "ripemd160")
expect("signature-value-malformed", edited('(<ds:SignatureValue Id="[^"]*">).', r"\1!"), "not-base64")
expect("signature-value-mismatch", edited('(<ds:SignatureValue Id="[^"]*">).{8}', r"\1AAAAAAAA"), "other-octets")
expect("signature-value-mismatch", edited("<ds:Reference Id=", '<ds:Reference  id="x" Id='), "signed-info")
expect("key-mismatch", _method("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"), "rsa-key-ecdsa-method")
expect("key-short", partial(signed, by=PKI.short_key), "rsa-1024")


def _der_value() -> bytes:
    text = signed(by=PKI.elliptic_person).decode()
    found = re.search('(<ds:SignatureValue Id="[^"]*">)([^<]*)', text)
    assert found
    raw = base64.b64decode(found[2])
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    return text.replace(found[0], found[1] + base64.b64encode(der).decode()).encode()


expect("signature-value-encoding", _der_value, "der")

_MORE, _MORE_2007, _MORE_2021 = (f"http://www.w3.org/{it}/xmldsig-more#" for it in ("2001/04", "2007/05", "2021/04"))
for _code, _uris in {
    "signature-sha1": {
        "ecdsa": _MORE + "ecdsa-sha1",
        "pss": _MORE_2007 + "sha1-rsa-MGF1",
    },
    "signature-md5": {"pss": _MORE_2007 + "md5-rsa-MGF1"},
    "signature-hmac": {
        "md5": _MORE + "hmac-md5",
        "ripemd160": _MORE + "hmac-ripemd160",
        "sha224": _MORE + "hmac-sha224",
    },
    "signature-algorithm-unknown": {
        "rsa-sha224": _MORE + "rsa-sha224",
        "ecdsa-sha224": _MORE + "ecdsa-sha224",
        "ecdsa-ripemd160": _MORE_2007 + "ecdsa-ripemd160",
        "pss-with-parameters": _MORE_2007 + "rsa-pss",
        "sha3-pss": _MORE_2007 + "sha3-256-rsa-MGF1",
        "ed25519": _MORE_2021 + "eddsa-ed25519",
        "esign": _MORE + "esign-sha1".replace("sha1", "x"),
        "empty": "",
        "none": "urn:none",
        "a-digest": "http://www.w3.org/2001/04/xmlenc#sha256",
        "capitals": _MORE + "RSA-SHA256",
        "space-behind": _MORE + "rsa-sha256 ",
        "gost": "urn:ietf:params:xml:ns:cpxmlsec:algorithms:gostr34102001-gostr3411",
    },
    "key-mismatch": {"rsa-key-ecdsa-sha512": _MORE + "ecdsa-sha512"},
    "signature-value-mismatch": {
        "another-padding": _MORE_2007 + "sha256-rsa-MGF1",
    },
}.items():
    for _what, _uri in _uris.items():
        expect(_code, _method(_uri), _what)
expect("signature-hmac", partial(signed, method="hmac-sha384"), "sha384")
expect("signature-hmac", partial(signed, method="hmac-sha512"), "sha512")
expect(
    "signature-hmac",
    rewritten(
        '(<ds:SignatureMethod Algorithm="[^"]*)rsa-sha256"/>',
        r"\1hmac-sha256\"><ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>",
    ),
    "one-bit-of-output",
)
expect("key-mismatch", edited("ecdsa-sha256", "rsa-sha256", by=PKI.elliptic_person), "ec-key-rsa-method")
expect(
    "key-mismatch",
    edited("2001/04/xmldsig-more#ecdsa-sha256", "2007/05/xmldsig-more#sha256-rsa-MGF1", by=PKI.elliptic_person),
    "ec-key-pss-method",
)
expect("key-short", lambda: signed(by=PKI.personal(PKI.qualified_ca, JAN, kind="rsa-1536")), "rsa-1536")
expect("key-short", lambda: signed(by=PKI.personal(PKI.qualified_ca, JAN, kind="rsa-2040")), "rsa-2040")
expect(
    "key-short",
    lambda: signed(by=PKI.personal(PKI.qualified_ca, JAN, kind="rsa-1024"), method="pss-sha256"),
    "rsa-1024-pss",
)


def _valued(change: Callable[[bytes], bytes], by: Credential = PKI.person) -> Maker:
    """Change the octets of the value."""

    def make() -> bytes:
        text = signed(by=by).decode()
        found = re.search('(<ds:SignatureValue Id="[^"]*">)([^<]*)', text)
        assert found
        changed = base64.b64encode(change(base64.b64decode(found[2]))).decode()
        return text.replace(found[0], found[1] + changed).encode()

    return make


for _what, _change in {
    "cut": lambda value: value[:-1],
    "longer": lambda value: value + b"\0",
    "zero": lambda value: bytes(len(value)),
    "one": lambda value: bytes(len(value) - 1) + b"\1",
    "backwards": lambda value: value[::-1],
    "one-bit": lambda value: value[:-1] + bytes([value[-1] ^ 1]),
}.items():
    expect("signature-value-mismatch", _valued(_change), _what)
for _what, _change in {
    "ec-halves-swapped": lambda value: value[32:] + value[:32],
    "ec-zero": lambda value: bytes(len(value)),
    "ec-cut": lambda value: b"\1" + value[2:],
    "ec-longer": lambda value: b"\0" + value,
    "ec-r-is-zero": lambda value: bytes(32) + value[32:],
}.items():
    expect("signature-value-mismatch", _valued(_change, PKI.elliptic_person), _what)

_WITH_SUM = FORM.replace(b"<wnio:Kwota>", b'<wnio:Kwota Id="sum">')
_TO_SUM = reference("#sum", (EXCLUSIVE,), "sha256")

for _what, (_old, _new) in {
    "a-reference-removed": ('<ds:Reference URI="#sum".*?</ds:Reference>', ""),
    "a-reference-doubled": ("(<ds:Reference Type=.*?</ds:Reference>)", r"\1\1"),
    "references-in-another-order": (
        "(<ds:Reference Id=.*?</ds:Reference>)(<ds:Reference Type=.*?</ds:Reference>)",
        r"\2\1",
    ),
    "white-space-in-signed-info": ("(<ds:SignedInfo>)", "\\1\n  "),
    "a-reference-renamed": ('(<ds:Reference Id=")', r"\1x"),
    "a-type-said": ('(<ds:Reference) (URI="#sum")', r'\1 Type="urn:type" \2'),
    "an-attribute-more": ("<ds:SignedInfo>", '<ds:SignedInfo Id="info">'),
    "an-instruction-in-signed-info": ("(<ds:SignedInfo>)", r"\1<?a instruction?>"),
    "a-namespace-used": ("(<ds:SignedInfo)>", r'\1 xmlns:x="urn:x" x:y="1">'),
}.items():
    expect("signature-value-mismatch", edited(_old, _new, form=_WITH_SUM, extra_references=(_TO_SUM,)), _what)
expect(
    "signature-value-mismatch",
    edited('(<ds:CanonicalizationMethod Algorithm=")[^"]*', rf"\g<1>{C14N}"),
    "another-canonicalisation-said",
)
expect(
    "signature-value-mismatch",
    edited("(<ds:Signature )", r'\1xmlns:late="urn:late" ', BASELINE, signed_info=C14N),
    "a-namespace-in-scope",
)
expect(
    "signature-value-mismatch",
    edited(f'(<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE})', r"\1WithComments"),
    "comments-said",
)


def _value_of_another() -> bytes:
    other = re.search(
        "<ds:SignatureValue[^>]*>([^<]*)", sign(FORM.replace(b"100", b"999"), PKI.person, AT, QUALIFIED).decode()
    )
    assert other
    return re.sub("(<ds:SignatureValue[^>]*>)[^<]*", rf"\g<1>{other[1]}", signed().decode()).encode()


expect("signature-value-mismatch", _value_of_another, "of-another-document")


def _another_key() -> bytes:
    """Signed by somebody else's key under one's own certificate."""
    liar = Credential(key=PKI.other_person.key, certificate=PKI.person.certificate, chain=PKI.person.chain)
    return signed(by=liar)


expect("signature-value-mismatch", _another_key, "another-key")
for _what, _value in {
    "empty": "",
    "a-comment-inside": r"\2<!-- -->",
    "an-element-inside": r"\2<ds:x/>",
    "url-alphabet": "_-_-",
    "padding-first": "=AAA",
    "one-letter": "A",
}.items():
    expect("signature-value-malformed", edited('(<ds:SignatureValue Id="[^"]*">)([^<]*)', rf"\g<1>{_value}"), _what)
