"""What can be said about the SOAP way in, and the rules about who may reach it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from adapters.wire.kind import KindSettings
from adapters.wire.reach import on_loopback
from adapters.wire.secret import SecretFile, exclusive
from broker.partner import Proof


class SoapSettings(KindSettings):
    """Settings of a channel of kind `soap`; sizes in bytes, times in seconds."""

    listen: str = "127.0.0.1:8080"
    """Address and port; port 0 takes a free one, which the event `soap.listening` names."""

    public_url: str = ""
    """Where senders reach the services, without their names: `https://goniec.example/ws` serves
    `https://goniec.example/ws/skrytka`.  Written into the WSDL; never taken from a request.  May be empty on
    loopback: then it is the address listened on."""

    proof: tuple[Literal["tls", "ws-security"], ...] = ()
    """How a sender may prove who it is; any one of those listed is enough.  None: senders are believed, which is
    possible on loopback only."""

    certificate: Path | None = None
    """The server's certificate and those above it, PEM; with it the channel speaks TLS.  Read again when it changes."""

    key: SecretFile | None = None
    """Its private key, PEM; in the certificate's file by default."""

    key_password_file: SecretFile | None = None
    key_password_variable: str = ""

    signing_certificate: Path | None = None
    """Signs answers for partners with `sign_replies`; PEM."""

    signing_key: SecretFile | None = None
    """Its private key; in the certificate's file by default."""

    signing_password_file: SecretFile | None = None
    signing_password_variable: str = ""

    threads: int = Field(default=32, ge=1, le=1_000)
    """Messages worked on at once.  They mostly wait for the store, which commits them in groups."""

    connections: int = Field(default=1_000, ge=1)
    """Open connections.  One more takes the place of that which has been unproven for longest; where there is none,
    it is told to come back later.  A partner without `connections` of its own may have a quarter of them, or three if
    it is the only one with a certificate."""

    connections_per_address: int = Field(default=100, ge=1)
    """Of these, from one address (IPv6: one /64) while it is not proven who is there.  Not counted where senders are
    believed."""

    head: int = Field(default=32_768, ge=4_096)
    """Bytes of a request's line and header fields."""

    fields: int = Field(default=100, ge=20)
    """Header fields of a request."""

    buffered: int = Field(default=400_000_000, ge=1_000_000)
    """Bytes of messages held in memory over all connections; over it senders are told to come back later.  Those who
    are not proven get half of it together, and one address of them a quarter; one partner a quarter, or three if it is
    the only one with a certificate; each always one message."""

    patience: float = Field(default=20, gt=0)
    """How long TLS may take to begin, how long the head of a request, and its body beyond what `slowest` gives it."""

    slowest: int = Field(default=16_000, ge=1)
    """Bytes a second that a body must at least arrive with."""

    keep_alive: float = Field(default=30, gt=0)
    """How long a connection may idle between two messages."""

    drain: float = Field(default=60, gt=0)
    """How long a stop waits for messages that have begun to arrive."""

    @model_validator(mode="after")
    def _one_place(self) -> SoapSettings:
        exclusive(self.key_password_file, self.key_password_variable, name="key_password")
        exclusive(self.signing_password_file, self.signing_password_variable, name="signing_password")
        return self

    @property
    def endpoint(self) -> tuple[str, int]:
        """The address and the port to listen on; raises ValueError if `listen` is no such thing."""
        parts = urlsplit(f"//{self.listen}")
        if not parts.hostname or parts.port is None or parts.netloc != self.listen or parts.username is not None:
            raise ValueError(self.listen)
        return parts.hostname, parts.port

    @property
    def proofs(self) -> frozenset[Proof]:
        """`proof`, as the core names them."""
        return frozenset(map(Proof, self.proof))


def problems(settings: SoapSettings) -> list[str]:
    """Return what is wrong with the settings taken together; nothing if all is well."""
    try:
        host, _ = settings.endpoint
    except ValueError:
        return [f"listen: {settings.listen!r} is not an address and a port, e.g. 127.0.0.1:8080 or [::1]:8080"]
    return [*_reach(settings, host), *_files(settings), *_public(settings, host)]


def _reach(settings: SoapSettings, host: str) -> list[str]:
    """Return what is wrong with who can reach the channel: beyond loopback only proven senders, and only by TLS."""
    found = []
    if not on_loopback(host) and not settings.proof:
        found.append(
            f"proof: {host} can be reached from other machines, so senders must prove who they are; "
            'set proof = ["tls"], ["ws-security"] or both'
        )
    if not on_loopback(host) and settings.certificate is None:
        found.append(f"certificate: {host} can be reached from other machines, so the channel must speak TLS")
    if "tls" in settings.proof and settings.certificate is None:
        found.append('certificate: must be given, for with proof = ["tls"] the channel must speak TLS')
    return found


def _files(settings: SoapSettings) -> list[str]:
    """Return which files are named without those that they belong to."""
    given = settings.model_fields_set
    needs = {
        "key": "certificate",
        "key_password_file": "certificate",
        "key_password_variable": "certificate",
        "signing_key": "signing_certificate",
        "signing_password_file": "signing_certificate",
        "signing_password_variable": "signing_certificate",
    }
    return [
        f"{name}: of no use without {other}" for name, other in needs.items() if name in given and other not in given
    ]


def _public(settings: SoapSettings, host: str) -> list[str]:
    found = []
    public = urlsplit(settings.public_url)
    if settings.public_url and (
        public.scheme not in {"http", "https"} or not public.hostname or public.query or public.fragment
    ):
        found.append(f"public_url: {settings.public_url!r} is not an http or https address without ? and #")
    elif public.scheme == "http" and settings.certificate is not None:
        found.append("public_url: begins with http:, but the channel speaks TLS")
    if not settings.public_url and not on_loopback(host):
        found.append("public_url: must be said when listening beyond loopback, for it stands in the WSDL")
    return found
