"""A seal whose key lies in a file: PKCS#12, or PEM (key, certificate, and what stands above it, in any order).

The key is loaded once, when the seal is made; sealing touches no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import pkcs12

from adapters.seals.certificate import above
from adapters.seals.xades import XadesSeal
from adapters.wire.kind import Kind, SealInHand, Surroundings
from adapters.wire.secret import SecretFile, WithPassword
from broker.errors import ConfigError
from broker.ports import Clock
from broker.verify.trust import PublicKey

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Settings(WithPassword):
    """Where the key lies."""

    file: SecretFile


class FileKey:
    """A key held in memory."""

    def __init__(self, key: PrivateKey) -> None:
        self._key = key
        self.public_key: PublicKey = key.public_key()

    def sign(self, octets: bytes) -> bytes:
        """Sign, as `Signer` says."""
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(octets, padding.PKCS1v15(), hashes.SHA256())
        size = (self._key.key_size + 7) // 8
        r, s = decode_dss_signature(self._key.sign(octets, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")


class FileSeal(XadesSeal):
    """Seals with a key held in memory."""

    def __init__(self, key: PrivateKey, chain: Sequence[x509.Certificate], clock: Clock) -> None:
        super().__init__(FileKey(key), chain, clock)


def make(settings: Settings, around: Surroundings) -> FileSeal:
    """Load key and certificate; raise ConfigError with every reason why they cannot seal."""
    password = settings.password(around.folder)
    path = around.folder / settings.file.expanduser()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    key, chain = _load(content, password.get_secret_value().encode() if password else None, path)
    return FileSeal(key, chain, around.clock)


KIND: Kind[SealInHand] = Kind(settings=Settings, make=make)


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
    return key, above(own[0], found)
