"""A seal whose key lies in a file: PKCS#12, or PEM (key, certificate, and what stands above it, in any order).

The key is loaded once, when the seal is made; sealing touches no file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from pydantic import model_validator

from adapters.seals.xades import PrivateKey, sign
from adapters.wire.kind import Kind, KindSettings, Surroundings
from broker.errors import ConfigError, Unavailable
from broker.parse import Limits, read
from broker.ports import Clock, Seal

_RSA_BITS, _EC_BITS = 2048, 256  # what a verifier takes (DOMAIN §5)
_CURVES = ec.SECP256R1, ec.SECP384R1, ec.SECP521R1  # for which it is known which of two values counts


class Settings(KindSettings):
    """Where the key lies.  The password comes from a file (its first line) or an environment variable."""

    file: Path
    password_file: Path | None = None
    password_variable: str = ""

    @model_validator(mode="after")
    def _one_password(self) -> Settings:
        if self.password_file is not None and self.password_variable:
            raise ValueError("password_file and password_variable exclude each other")
        return self


class FileSeal:
    """Seals with a key held in memory.  May be called by many threads.

    `chain` is the signer's certificate and those above it, without a self-signed root.  Raises ConfigError when
    it is made with what cannot seal at that moment.
    """

    def __init__(self, key: PrivateKey, chain: Sequence[x509.Certificate], clock: Clock) -> None:
        self._key = key
        self._clock = clock
        self.chain = tuple(c for i, c in enumerate(chain) if i == 0 or c.subject != c.issuer)
        problems = _problems(key, self.certificate, clock())
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
        at = self._clock()
        if not _valid(self.certificate, at):
            raise Unavailable("the certificate of the seal is not valid now")
        try:
            return sign(read(unsigned, Limits()), self._key, self.chain, at)
        except Unavailable:
            raise
        except Exception as error:
            # signxml lets foreign exceptions through, and what it was given is the broker's own text: whatever
            # fails here, a Rejection of the parser too, must not be blamed on the sender.
            raise Unavailable(f"the seal failed: {type(error).__name__}") from error


def make(settings: Settings, around: Surroundings) -> FileSeal:
    """Load key and certificate; raise ConfigError with every reason why they cannot seal."""
    password = _password(settings, around.folder)
    path = around.folder / settings.file
    key, chain = _load(_content(path), password, path)
    return FileSeal(key, chain, around.clock)


KIND: Kind[Seal] = Kind(settings=Settings, make=make)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error


def _password(settings: Settings, folder: Path) -> bytes | None:
    if settings.password_file is not None:
        lines = _content(folder / settings.password_file).splitlines()
        return lines[0] if lines else b""
    if not settings.password_variable:
        return None
    if settings.password_variable not in os.environ:
        raise ConfigError([f"password_variable: {settings.password_variable} is not set in the environment"])
    return os.environ[settings.password_variable].encode()


def _load(data: bytes, password: bytes | None, path: Path) -> tuple[PrivateKey, list[x509.Certificate]]:
    try:
        if b"-----BEGIN" in data:
            key: object = serialization.load_pem_private_key(data, password)
            found = x509.load_pem_x509_certificates(data)
        else:
            key, certificate, others = pkcs12.load_key_and_certificates(data, password)
            found = [certificate, *others] if certificate is not None else []
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # The library tells a wrong password and a broken file apart only by its words.
        raise ConfigError([f"{path}: no key could be read: wrong password, or neither PKCS#12 nor PEM"]) from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ConfigError([f"{path}: holds no RSA or elliptic-curve key"])
    own = [c for c in found if c.public_key() == key.public_key()]
    if not own:
        raise ConfigError([f"{path}: holds no certificate for its key"])
    return key, _above(own[0], found)


def _above(own: x509.Certificate, found: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """Put what stands above in order, nearest first; what does not belong to the path is left out."""
    path = [own]
    while path[-1].subject != path[-1].issuer:
        above = next((c for c in found if c.subject == path[-1].issuer and c not in path), None)
        if above is None:
            break
        path.append(above)
    return path


def _problems(key: PrivateKey, certificate: x509.Certificate, at: datetime) -> list[str]:
    problems = []
    least = _RSA_BITS if isinstance(key, rsa.RSAPrivateKey) else _EC_BITS
    if key.key_size < least:
        problems.append(f"the seal's key has {key.key_size} bits, at least {least} are needed")
    if isinstance(key, ec.EllipticCurvePrivateKey) and not isinstance(key.curve, _CURVES):
        problems.append(f"the seal's key is on the curve {key.curve.name}; P-256, P-384 and P-521 are taken")
    if at < certificate.not_valid_before_utc:
        problems.append(f"the seal's certificate is not valid before {certificate.not_valid_before_utc.isoformat()}")
    if at > certificate.not_valid_after_utc:
        problems.append(f"the seal's certificate expired on {certificate.not_valid_after_utc.isoformat()}")
    if not _may_sign(certificate):
        problems.append("the seal's certificate is not for signing (digitalSignature or nonRepudiation)")
    return problems


def _valid(certificate: x509.Certificate, at: datetime) -> bool:
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True  # RFC 5280 §4.2.1.3: without the extension the key is not restricted
    return usage.digital_signature or usage.content_commitment
