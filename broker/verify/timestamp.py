"""One RFC 3161 time-stamp token: whether it shows that octets existed at a moment, and who says so.

A token is a CMS SignedData over a TSTInfo (RFC 3161 §2.4.2, RFC 5816, EN 319 422).  It is judged from its own octets,
the octets that were stamped, and the anchors; the authority's certificate as of the moment that it states.  Who
asks an authority for a token is elsewhere: nonce and policy are its matter and are only read here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from asn1crypto import cms, tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from broker.verify import path, signature_value
from broker.verify.algorithms import Kind, Scheme
from broker.verify.certificate import Certificate, distinct, load
from broker.verify.fault import Fault
from broker.verify.path import Path
from broker.verify.trust import PublicKey, TrustSnapshot

_LARGEST: Final = 30_000  # octets of a token; real ones have 2,000 to 8,000
_CERTIFICATES: Final = 10
_ATTRIBUTES: Final = 20  # signed ones; real tokens have four or five
_AHEAD: Final = timedelta(minutes=5)  # by which two clocks may disagree
_DIGESTS: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
# What an ESSCertID may name a certificate by.  SHA-1 only picks one of those at hand: no signature hangs on it.
_NAMING: Final = frozenset({"sha1", *_DIGESTS})
_KINDS: Final[dict[str, Kind]] = {"rsassa_pkcs1v15": "rsa", "rsassa_pss": "rsa-pss", "ecdsa": "ecdsa"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeStamp:
    """What a token that holds says."""

    at: datetime  # genTime, UTC
    by: str  # the time-stamping unit: its certificate's subject, RFC 4514
    certificate: Certificate
    path: Path  # the first; whether a certificate of it is revoked was not asked
    paths: Callable[[], Iterator[Path]]  # all that hold at its moment, the first too
    policy: str  # dotted
    nonce: int | None


def verify(token: bytes, stamped: bytes, trust: TrustSnapshot, at: datetime | None = None) -> TimeStamp:
    """Return what a token says about the octets `stamped`; raise Fault with one of the codes `verify.timestamp-…`.

    `at` is the moment now, if it is known: a token from the future is refused.  Revocation of the unit's certificate
    is left to whoever has evidence: `TimeStamp.path` is what to ask about.
    """
    if len(token) > _LARGEST:
        raise Fault("verify.timestamp-unreadable")
    try:
        return _judge(_Token(token), stamped, trust, at)
    except Fault:
        raise
    except Exception as error:  # a library reads hostile octets, and late: whatever it raises means no token
        raise Fault("verify.timestamp-unreadable") from error


class _Token:
    """A token, taken apart."""

    def __init__(self, octets: bytes) -> None:
        content = cms.ContentInfo.load(octets, strict=True)
        if content["content_type"].native != "signed_data":
            raise Fault("verify.timestamp-unreadable")
        signed = content["content"]
        held = signed["encap_content_info"]
        if held["content_type"].native != "tst_info" or len(signed["signer_infos"]) != 1:
            raise Fault("verify.timestamp-unreadable")
        self.octets = bytes(held["content"])
        self.info = tsp.TSTInfo.load(self.octets, strict=True)
        self.signer = signed["signer_infos"][0]
        if len(self.signer["signed_attrs"]) > _ATTRIBUTES:
            raise Fault("verify.timestamp-unreadable")
        ders = [it.chosen.dump() for it in signed["certificates"] if it.name == "certificate"]
        if len(ders) > _CERTIFICATES:
            raise Fault("verify.timestamp-unreadable")
        try:
            self.certificates = distinct(ders)
        except Fault as fault:
            raise Fault("verify.timestamp-unreadable", hint=fault.code) from fault

    def attribute(self, name: str) -> Any:
        """Return the one value of a signed attribute, None if there is none; raise Fault if there are several."""
        values = [it for it in self.signer["signed_attrs"] if it["type"].native == name]
        if not values:
            return None
        if len(values) > 1 or len(values[0]["values"]) != 1:
            raise Fault("verify.timestamp-unreadable")
        return values[0]["values"][0]


def _judge(token: _Token, stamped: bytes, trust: TrustSnapshot, at: datetime | None) -> TimeStamp:
    said = token.info["gen_time"].native.astimezone(UTC)
    _require_imprint(token, stamped)
    signer = _signer(token, [*token.certificates, *_at_hand(trust)])
    _require_signature(token, signer)
    _require_unit(signer)
    if at is not None and said > at + _AHEAD:
        raise Fault("verify.timestamp-future")
    paths = partial(
        path.find_all, signer, [it for it in token.certificates if it is not signer], trust, said, stamps=True
    )
    try:
        found = next(paths())
    except Fault as fault:
        raise Fault("verify.timestamp-untrusted", hint=fault.code) from fault
    return TimeStamp(
        at=said,
        by=signer.report.subject,
        certificate=signer,
        path=found,
        paths=paths,
        policy=token.info["policy"].dotted,
        nonce=token.info["nonce"].native,
    )


def _require_imprint(token: _Token, stamped: bytes) -> None:
    imprint = token.info["message_imprint"]
    name = imprint["hash_algorithm"]["algorithm"].native
    if name not in _DIGESTS:
        raise Fault("verify.timestamp-algorithm")
    if imprint["hashed_message"].native != hashlib.new(name, stamped).digest():
        raise Fault("verify.timestamp-imprint")


def _at_hand(trust: TrustSnapshot) -> Iterable[Certificate]:
    """Return the certificates that the operator named: a token need not bring its unit's own (RFC 3161 §2.4.1)."""
    yield from (load(anchor.der) for anchor in trust.anchors)
    yield from (load(it.public_bytes(Encoding.DER)) for it in trust.intermediates)


