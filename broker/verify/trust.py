"""Whom the offices trust: anchors, as an immutable snapshot.

Loaders take bytes; who reads files or fetches lists is not known here.  A snapshot is replaced, never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_public_key

from broker.errors import ConfigError
from broker.evidence import AnchorReport, Level, ServiceReport
from broker.verify.qualified import Service, is_qualified

PublicKey = RSAPublicKey | EllipticCurvePublicKey

REVOCATION_OFF = "off"
REVOCATION_REQUIRED = "require"
FRESHNESS = timedelta(hours=36)
"""By default: qualified providers publish lists at least once in 24 hours (EN 319 411-2 §6.2.4)."""
_POLICIES = (REVOCATION_OFF, REVOCATION_REQUIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A certificate that is trusted because the operator says so, or a trusted list that the operator believes.

    Either a CA, or a signer's own certificate (pinned).  `platform_seal` marks the seal of podpis zaufany, or a
    CA that issues nothing but such seals: under it, and only under it, the person named in a ClaimedRole is
    believed (DOMAIN §5).  Never set it for a CA that issues to anybody else: its customers could claim to be
    anyone.
    """

    certificate: x509.Certificate
    name: str
    level: Level = Level.LOCAL
    platform_seal: bool = False
    services: tuple[Service, ...] = ()  # a list's: when it counts, and for what; none: always, for its `level`

    @property
    def der(self) -> bytes:
        """The certificate, DER."""
        return self.certificate.public_bytes(Encoding.DER)

    def counts(self, at: datetime) -> bool:
        """Whether paths may end here at a moment: an operator's anchor always, a list's while it is granted."""
        return not self.services or any(it.covers(at) for it in self.services)

    def report(self, at: datetime) -> AnchorReport:
        """Return by whose word it counts at a moment."""
        services = [ServiceReport(territory=it.territory, name=it.name) for it in self.services if it.covers(at)]
        return AnchorReport(name=self.name, services=tuple(dict.fromkeys(services)))

    def level_of(self, certificate: x509.Certificate, at: datetime) -> Level:
        """Return what a signature with a certificate below this anchor is worth at a moment."""
        return Level.QUALIFIED if self.services and is_qualified(certificate, self.services, at) else self.level


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrustSnapshot:
    """What paths are judged against.  Two snapshots are never equal: caches hang on this very one.

    `intermediates` help to build a path and are trusted for nothing; `timestamp_anchors` are the time-stamping
    authorities of trusted lists; `revocation` names the policy and stands in every report.  Under `require` every
    certificate below an anchor needs proof that it is not revoked.  `freshness` is how old the proof for a signer may
    be, and how old any that names no next update.
    """

    anchors: tuple[Anchor, ...] = ()
    timestamp_anchors: tuple[Anchor, ...] = ()
    intermediates: tuple[x509.Certificate, ...] = ()
    revocation: str = REVOCATION_OFF
    freshness: timedelta = FRESHNESS

    def __post_init__(self) -> None:
        if self.revocation not in _POLICIES:
            known = " and ".join(_POLICIES)
            raise ConfigError([f"revocation policy {self.revocation!r} is not known; known are {known}"])
        if self.freshness <= timedelta(0):
            raise ConfigError(["freshness of revocation evidence must be more than nothing"])


def certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a PEM text; raise ConfigError if it holds none or one cannot be read."""
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        # The library's own words go on with a link to its questions and answers.
        words = str(error).partition(". See http")[0]
        raise ConfigError([f"no certificates in PEM: {words}"]) from error


def anchors(
    pem: bytes, *, name: str = "", level: Level = Level.LOCAL, platform_seal: bool = False
) -> tuple[Anchor, ...]:
    """Return every certificate of a PEM text as an anchor, by default named for its subject; raise ConfigError."""
    return tuple(
        Anchor(
            certificate=certificate,
            name=name or certificate.subject.rfc4514_string(),
            level=level,
            platform_seal=platform_seal,
        )
        for certificate in certificates(pem)
    )


def public_keys(pems: Sequence[bytes]) -> tuple[PublicKey, ...]:
    """Return the public keys of PEM texts that hold a key or a certificate each; raise ConfigError."""
    keys: list[PublicKey] = []
    problems: list[str] = []
    for number, pem in enumerate(pems, start=1):
        try:
            if b"BEGIN CERTIFICATE" in pem:
                key: object = x509.load_pem_x509_certificate(pem).public_key()
            else:
                key = load_pem_public_key(pem)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            problems.append(f"key {number}: {error}")
            continue
        if isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
            keys.append(key)
        else:
            problems.append(f"key {number}: neither RSA nor an elliptic curve")
    if problems:
        raise ConfigError(problems)
    return tuple(keys)
