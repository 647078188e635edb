"""What keeps a partner's certificate from proving anything, or has it prove too much: warnings of `goniec check`.

TLS and WS-Security say no at the door, in words of their own; here an operator is told before, by the partner and the
file.  What TLS refuses is OpenSSL's matter (purpose *sslclient*, security level 2); it follows RFC 5280 §4.2.1.3 and
§4.2.1.12.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from broker.errors import ConfigError
from broker.partner import Coverage, Proof, fingerprint
from broker.verify import certificates
from broker.verify.certificate import EC_BITS, HOSTILE, RSA_BITS, RSA_EXPONENT_BITS, usable
from config.settings import Settings
from config.sources import of_file

Known = TypeVar("Known", bound=x509.ExtensionType)

SOON: Final = timedelta(days=14)  # before a certificate ends
_BY_CERTIFICATE: Final = frozenset({Proof.TLS, Proof.WS_SECURITY})
_TLS: Final = frozenset({Proof.TLS})
_SIGNING: Final = frozenset({Proof.WS_SECURITY})
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)  # of TLS 1.3 (RFC 8446 §4.2.7), and offered in 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A certificate as it stands at a partner."""

    partner: str
    file: Path  # as the configuration names it
    certificate: x509.Certificate

    @property
    def words(self) -> str:
        return f"{self.file}, SHA-256 {fingerprint(self.certificate)}"


def about_certificates(settings: Settings, at: datetime) -> Iterator[str]:
    """Yield which certificates of partners do not count as of `at`, will be refused, or are not one partner's alone."""
    held = list(_held(settings))
    asked = _asked(settings)
    for one in held:
        faults = [*span(one.certificate, at), *(words for by, words in _unfit(one.certificate) if _matters(by, asked))]
        yield from (f"partners.{one.partner}.certificates: {one.words}: {words}" for words in faults)
    yield from _one_key(held)
    if Proof.WS_SECURITY in asked:
        yield from _one_name(held)
        yield from _one_certificate(settings, held)


def span(certificate: x509.Certificate, at: datetime) -> Iterator[str]:
    """Yield that a certificate does not count as of `at`, or only for a few days more."""
    since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if at < since:
        yield f"the certificate does not count before {since:%Y-%m-%dT%H:%M:%SZ}"
    elif at > until:
        yield f"the certificate expired on {until:%Y-%m-%dT%H:%M:%SZ} and does not count any more"
    elif until - at < SOON:
        yield f"the certificate ends on {until:%Y-%m-%dT%H:%M:%SZ}"


def _held(settings: Settings) -> Iterator[_Held]:
    for id_, entry in settings.partners.items():
        for file in entry.certificates:
            try:
                found: Sequence[x509.Certificate] = of_file(settings.path(file), certificates)
            except ConfigError:  # whoever needs the file tells that it cannot be read
                continue
            yield from (_Held(partner=id_, file=file, certificate=one) for one in found)


def _asked(settings: Settings) -> frozenset[Proof]:
    """Return by which of its certificates' uses a partner can prove itself in some way in; both if in none as yet."""
    named = [entry.own().get("proof") for entry in settings.channels.values()]
    asked = frozenset(proof for it in named if isinstance(it, list) for proof in _BY_CERTIFICATE if proof in it)
    return asked or _BY_CERTIFICATE


def _matters(by: frozenset[Proof], asked: frozenset[Proof]) -> bool:
    """Whether anybody is kept out: in TLS a bad certificate ends the connection, whatever else would have proven it."""
    return Proof.TLS in by & asked or asked <= by


# ── what is refused ──


def _unfit(certificate: x509.Certificate) -> Iterator[tuple[frozenset[Proof], str]]:
    """Yield by whom a certificate is refused whenever it is shown, and why."""
    try:
        yield from _bad_key(certificate)
        yield from _bad_purpose(certificate.extensions)
    except HOSTILE as error:
        yield _BY_CERTIFICATE, f"its key or its extensions cannot be read ({type(error).__name__}); ask for another"


def _bad_key(certificate: x509.Certificate) -> Iterator[tuple[frozenset[Proof], str]]:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < RSA_BITS:
            least = f"at least {RSA_BITS} bits"
            yield _BY_CERTIFICATE, f"its RSA key of {key.key_size} bits is refused; ask for one with {least}"
        elif not usable(key):
            most = f"an exponent of at most {RSA_EXPONENT_BITS} bits, as 65537 is"
            yield _SIGNING, f"its RSA key proves nothing in WS-Security; ask for one with {most}"
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, _CURVES):
            by = _TLS if key.key_size >= EC_BITS else _BY_CERTIFICATE
            yield (
                by,
                f"its key is on the curve {key.curve.name}, and TLS takes P-256, P-384 and P-521; ask for one of these",
            )
    elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        yield _SIGNING, "its key is one of EdDSA, which proves nothing in WS-Security; ask for one of RSA or ECDSA"
    else:
        yield _BY_CERTIFICATE, "its key is neither RSA nor of an elliptic curve; ask for such a one"


