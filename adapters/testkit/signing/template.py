"""The text of a ds:Signature by its recipe, with `@digest@` and `@signature@` where values are still to come."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.testkit.certificates import Credential
from adapters.testkit.signing.recipe import DIGESTS, EXCLUSIVE, METHODS, XPATH, Recipe

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"


def method_of(recipe: Recipe, by: Credential) -> str:
    """Return the key of METHODS that the recipe asks for or the signer's key fits."""
    return recipe.method or ("rsa-sha256" if isinstance(by.key, rsa.RSAPrivateKey) else "ecdsa-sha256")


def reference(
    uri: str, transforms: tuple[str, ...], digest: str, *, type_: str = "", id_: str = "", xpath: str = ""
) -> str:
    """Return a ds:Reference whose DigestValue is still to come."""
    steps = "".join(
        f'<ds:Transform Algorithm="{step}"><ds:XPath xmlns:ds="{DS}">{xpath}</ds:XPath></ds:Transform>'
        if step == XPATH
        else f'<ds:Transform Algorithm="{step}"/>'
        for step in transforms
    )
    id_text = f' Id="{id_}"' if id_ else ""
    type_text = f' Type="{type_}"' if type_ else ""
    return (
        f'<ds:Reference{id_text}{type_text} URI="{uri}">'
        f"{f'<ds:Transforms>{steps}</ds:Transforms>' if steps else ''}"
        f'<ds:DigestMethod Algorithm="{DIGESTS[digest]}"/><ds:DigestValue>@digest@</ds:DigestValue></ds:Reference>'
    )


def signature(recipe: Recipe, by: Credential, at: datetime, *, id_: str, references: str, content: str = "") -> str:
    """Return the whole element; `references` stand before the ones that XAdES adds, `content` is the enveloped form."""
    if recipe.binding == "key-info":
        references += reference(f"#key-{id_}", (EXCLUSIVE,), recipe.digest)
    if recipe.xades:
        references += reference(
            f"#xades-{id_}",
            (recipe.properties,) if recipe.properties else (),
            recipe.digest,
            type_="http://uri.etsi.org/01903#SignedProperties",
        )
    held = f'<ds:Object Id="object-{id_}">@content@</ds:Object>'
    text = (
        f'<ds:Signature xmlns:ds="{DS}" Id="{id_}"><ds:SignedInfo>'
        f'<ds:CanonicalizationMethod Algorithm="{recipe.signed_info}"/>'
        f'<ds:SignatureMethod Algorithm="{METHODS[method_of(recipe, by)]}"/>'
        f"{references}{''.join(recipe.extra_references)}</ds:SignedInfo>"
        f'<ds:SignatureValue Id="value-{id_}">@signature@</ds:SignatureValue>'
        f"{_key_info(recipe, by, id_)}"
        f"{f'<ds:Object>{_properties(recipe, by, at, id_)}</ds:Object>' if recipe.xades else ''}"
        f"{held if content else ''}"
        "</ds:Signature>"
    )
    if not recipe.prefix:
        text = _default_namespace(text)
    text = text.replace("@content@", content, 1)
    return recipe.rewrite(text) if recipe.rewrite else text


def _key_info(recipe: Recipe, by: Credential, id_: str) -> str:
    parts = ""
    if recipe.key_value and isinstance(by.key, rsa.RSAPrivateKey):
        numbers = by.key.public_key().public_numbers()
        parts += (
            f"<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>{_integer(numbers.n)}</ds:Modulus>"
            f"<ds:Exponent>{_integer(numbers.e)}</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>"
        )
    elif recipe.key_value:
        point = by.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        parts += (
            '<ds:KeyValue><dsig11:ECKeyValue xmlns:dsig11="http://www.w3.org/2009/xmldsig11#">'
            f'<dsig11:NamedCurve URI="urn:oid:{_CURVES[by.key.key_size]}"/>'
            f"<dsig11:PublicKey>{_base64(point)}</dsig11:PublicKey></dsig11:ECKeyValue></ds:KeyValue>"
        )
    shown = {"own": (by.certificate,), "chain": (by.certificate, *by.chain), "none": ()}[recipe.certificates]
    if shown:
        inner = "".join(f"<ds:X509Certificate>{_base64(_der(c))}</ds:X509Certificate>" for c in shown)
        parts += f"<ds:X509Data>{inner}</ds:X509Data>"
    return f'<ds:KeyInfo Id="key-{id_}">{parts}</ds:KeyInfo>' if parts else ""


