"""The key by which answers are signed (WS-Security) for partners that ask for it.

Read again when its files change, as the server's own certificate is (`tls.py`).
"""

from __future__ import annotations

from pathlib import Path

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from adapters.channels.soap.files import NO_KEYS, Keys, stamp
from adapters.channels.soap.settings import SoapSettings
from adapters.wire import wss
from adapters.wire.secret import secret
from adapters.wire.soap import Version
from broker.errors import ConfigError
from broker.ports import Clock

log = structlog.get_logger(__name__)

Pair = tuple[rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, x509.Certificate]


class ReplySigner:
    """Signs answers.  `sign` may be called by many threads, `refresh` by one."""

    def __init__(
        self, settings: SoapSettings, *, folder: Path, clock: Clock, channel: str, keys: Keys = NO_KEYS
    ) -> None:
        """Load the key; raise ConfigError if it cannot sign."""
        if settings.signing_certificate is None:
            raise ConfigError(["signing_certificate: must be given"])
        self._settings = settings
        self._folder = folder
        self._clock = clock
        self._channel = channel
        self._keys = keys
        self._certificate = folder / settings.signing_certificate
        self._key = folder / (settings.signing_key or settings.signing_certificate)
        self._seen = self._stamps()
        self._pair = self._load()

    def sign(self, version: Version, envelope: bytes) -> bytes:
        """Return the envelope, signed."""
        key, certificate = self._pair
        return wss.sign(version, envelope, key, certificate, self._clock())

    def refresh(self) -> None:
        """Load the key anew if its files have changed; what does not go together changes nothing."""
        seen = self._stamps()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._keys.insist_on_secrecy(self._certificate, self._key)
            self._pair = self._load()
        except ConfigError as wrong:
            log.error("soap.signing-kept-old", channel=self._channel, problems=wrong.problems)  # noqa: TRY400 - they say it all
        else:
            log.info("soap.signing-renewed", channel=self._channel)

    def _stamps(self) -> tuple[object, ...]:
        files = self._certificate, self._key
        return *(stamp(file) for file in files), *self._keys.exposed(*files)

    def _load(self) -> Pair:
        settings = self._settings
        found = secret(
            self._folder, settings.signing_password_file, settings.signing_password_variable, name="signing_password"
        )
        password = None if found is None else found.get_secret_value().encode()
        where = f"signing_certificate, signing_key: {self._certificate}, {self._key}"
        try:
            certificate = x509.load_pem_x509_certificates(self._certificate.read_bytes())[0]
            key = load_pem_private_key(self._key.read_bytes(), password)
        except OSError as error:
            raise ConfigError([f"{where}: {error.strerror}"]) from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigError([f"{where}: no PEM, or the key's password is wrong"]) from error
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise ConfigError([f"{where}: holds no RSA or elliptic-curve key"])
        if certificate.public_key() != key.public_key():
            raise ConfigError([f"{where}: the key is not the certificate's"])
        return key, certificate
