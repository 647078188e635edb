"""The address of a RabbitMQ as a setting gives it, and what can be told from it without connecting."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

import pika
from pydantic import SecretStr

from adapters.wire.secret import SecretFile, WithPassword
from broker.errors import ConfigError

HEARTBEAT: Final = 60  # seconds; two missed ones and the other side is taken for dead
_LACKS: Final = "names a user without a password: password_file or password_variable says where it is"


class AmqpAddress(WithPassword):
    """The settings of everything that talks to a RabbitMQ; paths are relative to the configuration's folder."""

    url: SecretStr  # amqp:// or amqps://, with user and virtual host; the password is better named beside it
    ca: Path | None = None  # PEM files, for amqps
    certificate: Path | None = None
    key: SecretFile | None = None  # unencrypted; when it is not in the certificate's file

    def parameters(self, folder: Path, *, name: str) -> pika.connection.Parameters:
        """Return what to connect by; `name` shows up in RabbitMQ's list of connections.  Raises ConfigError."""
        return parameters_of(
            self.url.get_secret_value(),
            name=name,
            password=self.password(folder),
            ca=self.ca and folder / self.ca,
            certificate=self.certificate and folder / self.certificate,
            key=self.key and folder / self.key,
        )


def parameters_of(
    url: str,
    *,
    name: str,
    password: SecretStr | None = None,
    ca: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
) -> pika.connection.Parameters:
    """Read the address of a RabbitMQ; `name` shows up in its list of connections, the rest is for TLS.

    Raises ConfigError, which neither quotes the address nor keeps it in its cause: it may hold a password.
    """
    if not url.startswith(("amqp://", "amqps://")):
        raise ConfigError(["url: must begin with amqp:// or amqps://"])
    problem, parameters = _read(url, password)
    if parameters is None:
        raise ConfigError([f"url: {problem}"])
    if parameters.ssl_options is not None:
        parameters.ssl_options = pika.SSLOptions(_tls(ca, certificate, key), parameters.host)
    if parameters.heartbeat is None:
        parameters.heartbeat = HEARTBEAT
    parameters.connection_attempts = 1
    parameters.client_properties = {"connection_name": name}
    return parameters


def _read(url: str, password: SecretStr | None) -> tuple[str, pika.connection.Parameters | None]:
    """Return what is wrong with the address, or what it says; foreign errors, which quote it, end here."""
    try:
        who = urlsplit(url)
        if who.username is not None and who.password is None and password is None:
            return _LACKS, None
        if password is not None and (who.username is None or who.password is not None):
            return "with a password beside it, it must name a user and no password of its own", None
        if password is not None:
            user, _, host = who.netloc.rpartition("@")
            secret = quote(password.get_secret_value(), safe="")
            url = urlunsplit(who._replace(netloc=f"{user}:{secret}@{host}"))
        parameters = pika.URLParameters(url)
    except (ValueError, TypeError) as error:
        return f"{type(error).__name__}, it cannot be read", None
    return "", parameters


def _tls(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
        if certificate:
            context.load_cert_chain(certificate, key, password=_encrypted)
    except (OSError, ValueError) as error:
        raise ConfigError([f"ca, certificate, key: {type(error).__name__}, they cannot be read"]) from error
    return context


def _encrypted() -> str:
    """Stand in for the prompt on the terminal that OpenSSL would open for an encrypted key."""
    raise ValueError("the key is encrypted")