def _properties(recipe: Recipe, by: Credential, at: datetime, id_: str) -> str:
    moment = recipe.time(at)
    target = f"#{id_}" if recipe.target is None else recipe.target
    role = (
        f"<xades:SignerRole><xades:ClaimedRoles><xades:ClaimedRole>{recipe.claimed_role}</xades:ClaimedRole>"
        "</xades:ClaimedRoles></xades:SignerRole>"
    )
    about = (
        "<xades:SignedDataObjectProperties>"
        f'<xades:DataObjectFormat ObjectReference="#form-{id_}"><xades:MimeType>text/xml</xades:MimeType>'
        "</xades:DataObjectFormat><xades:CommitmentTypeIndication><xades:CommitmentTypeId>"
        "<xades:Identifier>http://uri.etsi.org/01903/v1.2.2#ProofOfApproval</xades:Identifier>"
        "</xades:CommitmentTypeId><xades:AllSignedDataObjects/></xades:CommitmentTypeIndication>"
        "</xades:SignedDataObjectProperties>"
    )
    implied = (
        "<xades:SignaturePolicyIdentifier><xades:SignaturePolicyImplied/></xades:SignaturePolicyIdentifier>"
        if recipe.policy_implied
        else ""
    )
    unsigned = (
        "<xades:UnsignedProperties><xades:UnsignedSignatureProperties>"
        f"{recipe.unsigned}</xades:UnsignedSignatureProperties></xades:UnsignedProperties>"
    )
    return (
        f'<xades:QualifyingProperties xmlns:xades="{XADES}" Target="{target}">'
        f'<xades:SignedProperties Id="xades-{id_}"><xades:SignedSignatureProperties>'
        f"{f'<xades:SigningTime>{moment}</xades:SigningTime>' if moment else ''}"
        f"{_binding(recipe, by)}{implied}{role if recipe.claimed_role else ''}"
        f"</xades:SignedSignatureProperties>{about if recipe.object_format else ''}</xades:SignedProperties>"
        f"{unsigned if recipe.unsigned else ''}</xades:QualifyingProperties>"
    )


def _binding(recipe: Recipe, by: Credential) -> str:
    """XAdES 1.3.2 §7.2.2 and EN 319 132-1 §5.2.2: which certificate it is, said under the signature."""
    if recipe.binding not in ("v1", "v2"):
        return ""
    digest = _base64(hashlib.new(recipe.digest, by.der).digest())
    issuer_serial = (
        "<xades:IssuerSerial>"
        f"<ds:X509IssuerName>{_escape(by.certificate.issuer.rfc4514_string())}</ds:X509IssuerName>"
        f"<ds:X509SerialNumber>{by.certificate.serial_number}</ds:X509SerialNumber></xades:IssuerSerial>"
    )
    name = "SigningCertificate" if recipe.binding == "v1" else "SigningCertificateV2"
    return (
        f'<xades:{name}><xades:Cert><xades:CertDigest><ds:DigestMethod Algorithm="{DIGESTS[recipe.digest]}"/>'
        f"<ds:DigestValue>{digest}</ds:DigestValue></xades:CertDigest>"
        f"{issuer_serial if recipe.binding == 'v1' else ''}</xades:Cert></xades:{name}>"
    )


_CURVES = {256: "1.2.840.10045.3.1.7", 384: "1.3.132.0.34", 521: "1.3.132.0.35"}


def _default_namespace(text: str) -> str:
    """Write xmldsig without a prefix; the XPath keeps its own declaration, for its expression names one."""
    xpath = f'<ds:XPath xmlns:ds="{DS}">'
    text = text.replace(f'<ds:Signature xmlns:ds="{DS}"', f'<Signature xmlns="{DS}"').replace(xpath, "@xpath@")
    return text.replace("<ds:", "<").replace("</ds:", "</").replace("@xpath@", f'<XPath xmlns:ds="{DS}">')


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


def _integer(number: int) -> str:
    return _base64(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
