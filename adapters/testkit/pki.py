"""A public key infrastructure to test with: nothing it makes is worth anything to anybody.

It looks like what offices meet (DOMAIN §5): a qualified-like CA with persons and an organisation's seal, the
public signing platform with its own CA, a local CA that the offices run themselves, a CA that nobody trusts,
and the broker's seal.  The caller gives the moment, so that "expired" and "not yet valid" are exact.

    pki = Pki(now)
    sign(form, pki.person)                       # a credential: key, certificate, what stands above it
    pki.write(Path("var/demo/pki"))              # PEM files, keys readable by their owner only

Credentials are made when first asked for.  Keys are made once a process and role, so a second `Pki` is cheap.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from adapters.testkit.certificates import (
    QC_PERSON,
    QC_SEAL,
    Authority,
    Credential,
    Extra,
    Person,
    distinguished,
    key,
    statements_of,
)

YEAR, DAY = timedelta(days=365), timedelta(days=1)

JAN = Person(given="JAN", family="TESTOWY", pesel="90010100016", born=date(1990, 1, 1), account="jtestowy")
ZOFIA = Person(given="ZOFIA", family="PRÓBNA-ŻÓŁĆ", pesel="85022800027", born=date(1985, 2, 28), account="zprobna")
ORGANISATION_NIP = "5250000009"


_SEALING = ("digital_signature", "content_commitment")


@dataclass(frozen=True, kw_only=True)
class Pki:
    """The whole cast, valid around `at`.  `keys` is the kind of the end entities' keys."""

    at: datetime
    keys: str = "rsa-2048"
    cas: str = "rsa-2048"

    # ── authorities ──

    @cached_property
    def qualified_ca(self) -> Authority:
        """Stands for a qualified trust service provider."""
        return Authority.root("Goniec Test Qualified CA", self.at, kind=self.cas)

    @cached_property
    def platform_ca(self) -> Authority:
        """Stands above the public signing platform's seal (podpis zaufany)."""
        return Authority.root("Goniec Test Platform CA", self.at, kind=self.cas)

    @cached_property
    def local_ca(self) -> Authority:
        """Run by the offices themselves, trusted by them alone (CC SEKAP was one)."""
        return Authority.root("Goniec Test Local CA", self.at, kind=self.cas)

    @cached_property
    def seal_ca(self) -> Authority:
        """Stands above the broker's seal."""
        return Authority.root("Goniec Test Seal CA", self.at, kind=self.cas)

    @cached_property
    def untrusted_ca(self) -> Authority:
        """Configured nowhere."""
        return Authority.root("Goniec Test Stranger CA", self.at, kind=self.cas)

    # ── end entities ──

    @cached_property
    def person(self) -> Credential:
        """A person with a qualified certificate: usage nonRepudiation only, as such certificates have."""
        return self.personal(self.qualified_ca, JAN)

    @cached_property
    def other_person(self) -> Credential:
        """Another person of the same CA; Polish letters in the name."""
        return self.personal(self.qualified_ca, ZOFIA)

    @cached_property
    def organisation(self) -> Credential:
        """An organisation's qualified seal: organizationIdentifier VATPL-…, no given name or surname."""
        subject = distinguished(common_name="Zakład Próbny", organisation="Zakład Próbny", vat=ORGANISATION_NIP)
        return self._end(self.qualified_ca, "organisation", subject, usage=_SEALING, extras=[statements_of(QC_SEAL)])

    @cached_property
    def platform(self) -> Credential:
        """The public signing platform's seal: the person is in the ClaimedRole, not in the certificate."""
        subject = distinguished(common_name="Goniec Test Podpis Zaufany", organisation="Goniec test PKI")
        return self._end(self.platform_ca, "platform", subject, usage=_SEALING)

    @cached_property
    def local_person(self) -> Credential:
        """A person known to the local CA."""
        return self.personal(self.local_ca, JAN)

    @cached_property
    def other_local_person(self) -> Credential:
        """Another person known to the local CA."""
        return self.personal(self.local_ca, ZOFIA)

    @cached_property
    def stranger(self) -> Credential:
        """A person who is known to a CA that nobody trusts, under the name of an honest one."""
        return self.personal(self.untrusted_ca, JAN)

    @cached_property
    def expired(self) -> Credential:
        """A qualified person whose certificate ended a day before `at`."""
        return self.personal(self.qualified_ca, JAN, not_before=self.at - YEAR / 2, not_after=self.at - DAY)

    @cached_property
    def not_yet_valid(self) -> Credential:
        """A qualified person whose certificate begins a day after `at`."""
        return self.personal(self.qualified_ca, JAN, not_before=self.at + DAY, not_after=self.at + YEAR)

    @cached_property
    def short_key(self) -> Credential:
        """A qualified person with an RSA key of 1024 bits, which is too short."""
        return self.personal(self.qualified_ca, JAN, kind="rsa-1024")

    @cached_property
    def elliptic_person(self) -> Credential:
        """A qualified person with an elliptic-curve key (P-256)."""
        return self.personal(self.qualified_ca, JAN, kind="ec-256")

    @cached_property
    def seal(self) -> Credential:
        """The broker's own seal, with which receipts are signed."""
        subject = distinguished(common_name="Goniec Test Seal", organisation="Goniec", vat=ORGANISATION_NIP)
        return self._end(self.seal_ca, "seal", subject, usage=_SEALING)

    @cached_property
    def next_seal(self) -> Credential:
        """The seal that follows the first one: another key under the same name."""
        subject = distinguished(common_name="Goniec Test Seal", organisation="Goniec", vat=ORGANISATION_NIP)
        return self._end(self.seal_ca, "next-seal", subject, usage=_SEALING)

    @cached_property
    def transport_ca(self) -> Authority:
        """Stands above what connections are made with; anchors nothing that a document bears."""
        return Authority.root("Goniec Test Transport CA", self.at, kind=self.cas)

    @cached_property
    def server(self) -> Credential:
        """The broker's own certificate for TLS, on this machine."""
        names = [x509.DNSName("localhost"), *(x509.IPAddress(ip_address(it)) for it in ("127.0.0.1", "::1"))]
        extras = [(x509.SubjectAlternativeName(names), False), _purpose(ExtendedKeyUsageOID.SERVER_AUTH)]
        subject = distinguished(common_name="localhost", organisation="Goniec")
        return self._end(self.transport_ca, "server", subject, usage=("digital_signature",), extras=extras)

    @cached_property
    def partner(self) -> Credential:
        """A partner's certificate: for TLS, and to sign SOAP messages with."""
        subject = distinguished(common_name="Goniec Test Partner", organisation="Portal")
        extras = [_purpose(ExtendedKeyUsageOID.CLIENT_AUTH)]
        return self._end(self.transport_ca, "partner", subject, usage=("digital_signature",), extras=extras)

    def personal(
        self,
        authority: Authority,
        person: Person,
        *,
        kind: str = "",
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        usage: Sequence[str] = ("content_commitment",),
        extras: Sequence[Extra] | None = None,
    ) -> Credential:
        """Return a certificate of a person; several for one person and kind share their key."""
        subject = distinguished(
            common_name=f"{person.given} {person.family}",
            given=person.given,
            family=person.family,
            serial=f"PNOPL-{person.pesel}",
        )
        return authority.issue(
            subject,
            key(f"{authority.credential.certificate.subject} {person.pesel}", kind or self.keys),
            not_before=not_before or self.at - YEAR / 2,
            not_after=not_after or self.at + YEAR,
            usage=usage,
            extras=[statements_of(QC_PERSON)] if extras is None else extras,
            person=person,
        )

    def _end(
        self, authority: Authority, role: str, subject: x509.Name, *, usage: Sequence[str], extras: Sequence[Extra] = ()
    ) -> Credential:
        return authority.issue(
            subject,
            key(role, self.keys),
            not_before=self.at - YEAR / 2,
            not_after=self.at + 2 * YEAR,
            usage=usage,
            extras=extras,
        )

    # ── files ──

    def write(self, folder: Path) -> None:
        """Write anchors (`*-ca.pem`) and credentials (`<name>.pem`, `<name>.key`) into `folder`.

        Keys and the seal's bundle (`seal.bundle.pem`: key, certificate, chain) get mode 0600.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for stem in ("qualified-ca", "platform-ca", "local-ca", "seal-ca", "untrusted-ca", "transport-ca"):
            authority: Authority = getattr(self, stem.replace("-", "_"))
            (folder / f"{stem}.pem").write_bytes(authority.credential.pem)
        for stem in (
            "person",
            "other-person",
            "organisation",
            "platform",
            "local-person",
            "stranger",
            "expired",
            "not-yet-valid",
            "seal",
            "server",
            "partner",
        ):
            credential: Credential = getattr(self, stem.replace("-", "_"))
            (folder / f"{stem}.pem").write_bytes(credential.pem)
            _write_secret(folder / f"{stem}.key", credential.key_pem)
        _write_secret(folder / "seal.bundle.pem", self.seal.bundle)


def _purpose(name: x509.ObjectIdentifier) -> Extra:
    return x509.ExtendedKeyUsage([name]), False


def _write_secret(path: Path, data: bytes) -> None:
    """Create the file unreadable to others from the first moment on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
