"""What TLS is made of: the server's certificate and key, and the certificates by which partners prove themselves.

An SSLContext is never changed: when a file or the partners change, a new one is made, and connections that come from
then on use it.  It lets in whom a partner may be, no more: whether the certificate is valid now and whose it is, is
judged for each message (`sender.py`), so that a partner that is taken away, or whose certificate ends while its
connection is open, is refused all the same and told why.
Sources: RFC 8446; RFC 9325 (what of TLS 1.2 is still sound).
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final, cast

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.channels.soap.files import NO_KEYS, Keys, stamp
from adapters.channels.soap.settings import SoapSettings
from adapters.wire.secret import secret
from broker.errors import ConfigError
from broker.partner import Partners, Proof
from broker.ports import Clock

log = structlog.get_logger(__name__)

# RFC 9325 §4.2: forward secrecy and authenticated encryption.  TLS 1.3 has suites of its own.  Level 2 of security, in
# which no key counts that is shorter than RSA's of 2048 bits (§4.5), whatever this OpenSSL was built with.
CIPHERS: Final = "@SECLEVEL=2:ECDHE+AESGCM:ECDHE+CHACHA20"
# OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python does not name: of an expired certificate the partner is told by
# its code, not by an alert that most clients show as "handshake failure".
_NO_CHECK_TIME: Final = 0x200000
_REASONS: Final = {"KEY_VALUES_MISMATCH": "the key is not the certificate's"}  # OpenSSL's words, in ours
WARNING: Final = timedelta(days=14)  # before the server's own certificate ends


class Tls:
    """The newest good context.  `refresh` is called by one thread; `context` may be read by any."""

    def __init__(
        self,
        settings: SoapSettings,
        *,
        folder: Path,
        partners: Callable[[], Partners],
        clock: Clock,
        channel: str,
        keys: Keys = NO_KEYS,
    ) -> None:
        """Make the first context; raise ConfigError if the files do not make one."""
        if settings.certificate is None:
            raise ConfigError(["certificate: must be given"])
        self._settings = settings
        self._folder = folder
        self._certificate = folder / settings.certificate
        self._key = folder / (settings.key or settings.certificate)
        self._partners = partners
        self._clock = clock
        self._channel = channel
        self._keys = keys
        self._asks = Proof.TLS in settings.proofs  # for a client's certificate
        self._seen = self._state()
        self.context = self._make()

    def refresh(self) -> None:
        """Make the context anew if a file or the partners have changed; what does not go together changes nothing."""
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            self._keys.insist_on_secrecy(self._certificate, self._key)
            self.context = self._make()
        except ConfigError as wrong:
            # A certificate is renewed in two steps, so this is seen between them: the second brings us here again.
            log.error("soap.tls-kept-old", channel=self._channel, problems=wrong.problems)  # noqa: TRY400 - they say it all
        else:
            log.info("soap.tls-renewed", channel=self._channel)

    def _make(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        self._load(context)
        if self._asks:
            # No list of authorities goes out with the request: partners' certificates are pinned one by one, and
            # from a list clients would choose by issuer.
            context.verify_mode = ssl.CERT_OPTIONAL
            flags = int(context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN) | _NO_CHECK_TIME
            context.verify_flags = cast("ssl.VerifyFlags", flags)
            pinned = b"".join(one.public_bytes(Encoding.DER) for one in self._partners().certificates)
            if pinned:
                context.load_verify_locations(cadata=pinned)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        settings = self._settings
        found = secret(self._folder, settings.key_password_file, settings.key_password_variable, name="key_password")
        # Without a password OpenSSL would ask for one on the terminal.
        password = "" if found is None else found.get_secret_value()
        for name, path in (("certificate", self._certificate), ("key", self._key)):
            _demand_readable(name, path)
        try:
            context.load_cert_chain(self._certificate, self._key, password=lambda: password)
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None)
            words = _REASONS.get(reason or "", reason or "no PEM, or the key's password is wrong")
            raise ConfigError([f"certificate, key: {self._certificate}, {self._key}: {words}"]) from error
        self._warn(self._certificate)

    def _warn(self, file: Path) -> None:
        """Tell an operator that the server's certificate ends soon."""
        until = x509.load_pem_x509_certificates(file.read_bytes())[0].not_valid_after_utc
        if until - self._clock() < WARNING:
            log.warning("soap.certificate-ends", channel=self._channel, until=until.isoformat())

    def _state(self) -> tuple[object, ...]:
        """Return what the context is made from: equal as long as nothing has changed."""
        # A snapshot of the partners is immutable and equal to itself alone.
        files = self._certificate, self._key
        return *(stamp(file) for file in files), *self._keys.exposed(*files), self._partners()


def client_key(line: ssl.SSLObject | None) -> str:
    """Return the SHA-256 of the certificate by which a client has proven itself in TLS, hexadecimal; "" without one."""
    certificate = line.getpeercert(binary_form=True) if line is not None else None
    return hashlib.sha256(certificate).hexdigest() if certificate else ""


def _demand_readable(name: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{name}: {path}: {error.strerror}"]) from error
