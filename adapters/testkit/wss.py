"""A client that signs its SOAP messages with WS-Security: every variant met in the field, and every hostile one.

    secure(envelope, pki.local_person, at)                         Body, Timestamp, token and every header block
    secure(envelope, by, at, ZEEP)                                 as zeep's BinarySignature does it
    secure(envelope, by, at, EPUAP)                                as clients of the ePUAP dialect do: the Body alone
    secure(envelope, by, at, digest="sha1")                        a bad one: any field of the recipe

What is done to such a message on its way stands in `wss_attacks.py`.
It shares no code with `adapters/wire/wss` or `broker/verify`, so that neither hides the other's faults.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from adapters.testkit.certificates import Credential
from adapters.testkit.signing import canonical
from adapters.testkit.signing.recipe import DIGESTS, ENVELOPED, EXCLUSIVE, METHODS, zulu

WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
DS = "http://www.w3.org/2000/09/xmldsig#"
_BASE64 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
_PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0"
_THUMBPRINT = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#ThumbprintSHA1"

ID = f"{{{WSU}}}Id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a message is signed.  The defaults sign everything."""

    covers: tuple[str, ...] = ("body", "timestamp", "token", "headers")
    order: tuple[str, ...] = ("token", "timestamp", "signature")  # in the Security header
    id_name: str = ID  # of the attribute by which parts are referred to
    key_info: str = "reference"  # or another way to point at a certificate: see `_key_info`
    token: str = "x509v3"  # noqa: S105 - "x509v3" or "pkipath": what the BinarySecurityToken holds
    created: timedelta = timedelta()  # from the moment of signing
    expires: timedelta | None = timedelta(minutes=5)  # None: no Expires
    digest: str = "sha256"
    method: str = ""  # a key of METHODS; empty: what fits the key, with SHA-256
    c14n: str = EXCLUSIVE  # CanonicalizationMethod
    transforms: tuple[str, ...] = (EXCLUSIVE,)
    prefixes: str | None = None  # InclusiveNamespaces/@PrefixList of every Reference and of SignedInfo; None: none
    default_namespaces: bool = False  # write ds and wsu without prefixes, as node's `soap` does
    attributes: tuple[tuple[str, str], ...] = ()  # of the Security header
    prepare: Callable[[etree._Element], None] | None = None  # changes the envelope before anything is digested
    references: Callable[[str], str] | None = None  # changes the text of the References before they are signed


ALL = Recipe()
"""Body, Timestamp, token and every header block."""

ZEEP = Recipe(covers=("body", "timestamp"), order=("signature", "token", "timestamp"))
"""zeep's BinarySignature, told to use SHA-256: the signature comes first, and refers to what follows."""

NODE = Recipe(
    covers=("body", "headers", "timestamp"), transforms=(ENVELOPED, EXCLUSIVE), id_name="Id", default_namespaces=True
)
"""node's `soap`, WSSecurityCert with additionalReferences: a needless transform, and Id without a namespace."""

EPUAP = Recipe(covers=("body",), order=("token", "signature"), prefixes="")
"""The ePUAP dialect (DOMAIN §4): the Body alone, no Timestamp."""


def secure(envelope: bytes, by: Credential, at: datetime, recipe: Recipe = ALL, **changes: Any) -> bytes:
    """Return the envelope with a signed Security header; `changes` are fields of the recipe to be different."""
    recipe = replace(recipe, **changes)
    root = canonical.tree(envelope)
    space = etree.QName(root).namespace
    body = root.find(f"{{{space}}}Body")
    head = root.find(f"{{{space}}}Header")
    if body is None:
        raise ValueError("no Body to sign")
    if head is None:
        head = etree.Element(f"{{{space}}}Header")
        root.insert(0, head)
    blocks = list(head.iterchildren(etree.Element))
    security = etree.SubElement(head, f"{{{WSSE}}}Security", nsmap={"wsse": WSSE, "wsu": WSU})
    for name, value in recipe.attributes:
        security.set(name, value)
    made = {"token": _token(recipe, by), "timestamp": _timestamp(recipe, at)}
    inside = {name: canonical.tree(text) for name, text in made.items() if name in recipe.order}
    for element in inside.values():
        security.append(element)
    parts = {"body": [body], "headers": blocks, **{name: [element] for name, element in inside.items()}}
    targets = [(f"{name}-{number}", it) for name in recipe.covers for number, it in enumerate(parts.get(name, []))]
    for name, target in targets:
        target.set(ID if target is inside.get("token") else recipe.id_name, name)
    if "token" in inside:
        inside["token"].set(ID, "token-0")
    if recipe.prepare is not None:
        recipe.prepare(root)
    signature = canonical.tree(_signature(recipe, by, targets))
    security.insert(recipe.order.index("signature"), signature)
    info = signature[0]
    signature[1].text = b64encode(
        canonical.signature_value(_octets(info, recipe, recipe.c14n), _method(recipe, by), by)
    ).decode()
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _octets(element: etree._Element, recipe: Recipe, algorithm: str = EXCLUSIVE) -> bytes:
    if recipe.prefixes is None or algorithm != EXCLUSIVE:
        return canonical.canonical(element, algorithm)
    # lxml drops a prefix of which the thread's dictionary of names has not heard, so always "#default".
    canonical.tree(b'<known xmlns:as="#default"/>')
    alone = canonical.tree(etree.tostring(element, with_tail=False)).getroottree()
    return etree.tostring(
        alone, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=recipe.prefixes.split()
    )