def _bad_purpose(extensions: x509.Extensions) -> Iterator[tuple[frozenset[Proof], str]]:
    purposes = _value(extensions, x509.ExtendedKeyUsage)
    if purposes is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:
        yield _TLS, "TLS refuses it: its extendedKeyUsage has no clientAuth; ask for a client's certificate"
    usage = _value(extensions, x509.KeyUsage)
    if usage is not None and not (usage.digital_signature or usage.key_agreement):
        yield _TLS, "TLS refuses it: its keyUsage has no digitalSignature; ask for a client's certificate"
    for one in extensions:
        if one.critical and isinstance(one.value, x509.UnrecognizedExtension):
            yield (
                _TLS,
                f"TLS refuses it: its critical extension {one.oid.dotted_string} is unknown",
            )


def _value(extensions: x509.Extensions, kind: type[Known]) -> Known | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


# ── what is not one partner's alone ──


def _one_key(held: Iterable[_Held]) -> Iterator[str]:
    """Yield certificates with one key that are different partners': whoever has the key can be each of them."""
    by_key: defaultdict[bytes, list[_Held]] = defaultdict(list)
    for one in held:
        by_key[_key(one.certificate)].append(one)
    for same in by_key.values():
        holders = _holders(same)
        first = same[0]
        for one in same:
            if holders[fingerprint(one.certificate)] != holders[fingerprint(first.certificate)]:
                yield (
                    f"partners.{one.partner}.certificates: {one.words}: has the key of {first.file} at "
                    f"partners.{first.partner}: whoever holds it can be both, and a message that names its certificate "
                    f"by the key alone (SubjectKeyIdentifier) counts as {first.partner}'s; ask {one.partner} for a key "
                    "of its own"
                )


def _one_name(held: Sequence[_Held]) -> Iterator[str]:
    """Yield certificates with different keys that messages name in one way, and that are different partners'.

    Keys are different where issuers are honest: whoever makes a certificate writes into it what he likes.
    """
    for words, name in (("SubjectKeyIdentifier", _key_id), ("issuer and serial number", _issued)):
        first: dict[object, _Held] = {}
        for one in held:
            meant = name(one.certificate)
            if meant is None:
                continue
            other = first.setdefault(meant, one)
            if other.partner != one.partner and _key(other.certificate) != _key(one.certificate):
                yield (
                    f"partners.{one.partner}.certificates: {one.words}: has the {words} of {other.file} at "
                    f"partners.{other.partner}, and another key: an issuer was careless, or one was made to look like "
                    "the other; compare the fingerprints with both partners. A signature counts as that of whose key "
                    "made it"
                )


def _one_certificate(settings: Settings, held: Sequence[_Held]) -> Iterator[str]:
    """Yield partners that sign the Body alone with a certificate that is another's too."""
    holders = _holders(held)
    for one in held:
        others = sorted(holders[fingerprint(one.certificate)] - {one.partner})
        if others and settings.partners[one.partner].covers is Coverage.BODY:
            yield (
                f"partners.{one.partner}.covers: {one.words} is also that of {', '.join(others)}: without a client's "
                "certificate in TLS IdentyfikatorPodmiotu must be signed too, or nothing says whose message it is"
            )


def _holders(held: Iterable[_Held]) -> Mapping[str, frozenset[str]]:
    """Return which partners have each certificate, by its fingerprint."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for one in held:
        found[fingerprint(one.certificate)].add(one.partner)
    return {key: frozenset(partners) for key, partners in found.items()}


def _key(certificate: x509.Certificate) -> bytes:
    """Return what two certificates of one key have in common; its own octets if the key cannot be read."""
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except HOSTILE:
        return certificate.public_bytes(Encoding.DER)


def _key_id(certificate: x509.Certificate) -> bytes | None:
    try:
        found = _value(certificate.extensions, x509.SubjectKeyIdentifier)
    except HOSTILE:
        return None
    return None if found is None else found.digest


def _issued(certificate: x509.Certificate) -> tuple[bytes, int] | None:
    try:
        return certificate.issuer.public_bytes(), certificate.serial_number
    except HOSTILE:
        return None
