"""How a receipt and an evidence container are sealed: XAdES baseline B (DESIGN §2, EN 319 132-1).

A container's signature is laid out by `broker/asic.py`.  A receipt's is enveloped, and signxml builds it; the
mathematics of both alone is a `Signer`'s, whose key may lie in a file or in a token.  Three things that signxml does
differently are set right here: it leaves out the transforms by which SignedProperties and KeyInfo were canonicalised
(others would then use inclusive C14N and fail), it asks the system for the time, and
it keeps state, so that one signer must not serve twice (it would grow for ever).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.xades.xades import XAdESDataObjectFormat, XAdESSigner

from adapters.seals import certificate as certificates
from adapters.wire.kind import SealLost
from broker.asic import ContainedFile, Unsigned
from broker.errors import ConfigError, Unavailable
from broker.parse import Limits, read
from broker.ports import Clock
from broker.verify.signature_value import lesser
from broker.verify.trust import PublicKey

DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'

_DS = "{http://www.w3.org/2000/09/xmldsig#}"
_XADES = "{http://uri.etsi.org/01903/v1.3.2#}"
_WHAT = XAdESDataObjectFormat(Description="UPO", MimeType="text/xml")


class Signer(Protocol):
    """A private key, wherever it lies.  May be called by many threads."""

    @property
    def public_key(self) -> PublicKey:
        """What its values are checked with."""
        ...

    def sign(self, octets: bytes) -> bytes:
        """Return the signature value as XMLDSig writes it: RSA PKCS#1 v1.5, or ECDSA's R‖S; SHA-256 in both.

        Raises Unavailable.
        """
        ...


class _Key:
    """What signxml takes for a private key: it asks for no more than this."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self.key_size = signer.public_key.key_size

    def sign(self, octets: bytes, **_how: Any) -> bytes:
        """Return the value as `cryptography` would: of the two that ECDSA allows, the one that readers take."""
        key = self._signer.public_key
        value = lesser(key, self._signer.sign(octets))
        if value is None:
            raise ValueError("no signature value of this key")
        if isinstance(key, rsa.RSAPublicKey):
            return value
        half = len(value) // 2
        return encode_dss_signature(int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big"))


class _Signer(XAdESSigner):
    """Signs once, at the moment it was made for."""

    def __init__(self, at: datetime, **about: Any) -> None:
        super().__init__(data_object_format=_WHAT, **about)
        self._at = at

    def add_signing_time(self, signed_signature_properties: Any, sig_root: Any, signing_settings: Any) -> None:  # noqa: ARG002
        """Write the broker's time, not the system's."""
        moment = etree.SubElement(signed_signature_properties, f"{_XADES}SigningTime")
        moment.text = self._at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _add_reference_to_signed_info(self, sig_root: Any, node_to_reference: Any, **attrs: str) -> None:
        """Write the transform too: without it a reader canonicalises inclusively (XMLDSig §4.4.3.2)."""
        info: etree._Element = sig_root.find(f"{_DS}SignedInfo")
        reference = etree.SubElement(info, f"{_DS}Reference", attrs, URI=f"#{node_to_reference.get('Id')}")
        transforms = etree.SubElement(reference, f"{_DS}Transforms")
        etree.SubElement(transforms, f"{_DS}Transform", Algorithm=self.c14n_alg.value)
        etree.SubElement(reference, f"{_DS}DigestMethod", Algorithm=self.digest_alg.value)
        octets = self._c14n(node_to_reference, algorithm=self.c14n_alg)
        digest = self._get_digest(octets, algorithm=self.digest_alg)
        value = etree.SubElement(reference, f"{_DS}DigestValue")
        value.text = b64encode(digest).decode()


def sign(root: etree._Element, signer: Signer, chain: Sequence[x509.Certificate], at: datetime) -> bytes:
    """Return the document with the signature as its root's last child; the signer's certificate comes first.

    The bytes are the canonical octets (exclusive C14N, no comments) under an XML declaration: so a receipt that
    was written anew by other software can be told from the one that was issued, without having that one at hand.
    """
    once = _Signer(
        at,
        signature_algorithm=_method(signer),
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    # KeyValue beside a certificate would be a second, unproven word on the key.
    key: Any = _Key(signer)
    sealed = once.sign(root, key=key, cert=list(chain), always_add_key_value=False)
    return DECLARATION + etree.tostring(sealed, method="c14n", exclusive=True, with_comments=False)


def sign_files(
    files: Sequence[ContainedFile], signer: Signer, chain: Sequence[x509.Certificate], at: datetime
) -> bytes:
    """Return META-INF/signatures001.xml of a container of these files; the signer's certificate comes first."""
    ders = tuple(one.public_bytes(serialization.Encoding.DER) for one in chain)
    unsigned = Unsigned(files=tuple(files), chain=ders, at=at, method=_method(signer).value)
    value = lesser(signer.public_key, signer.sign(unsigned.to_sign))
    if value is None:
        raise ValueError("no signature value of this key")
    return unsigned.signed(value)


def _method(signer: Signer) -> SignatureMethod:
    rsa_key = isinstance(signer.public_key, rsa.RSAPublicKey)
    return SignatureMethod.RSA_SHA256 if rsa_key else SignatureMethod.ECDSA_SHA256


class XadesSeal:
    """Seals with a signer's key.  May be called by many threads.

    `chain` is the signer's certificate and those above it, without a self-signed root; `doubts` are for who checks
    the configuration.  Raises ConfigError when it is made with what cannot seal at that moment.
    """

    def __init__(
        self, signer: Signer, chain: Sequence[x509.Certificate], clock: Clock, *, doubts: Sequence[str] = ()
    ) -> None:
        self._signer = signer
        self._clock = clock
        self.chain = tuple(c for i, c in enumerate(chain) if i == 0 or c.subject != c.issuer)
        self.doubts = tuple(doubts)
        at = clock()
        problems = certificates.problems(self.certificate, at)
        if certificates.public_key(self.certificate) != signer.public_key:
            problems.append("the seal's certificate is not for its key")
        if problems and problems == certificates.ended(self.certificate, at):
            raise SealLost(problems)
        if problems:
            raise ConfigError(problems)

    @property
    def certificate(self) -> x509.Certificate:
        """The seal's own certificate."""
        return self.chain[0]

    @property
    def pem(self) -> bytes:
        """The seal's certificate and those above it, for who wants to check receipts."""
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in self.chain)

    def seal(self, unsigned: bytes) -> bytes:
        """Sign; raise Unavailable when the certificate is not valid now: a receipt under it would prove nothing."""
        return self._signed(lambda at: sign(read(unsigned, Limits()), self._signer, self.chain, at))

    def seal_files(self, files: Sequence[ContainedFile]) -> bytes:
        """Sign, as `broker.asic.ContainerSeal` says."""
        return self._signed(lambda at: sign_files(files, self._signer, self.chain, at))

    def _signed(self, made: Callable[[datetime], bytes]) -> bytes:
        at = self._clock()
        if not certificates.valid(self.certificate, at):
            raise Unavailable("the certificate of the seal is not valid now")
        try:
            return made(at)
        except Unavailable:
            raise
        except Exception as error:
            # signxml lets foreign exceptions through, and what it was given is the broker's own text: whatever
            # fails here, a Rejection of the parser too, must not be blamed on the sender.
            raise Unavailable(f"the seal failed: {type(error).__name__}") from error
