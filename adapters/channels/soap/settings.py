"""What can be said about the SOAP way in, and the rule about who may reach it."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from pydantic import Field

from adapters.wire.kind import KindSettings


class SoapSettings(KindSettings):
    """Settings of a channel of kind `soap`; sizes in bytes, times in seconds."""

    listen: str = "127.0.0.1:8080"
    """Address and port; port 0 takes a free one, which the event `soap.listening` names."""

    public_url: str = ""
    """Where senders reach the services, without their names: `https://goniec.example/ws` serves
    `https://goniec.example/ws/skrytka`.  Written into the WSDL; never taken from a request.  May be empty on
    loopback: then it is the address listened on."""

    allow_unauthenticated_senders_beyond_loopback: bool = False
    """Senders are believed to be who they say they are.  Beyond loopback that must be wanted in so many words."""

    threads: int = Field(default=32, ge=1, le=1_000)
    """Messages worked on at once.  They mostly wait for the store, which commits them in groups."""

    connections: int = Field(default=1_000, ge=1)
    """Open connections; one more is told to come back later."""

    buffered: int = Field(default=400_000_000, ge=1_000_000)
    """Bytes of messages held in memory over all connections; over it senders are told to come back later."""

    patience: float = Field(default=20, gt=0)
    """How long the head of a request may take, and its body beyond what `slowest` gives it."""

    slowest: int = Field(default=16_000, ge=1)
    """Bytes a second that a body must at least arrive with."""

    keep_alive: float = Field(default=30, gt=0)
    """How long a connection may idle between two messages."""

    drain: float = Field(default=60, gt=0)
    """How long a stop waits for messages that have begun to arrive."""

    @property
    def endpoint(self) -> tuple[str, int]:
        """The address and the port to listen on; raises ValueError if `listen` is no such thing."""
        parts = urlsplit(f"//{self.listen}")
        if not parts.hostname or parts.port is None or parts.netloc != self.listen or parts.username is not None:
            raise ValueError(self.listen)
        return parts.hostname, parts.port


def problems(settings: SoapSettings) -> list[str]:
    """Return what is wrong with the settings taken together; nothing if all is well."""
    try:
        host, _ = settings.endpoint
    except ValueError:
        return [f"listen: {settings.listen!r} is not an address and a port, e.g. 127.0.0.1:8080 or [::1]:8080"]
    found = []
    if not loopback(host) and not settings.allow_unauthenticated_senders_beyond_loopback:
        found.append(
            f"listen: {host} can be reached from other machines, and senders are not authenticated; "
            "set allow_unauthenticated_senders_beyond_loopback = true if that is what you want"
        )
    public = urlsplit(settings.public_url)
    if settings.public_url and (
        public.scheme not in {"http", "https"} or not public.hostname or public.query or public.fragment
    ):
        found.append(f"public_url: {settings.public_url!r} is not an http or https address without ? and #")
    if not settings.public_url and not loopback(host):
        found.append("public_url: must be said when listening beyond loopback, for it stands in the WSDL")
    return found


def loopback(host: str) -> bool:
    """Whether an address can only be reached from this machine.  A name is not looked up: only one is known."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
