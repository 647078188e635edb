"""Partners with certificates, and the client's side of TLS: what tests of proven senders stand on."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from adapters.testkit.certificates import Authority, Credential, Extra, PrivateKey, distinguished, key
from adapters.wire import wss
from adapters.wire.soap import SOAP11, Version
from broker.partner import Partner

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Cast:
    """A folder with the server's certificate, and credentials for whoever comes.  TLS looks at the machine's clock."""

    folder: Path
    kind: str = "ec-256"

    @cached_property
    def now(self) -> datetime:
        return datetime.now(UTC)

    @cached_property
    def ca(self) -> Authority:
        """Stands above the server, and above every partner: it alone lets nobody in."""
        return Authority.root("Goniec Test Transport CA", self.now, kind=self.kind)

    def server(self, name: str = "server", *, password: bytes | None = None) -> Path:
        """Write the server's certificate and key into one file (`<name>.pem`) and return its path."""
        addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        credential = self._issue(
            self.ca,
            name,
            extras=[
                (x509.SubjectAlternativeName(addresses), False),
                (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            ],
        )
        return self.write(name, credential, password=password)

    def client(self, name: str, *, since: timedelta = -30 * DAY, until: timedelta = 30 * DAY, **how: Any) -> Credential:
        """Return a credential with which a partner may connect, or sign messages."""
        extras: list[Extra] = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)]
        return self._issue(how.pop("authority", self.ca), name, since=since, until=until, extras=extras, **how)

    def self_signed(self, name: str) -> Credential:
        """Return a client's credential that no authority stands above."""
        subject = distinguished(common_name=name, organisation="Goniec test PKI")
        bare = Credential(key=key(name, self.kind), certificate=_named(subject, key(name, self.kind), self.now))
        return self._issue(Authority(credential=bare), name)

    def write(self, name: str, credential: Credential, *, password: bytes | None = None) -> Path:
        """Write a credential into one file: certificate and key."""
        hidden = (
            serialization.BestAvailableEncryption(password) if password is not None else serialization.NoEncryption()
        )
        encoded = credential.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)
        path = self.folder / f"{name}.pem"
        path.write_bytes(credential.pem + encoded)
        return path

    def context(self, credential: Credential | None = None) -> ssl.SSLContext:
        """Return a client's side of TLS: believes our server, proves itself by `credential`."""
        context = ssl.create_default_context(cadata=self.ca.credential.pem.decode())
        if credential is not None:
            name = f"client-{credential.certificate.serial_number:x}"
            context.load_cert_chain(self.write(name, credential))
        return context

    def _issue(
        self,
        authority: Authority,
        name: str,
        *,
        since: timedelta = -30 * DAY,
        until: timedelta = 30 * DAY,
        kind: str = "",
        extras: Sequence[Extra] = (),
    ) -> Credential:
        return authority.issue(
            distinguished(common_name=name, organisation="Goniec test PKI"),
            key(name, kind or self.kind),
            not_before=self.now + since,
            not_after=self.now + until,
            usage=("digital_signature",),
            extras=extras,
        )


def a_partner(id_: str, *credentials: Credential, **about: Any) -> Partner:
    """Return a partner that proves itself by these; its own box is `/<id>/box`."""
    certificates = tuple(one.certificate for one in credentials)
    return Partner(**{"id": id_, "certificates": certificates, "boxes": frozenset({f"/{id_}/box"}), **about})


def signed(envelope: bytes, credential: Credential, at: datetime, version: Version = SOAP11) -> bytes:
    """Return an envelope with a WS-Security signature over Body, Timestamp, token and every header block."""
    return wss.sign(version, envelope, credential.key, credential.certificate, at)


def _named(subject: x509.Name, own: PrivateKey, at: datetime) -> x509.Certificate:
    """Return a certificate that says no more than a name: what `Authority` takes the issuer's name from."""
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(own.public_key())
    builder = builder.serial_number(1).not_valid_before(at - DAY).not_valid_after(at + DAY)
    return builder.sign(own, hashes.SHA256())
