"""A seal whose key lies in a file: PKCS#12, or PEM (key, certificate, and what stands above it, in any order).

The key is loaded once, when the seal is made; sealing touches no file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import pkcs12

from adapters.seals.certificate import above, of_pem, public_key, readable
from adapters.seals.xades import XadesSeal
from adapters.wire.kind import Kind, SealInHand, SealLost, Surroundings
from adapters.wire.secret import SecretFile, WithPassword
from broker.errors import ConfigError
from broker.ports import Clock
from broker.verify.trust import PublicKey

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_LABEL: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_COUNT: Final = {2: "two", 3: "three"}
_ENCRYPTED: Final = "its key is encrypted: say the password by password_file or password_variable"
_CLEAR: Final = "its key is not encrypted: leave password_file and password_variable out"
_SHUT: Final = "the password does not open it, or it is damaged"
_NO_KEY: Final = "holds no RSA or elliptic-curve key"


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

    def __init__(
        self, key: PrivateKey, chain: Sequence[x509.Certificate], clock: Clock, *, doubts: Sequence[str] = ()
    ) -> None:
        super().__init__(FileKey(key), chain, clock, doubts=doubts)


def make(settings: Settings, around: Surroundings) -> FileSeal:
    """Load key and certificate; raise ConfigError with every reason why they cannot seal."""
    path = around.folder / settings.file.expanduser()
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise SealLost([f"{path}: {error.strerror}"]) from error
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    password = settings.password(around.folder)
    secret = password.get_secret_value().encode() if password else None
    try:
        loaded = _of_pem(content, secret) if b"-----BEGIN" in content else _of_pkcs12(content, secret)
        return FileSeal(loaded.key, loaded.chain, around.clock, doubts=[f"{path}: {one}" for one in loaded.doubts])
    except _Unreadable as no:
        raise ConfigError([f"{path}: {no}"]) from no


KIND: Kind[SealInHand] = Kind(settings=Settings, make=make)


class _Unreadable(Exception):
    """The file holds no seal; its words say why."""


class _Loaded(NamedTuple):
    key: PrivateKey
    chain: list[x509.Certificate]
    doubts: tuple[str, ...] = ()


def _of_pem(data: bytes, password: bytes | None) -> _Loaded:
    labels = _LABEL.findall(data)
    keys = [label for label in labels if label.endswith(b"PRIVATE KEY")]
    _require_both(any(keys), any(label.endswith(b"CERTIFICATE") for label in labels))
    try:
        key = serialization.load_pem_private_key(data, password)
    except TypeError as error:
        raise _Unreadable(_ENCRYPTED if password is None else _CLEAR) from error
    except ValueError as error:
        raise _Unreadable(_SHUT if password is not None else "its key is damaged, or of a kind not known") from error
    except UnsupportedAlgorithm as error:
        raise _Unreadable(_NO_KEY) from error
    doubts = (f"holds {_COUNT.get(len(keys), len(keys))} keys: the first counts",) if len(keys) > 1 else ()
    return _Loaded(*_matched(key, of_pem(data)), doubts)


def _of_pkcs12(data: bytes, password: bytes | None) -> _Loaded:
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(data, password)
    except ValueError as error:  # only its words tell what is wrong, and they are the library's own affair
        unsaid = "no key could be read: it needs a password (password_file or password_variable), or it is no PKCS#12"
        raise _Unreadable(_SHUT if password is not None else unsaid) from error
    except (TypeError, UnsupportedAlgorithm) as error:
        raise _Unreadable(_NO_KEY) from error
    found = [*([certificate] if certificate else []), *others]
    _require_both(key is not None, bool(found))
    return _Loaded(*_matched(key, readable(one.public_bytes(serialization.Encoding.DER) for one in found)))


def _require_both(key: bool, certificate: bool) -> None:
    if key and not certificate:
        raise _Unreadable("holds a key and no certificate: put the seal's certificate into the same file")
    if certificate and not key:
        raise _Unreadable("holds certificates and no private key")
    if not key:
        raise _Unreadable("holds neither a private key nor a certificate")


def _matched(key: object, found: list[x509.Certificate]) -> tuple[PrivateKey, list[x509.Certificate]]:
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise _Unreadable(_NO_KEY)
    own = next((one for one in found if public_key(one) == key.public_key()), None)
    if own is None:
        raise _Unreadable("holds no certificate for its key")
    return key, above(own, found)
