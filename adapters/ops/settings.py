"""What can be said about the endpoint for monitoring."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from pydantic import model_validator

from adapters.wire.kind import KindSettings
from adapters.wire.reach import on_loopback

LAST_PORT: Final = 65535  # RFC 9293, 3.1: a port has 16 bits


class OpsSettings(KindSettings):
    """The endpoint for monitoring; without `listen` there is none."""

    listen: str = ""  # address and port; the worker's number is added to the port, 0 takes a free one
    beyond_loopback: bool = False  # it proves nobody and speaks no TLS: only behind something that does

    @model_validator(mode="after")
    def _reachable(self) -> OpsSettings:
        if self.listen:
            host, _ = self.address
            if not on_loopback(host) and not self.beyond_loopback:
                raise ValueError(
                    f"listen: {host} can be reached from other machines; if that is meant, set beyond_loopback = true"
                )
        return self

    @property
    def address(self) -> tuple[str, int]:
        """The address and the port; raises ValueError if `listen` is no such thing."""
        parts = urlsplit(f"//{self.listen}")
        if not parts.hostname or parts.port is None or parts.netloc != self.listen or parts.username is not None:
            raise ValueError(f"listen: {self.listen!r} is not an address and a port, e.g. 127.0.0.1:9464")
        return parts.hostname, parts.port

    def port_of(self, worker: int) -> int:
        """Return the port of a worker, the first of which is 0: each has one of its own, 0 takes a free one."""
        _, port = self.address
        return port + worker if port else 0