def _signer(token: _Token, known: Sequence[Certificate]) -> Certificate:
    """Return the certificate that the token binds by its signing-certificate attribute (RFC 5816 §2.2.1)."""
    second, first = token.attribute("signing_certificate_v2"), token.attribute("signing_certificate")
    binding = second if second is not None else first
    if binding is None:
        raise Fault("verify.timestamp-unreadable")
    one = binding["certs"][0]
    name = one["hash_algorithm"]["algorithm"].native if second is not None else "sha1"
    if name not in _NAMING:
        raise Fault("verify.timestamp-algorithm")
    bound = one["cert_hash"].native
    match = next((it for it in known if hashlib.new(name, it.der).digest() == bound), None)
    if match is None or not _names(token.signer["sid"], match):
        raise Fault("verify.timestamp-untrusted", hint="verify.signing-certificate-mismatch")
    return match


def _names(sid: Any, certificate: Certificate) -> bool:
    """Whether the signer's identifier is that of the certificate."""
    if sid.name == "issuer_and_serial_number":
        issuer = certificate.x509.issuer.public_bytes(Encoding.DER)
        same = sid.chosen["serial_number"].native == certificate.x509.serial_number
        return bool(same and sid.chosen["issuer"].dump() == issuer)
    own = certificate.x509.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return bool(sid.chosen.native == own.digest)


def _require_signature(token: _Token, signer: Certificate) -> None:
    """Raise Fault unless the signed attributes hold the TSTInfo's digest and the unit's key signed them."""
    info = token.signer
    kind = token.attribute("content_type")
    digest = token.attribute("message_digest")
    name = info["digest_algorithm"]["algorithm"].native
    if kind is None or kind.native != "tst_info" or digest is None:
        raise Fault("verify.timestamp-unreadable")
    if name not in _DIGESTS:
        raise Fault("verify.timestamp-algorithm")
    if digest.native != hashlib.new(name, token.octets).digest() or signer.key is None:
        raise Fault("verify.timestamp-signature")
    scheme = _scheme(info["signature_algorithm"], name)
    value = info["signature"].native
    try:
        raw = _raw(signer.key, value) if scheme.kind == "ecdsa" else value
        # RFC 5652 §5.4: signed as a SET OF, whatever tag they bear in the token.
        signature_value.check(signer.key, scheme, raw, info["signed_attrs"].untag().dump())
    except (Fault, ValueError, OverflowError) as error:
        raise Fault("verify.timestamp-signature") from error


def _scheme(algorithm: Any, digest: str) -> Scheme:
    kind = _KINDS.get(algorithm.signature_algo)
    named = algorithm["algorithm"].native
    if kind is None:
        raise Fault("verify.timestamp-algorithm")
    # Plain rsaEncryption names no digest: then it is that of the attributes (RFC 5754 §3.2).
    name = digest if named == "rsassa_pkcs1v15" else algorithm.hash_algo
    if name not in _DIGESTS:
        raise Fault("verify.timestamp-algorithm")
    return Scheme(kind, _DIGESTS[name])


def _raw(key: PublicKey, value: bytes) -> bytes:
    """Turn the DER of CMS into R‖S, as XML signatures write it."""
    if not isinstance(key, EllipticCurvePublicKey):
        raise Fault("verify.key-mismatch")
    size = (key.key_size + 7) // 8
    r, s = decode_dss_signature(value)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def _require_unit(signer: Certificate) -> None:
    """Raise Fault unless the key is for time-stamping and for nothing else (RFC 3161 §2.3)."""
    try:
        purposes = signer.x509.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound as error:
        raise Fault("verify.timestamp-usage") from error
    if not purposes.critical or list(purposes.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise Fault("verify.timestamp-usage")
