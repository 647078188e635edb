"""The address of a RabbitMQ as a setting gives it, and what can be told from it without connecting."""

from __future__ import annotations

import ipaddress
import ssl
from typing import Final
from urllib.parse import urlsplit

import pika

from broker.errors import ConfigError

HEARTBEAT: Final = 60  # seconds; two missed ones and the other side is taken for dead


def parameters_of(
    url: str, *, name: str, ca: str = "", certificate: str = "", key: str = ""
) -> pika.connection.Parameters:
    """Read the address of a RabbitMQ; `name` shows up in its list of connections, the rest are paths for TLS.

    Raises ConfigError, which never quotes the address: it may hold a password.
    """
    if not url.startswith(("amqp://", "amqps://")):
        raise ConfigError(["url: must begin with amqp:// or amqps://"])
    try:
        who = urlsplit(url)
        if who.username is not None and who.password is None:
            raise ConfigError(["url: names a user without a password; both can come from the environment"])
        parameters = pika.URLParameters(url)
        if parameters.ssl_options is not None:
            context = ssl.create_default_context(cafile=ca or None)
            if certificate:
                context.load_cert_chain(certificate, key or None)
            parameters.ssl_options = pika.SSLOptions(context, parameters.host)
    except (ValueError, TypeError, OSError) as error:
        raise ConfigError([f"url: {type(error).__name__}, it cannot be read or its certificates cannot"]) from error
    if parameters.heartbeat is None:
        parameters.heartbeat = HEARTBEAT
    parameters.connection_attempts = 1
    parameters.client_properties = {"connection_name": name}
    return parameters


def on_loopback(host: str) -> bool:
    """Tell whether a host can only be this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
