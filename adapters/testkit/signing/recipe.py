"""What a test signature is to look like: every shape of DOMAIN §5, and every way of getting it wrong.

A recipe is a value; the presets are the shapes met in the field.  What no field describes is made by `rewrite`,
which changes the signature's text *before* digests and signature value are computed, so that the mathematics of
a bad signature is right and only the badness under test is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
C14N_COMMENTS = C14N + "#WithComments"
C14N11 = "http://www.w3.org/2006/12/xml-c14n11"
C14N11_COMMENTS = C14N11 + "#WithComments"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
EXCLUSIVE_COMMENTS = EXCLUSIVE + "WithComments"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"

DIGESTS = {
    "sha1": "http://www.w3.org/2000/09/xmldsig#sha1",
    "sha256": "http://www.w3.org/2001/04/xmlenc#sha256",
    "sha384": "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "sha512": "http://www.w3.org/2001/04/xmlenc#sha512",
}
METHODS = {
    "rsa-sha1": "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
    "hmac-sha1": "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
    **{f"rsa-{h}": f"http://www.w3.org/2001/04/xmldsig-more#rsa-{h}" for h in ("sha256", "sha384", "sha512")},
    **{f"ecdsa-{h}": f"http://www.w3.org/2001/04/xmldsig-more#ecdsa-{h}" for h in ("sha256", "sha384", "sha512")},
    **{f"hmac-{h}": f"http://www.w3.org/2001/04/xmldsig-more#hmac-{h}" for h in ("sha256", "sha384", "sha512")},
    **{f"pss-{h}": f"http://www.w3.org/2007/05/xmldsig-more#{h}-rsa-MGF1" for h in ("sha256", "sha384", "sha512")},
}


def zulu(at: datetime) -> str:
    """Write a moment as UTC with Z and whole seconds, as qualified signing software does."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def with_offset(at: datetime) -> str:
    """Write a moment with milliseconds and its own offset, as podpis zaufany does."""
    return at.isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One kind of signature.  The defaults give XAdES baseline B, enveloped."""

    enveloping: bool = False  # the signature is the root and holds the form in a ds:Object
    transforms: tuple[str, ...] = (ENVELOPED, EXCLUSIVE)  # of the Reference to the form
    xpath: str = "not(ancestor-or-self::ds:Signature)"
    uri: str | None = None  # of the Reference to the form; None is the right one
    signed_info: str = EXCLUSIVE  # CanonicalizationMethod
    properties: str = EXCLUSIVE  # transform of the Reference to SignedProperties; empty: no transform
    digest: str = "sha256"
    method: str = ""  # a key of METHODS; empty: what fits the key, with SHA-256
    xades: bool = True  # False: a plain XMLDSig
    binding: str = "v2"  # SigningCertificateV2; "v1" SigningCertificate; "key-info" a signed KeyInfo; "none"
    certificates: str = "own"  # in X509Data: "own", "chain", or "none"
    key_value: bool = False  # write the bare public key into KeyInfo
    time: Callable[[datetime], str] = zulu  # how SigningTime is written; an empty answer leaves it out
    claimed_role: str = ""  # XML inside ClaimedRole
    policy_implied: bool = False
    object_format: bool = False  # DataObjectFormat and a commitment, as the public signing service writes them
    target: str | None = None  # QualifyingProperties/@Target; None is the right one
    extra_references: tuple[str, ...] = ()  # XML; a DigestValue of "@digest@" is filled in
    unsigned: str = ""  # XML inside UnsignedSignatureProperties
    prefix: str = "ds"  # empty: xmldsig as the default namespace
    rewrite: Callable[[str], str] | None = None  # changes the text before anything is computed


BASELINE = Recipe()
"""XAdES baseline B as libraries write it today."""

PODPIS_ZAUFANY = Recipe(transforms=(XPATH,), binding="v1", policy_implied=True, time=with_offset)
"""Podpis zaufany: the platform's seal; the person goes into `claimed_role` (see `roles.py`)."""

QUALIFIED = Recipe(transforms=(XPATH,), binding="v1", certificates="chain", object_format=True)
"""A qualified signature as the public signing service makes it, the whole chain in X509Data."""

ENVELOPING = Recipe(enveloping=True, transforms=(EXCLUSIVE,))
"""The form as XML inside the signature's ds:Object."""

PLAIN = Recipe(xades=False, binding="none", transforms=(ENVELOPED, C14N), signed_info=C14N)
"""XMLDSig without XAdES, for partners of old (`goniec verify --profile basic`)."""
