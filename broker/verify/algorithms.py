"""Which algorithms are taken, and how each that is not is called.

Closed lists: what stands in no table here is refused as unknown.  Identifiers are those of XMLDSig 1.1 §6,
RFC 6931 and Exclusive C14N §4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from cryptography.hazmat.primitives import hashes

from broker.verify.fault import Fault

_DS: Final = "http://www.w3.org/2000/09/xmldsig#"
_DSIG11: Final = "http://www.w3.org/2009/xmldsig11#"
_MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
_MORE_2007: Final = "http://www.w3.org/2007/05/xmldsig-more#"
_ENC: Final = "http://www.w3.org/2001/04/xmlenc#"


# ── canonicalisation ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Method:
    """One of the canonicalisation methods, with its prefixes (exclusive only)."""

    uri: str
    exclusive: bool = False
    comments: bool = False
    version11: bool = False
    prefixes: tuple[str, ...] = ()


INCLUSIVE: Final = Method("http://www.w3.org/TR/2001/REC-xml-c14n-20010315")
EXCLUSIVE: Final = Method("http://www.w3.org/2001/10/xml-exc-c14n#", exclusive=True)

METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {
        method.uri: method
        for method in (
            INCLUSIVE,
            Method(INCLUSIVE.uri + "#WithComments", comments=True),
            Method("http://www.w3.org/2006/12/xml-c14n11", version11=True),
            Method("http://www.w3.org/2006/12/xml-c14n11#WithComments", comments=True, version11=True),
            EXCLUSIVE,
            Method(EXCLUSIVE.uri + "WithComments", exclusive=True, comments=True),
        )
    }
)

# ── transforms ───────────────────────────────────────────────────────────────────────────────────────────

ENVELOPED: Final = _DS + "enveloped-signature"
XPATH: Final = "http://www.w3.org/TR/1999/REC-xpath-19991116"

_REFUSED_TRANSFORMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "http://www.w3.org/TR/1999/REC-xslt-19991116": "verify.transform-xslt",
        "http://www.w3.org/2002/06/xmldsig-filter2": "verify.transform-filter2",
        "http://www.w3.org/2002/07/decrypt#XML": "verify.transform-decrypt",
        "http://www.w3.org/2002/07/decrypt#Binary": "verify.transform-decrypt",
        "http://www.w3.org/2001/04/decrypt#": "verify.transform-decrypt",
        _DS + "base64": "verify.transform-base64",
    }
)


def refused_transform(uri: str) -> Fault:
    """Return the fault for a transform that is not taken."""
    return Fault(_REFUSED_TRANSFORMS.get(uri, "verify.transform-unknown"), algorithm=uri)


# ── digests ──────────────────────────────────────────────────────────────────────────────────────────────

_DIGESTS: Final[Mapping[str, str]] = MappingProxyType(
    {_ENC + "sha256": "sha256", _MORE + "sha384": "sha384", _ENC + "sha512": "sha512"}
)


def digest(uri: str) -> str:
    """Return the digest's name as hashlib knows it; raise Fault."""
    name = _DIGESTS.get(uri)
    if name is not None:
        return name
    if uri == _DS + "sha1":
        raise Fault("verify.digest-sha1")
    if uri == _MORE + "md5":
        raise Fault("verify.digest-md5")
    raise Fault("verify.digest-unknown", algorithm=uri)


# ── signatures ───────────────────────────────────────────────────────────────────────────────────────────


Kind = Literal["rsa", "rsa-pss", "ecdsa"]

_KINDS: Final[tuple[tuple[str, Kind], ...]] = (
    (_MORE + "rsa-{}", "rsa"),
    (_MORE_2007 + "{}-rsa-MGF1", "rsa-pss"),
    (_MORE + "ecdsa-{}", "ecdsa"),
)


@dataclass(frozen=True, slots=True)
class Scheme:
    """A signature algorithm: the kind of key, the padding and the digest."""

    kind: Kind
    digest: hashes.HashAlgorithm


_SCHEMES: Final[Mapping[str, Scheme]] = MappingProxyType(
    {
        uri.format(name): Scheme(kind, algorithm)
        for name, algorithm in (("sha256", hashes.SHA256()), ("sha384", hashes.SHA384()), ("sha512", hashes.SHA512()))
        for uri, kind in _KINDS
    }
)


def scheme(uri: str) -> Scheme:
    """Return the signature algorithm; raise Fault."""
    known = _SCHEMES.get(uri)
    if known is not None:
        return known
    name = uri.rpartition("#")[2].lower() if uri.startswith((_DS, _DSIG11, _MORE, _MORE_2007)) else ""
    if "hmac" in name:  # before the digests: a secret that both sides know proves nothing, whatever the digest
        raise Fault("verify.signature-hmac")
    if "md5" in name:
        raise Fault("verify.signature-md5")
    if "sha1" in name:
        raise Fault("verify.signature-sha1")
    if name.startswith("dsa"):
        raise Fault("verify.signature-dsa")
    raise Fault("verify.signature-algorithm-unknown")