def _method(recipe: Recipe, by: Credential) -> str:
    return recipe.method or ("rsa-sha256" if isinstance(by.key, rsa.RSAPrivateKey) else "ecdsa-sha256")


def _timestamp(recipe: Recipe, at: datetime) -> bytes:
    created = at + recipe.created
    expires = "" if recipe.expires is None else f"<wsu:Expires>{zulu(created + recipe.expires)}</wsu:Expires>"
    text = f'<wsu:Timestamp xmlns:wsu="{WSU}"><wsu:Created>{zulu(created)}</wsu:Created>{expires}</wsu:Timestamp>'
    return (text.replace("wsu:", "").replace("xmlns:wsu=", "xmlns=") if recipe.default_namespaces else text).encode()


class _Path(core.SequenceOf):  # type: ignore[misc]  # asn1crypto has no types
    _child_spec = core.Any


def _token(recipe: Recipe, by: Credential) -> bytes:
    if recipe.token == "pkipath":  # noqa: S105 - the kind of a token
        chain: list[x509.Certificate] = [*reversed(by.chain), by.certificate]
        content, kind = _Path([core.load(it.public_bytes(Encoding.DER)) for it in chain]).dump(), "#X509PKIPathv1"
    else:
        content, kind = by.der, "#X509v3"
    return (
        f'<wsse:BinarySecurityToken xmlns:wsse="{WSSE}" EncodingType="{_BASE64}" ValueType="{_PROFILE}{kind}">'
        f"{b64encode(content).decode()}</wsse:BinarySecurityToken>"
    ).encode()


def _signature(recipe: Recipe, by: Credential, targets: list[tuple[str, etree._Element]]) -> bytes:
    inclusive = (
        ""
        if recipe.prefixes is None
        else f'<ec:InclusiveNamespaces xmlns:ec="{EXCLUSIVE}" PrefixList="{recipe.prefixes}"/>'
    )
    steps = "".join(
        f'<ds:Transform Algorithm="{step}">{inclusive if step == EXCLUSIVE else ""}</ds:Transform>'
        for step in recipe.transforms
    )
    references = "".join(
        f'<ds:Reference URI="#{name}"><ds:Transforms>{steps}</ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{DIGESTS[recipe.digest]}"/>'
        f"<ds:DigestValue>{b64encode(hashlib.new(recipe.digest, _octets(it, recipe)).digest()).decode()}"
        "</ds:DigestValue></ds:Reference>"
        for name, it in targets
    )
    if recipe.references is not None:
        references = recipe.references(references)
    text = (
        f'<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{recipe.c14n}">'
        f"{inclusive}</ds:CanonicalizationMethod>"
        f'<ds:SignatureMethod Algorithm="{METHODS[_method(recipe, by)]}"/>{references}</ds:SignedInfo>'
        f"<ds:SignatureValue/><ds:KeyInfo>{_key_info(recipe, by)}</ds:KeyInfo></ds:Signature>"
    )
    if recipe.default_namespaces:
        text = text.replace("ds:", "").replace("xmlns:ds=", "xmlns=")
    return text.encode()


def _key_info(recipe: Recipe, by: Credential) -> str:
    certificate = by.certificate
    key_id = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    kind = "#X509PKIPathv1" if recipe.token == "pkipath" else "#X509v3"  # noqa: S105 - the kind of a token
    identifier = f'<wsse:KeyIdentifier EncodingType="{_BASE64}" ValueType="'
    held = {
        "reference": f'<wsse:Reference URI="#token-0" ValueType="{_PROFILE}{kind}"/>',
        "issuer-serial": "<ds:X509Data><ds:X509IssuerSerial>"
        f"<ds:X509IssuerName>{certificate.issuer.rfc4514_string()}</ds:X509IssuerName>"
        f"<ds:X509SerialNumber>{certificate.serial_number}</ds:X509SerialNumber>"
        "</ds:X509IssuerSerial></ds:X509Data>",
        "x509-ski": f"<ds:X509Data><ds:X509SKI>{b64encode(key_id).decode()}</ds:X509SKI></ds:X509Data>",
        "x509-data": "<ds:X509Data>"
        f"<ds:X509Certificate>{b64encode(by.der).decode()}</ds:X509Certificate></ds:X509Data>",
        "ski": f'{identifier}{_PROFILE}#X509SubjectKeyIdentifier">{b64encode(key_id).decode()}</wsse:KeyIdentifier>',
        "thumbprint": f'{identifier}{_THUMBPRINT}">'
        f"{b64encode(hashlib.sha1(by.der, usedforsecurity=False).digest()).decode()}</wsse:KeyIdentifier>",
        "key-identifier": f'{identifier}{_PROFILE}#X509v3">{b64encode(by.der).decode()}</wsse:KeyIdentifier>',
        "embedded": "<wsse:Embedded/>",
        "key-name": "<ds:KeyName>me</ds:KeyName>",
    }[recipe.key_info]
    return f'<wsse:SecurityTokenReference xmlns:wsse="{WSSE}">{held}</wsse:SecurityTokenReference>'
