"""Partners: who may connect, how each proves who it is, and what it may do.

A channel establishes *credentials* (this certificate answered in TLS, this certificate signed the message, RabbitMQ
vouches for this user) and hears a *claim* (`IdentyfikatorPodmiotu`, the header `sender`).  `Partners.identify` puts
the two together, or says why it cannot.  What a partner may send, and where, is asked later, in intake and admit.

Certificates are pinned one by one: trust in a partner comes from the agreement with it, not from an authority, and
several at a time let one be renewed while the other still counts.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from broker.errors import ConfigError, Unauthorised


class Proof(StrEnum):
    """How it is known who sends."""

    NONE = "none"  # it is believed: on loopback only
    TLS = "tls"  # the client's certificate in TLS
    WS_SECURITY = "ws-security"  # the certificate that signed the SOAP message
    AMQP_USER = "amqp-user"  # RabbitMQ's validated user_id
    FOLDER = "folder"  # who may write into the folder is the file system's matter


_OF_PARTNERS = frozenset({Proof.TLS, Proof.WS_SECURITY, Proof.AMQP_USER})
"""By these nobody but a partner can be known."""


class Coverage(StrEnum):
    """How much of a SOAP message a partner's WS-Security signature must cover."""

    HEADERS = "headers"  # Body, Timestamp and every header block that is read
    BODY = "body"  # the Body, as clients of the ePUAP dialect sign (DOMAIN §4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Something a channel has seen proven: the SHA-256 of a certificate's DER in hexadecimal, or a user's name."""

    proof: Proof
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """Somebody who sends.  Empty sets and zeros mean: no restriction, but for `boxes` and `queues`."""

    id: str  # what it calls itself: IdentyfikatorPodmiotu, the header `sender`
    certificates: tuple[x509.Certificate, ...] = ()
    users: frozenset[str] = frozenset()  # of RabbitMQ
    boxes: frozenset[str] = frozenset()  # its own: to which it may have answers sent; none: to no box
    queues: frozenset[str] = frozenset()  # of RabbitMQ, to which it may have receipts sent, or `name.` and all below
    to: frozenset[str] = frozenset()  # boxes, or `/office/` for all boxes of one, that it may send to
    forms: frozenset[str] = frozenset()  # keys ("pismo-ogolne/1410") or names ("pismo-ogolne")
    rate: float = 0  # messages a minute
    burst: int = 0  # messages at once beyond the rate; by default a minute's worth
    size: int = 0  # bytes of a document
    connections: int = 0  # open at the same time, and requests in flight
    covers: Coverage = Coverage.HEADERS
    sign_replies: bool = False
    negative_receipts: bool = False  # also wants a sealed receipt (NPP) of what was refused
    negative_evidence: bool = False  # also wants sealed evidence of what did not happen in time

    @property
    def provable(self) -> bool:
        """Whether it has anything to prove itself by."""
        return bool(self.certificates or self.users)

    def may_reach(self, box: str) -> bool:
        """Whether it may send to a box."""
        return not self.to or box in self.to or any(place.endswith("/") and box.startswith(place) for place in self.to)

    def may_be_answered_in(self, box: str) -> bool:
        """Whether it may have answers sent to a box: its own; any, while it cannot prove itself and has none named."""
        return box in self.boxes or not (self.boxes or self.provable)

    def may_listen(self, queue: str) -> bool:
        """Whether it may have receipts sent to a queue; to its own connection (`amq.rabbitmq.reply-to`) always."""
        own = (*self.queues, "amq.rabbitmq.reply-to.")
        return queue in own or any(place.endswith(".") and queue.startswith(place) for place in own)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return what a certificate is known by: the SHA-256 of its DER, hexadecimal."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Partners:
    """All partners, as an immutable snapshot.  Raises ConfigError when two have one id.

    A certificate or user may belong to several partners: one document system may send for many offices.
    """

    all: Mapping[str, Partner]
    _holders: Mapping[Credential, tuple[Partner, ...]] = field(repr=False)
    _valid: Mapping[str, tuple[datetime, datetime]] = field(repr=False)

    def __init__(self, partners: Iterable[Partner] = ()) -> None:
        found: dict[str, Partner] = {}
        holders: defaultdict[Credential, list[Partner]] = defaultdict(list)
        valid: dict[str, tuple[datetime, datetime]] = {}
        for partner in partners:
            if partner.id in found:
                raise ConfigError([f"partners: {partner.id} stands there twice"])
            found[partner.id] = partner
            for certificate in partner.certificates:
                key = fingerprint(certificate)
                valid[key] = certificate.not_valid_before_utc, certificate.not_valid_after_utc
                holders[Credential(proof=Proof.TLS, key=key)].append(partner)
                holders[Credential(proof=Proof.WS_SECURITY, key=key)].append(partner)
            for user in partner.users:
                holders[Credential(proof=Proof.AMQP_USER, key=user)].append(partner)
        object.__setattr__(self, "all", MappingProxyType(found))
        object.__setattr__(self, "_holders", {key: tuple(of) for key, of in holders.items()})
        object.__setattr__(self, "_valid", valid)

    def get(self, id_: str) -> Partner | None:
        """Return the partner of this id."""
        return self.all.get(id_)

    def sender(self, id_: str, proof: Proof) -> Partner | None:
        """Return the partner that sends, None if it is somebody believed who is none.

        Raises Unauthorised if it was a partner when it was proven, and is none any more.
        """
        partner = self.all.get(id_)
        if partner is None and proof in _OF_PARTNERS:
            raise Unauthorised("partner.gone", facts={"partner": id_})
        return partner

    def known_name(self, id_: str, proof: Proof) -> str:
        """Return a sender as a log may name it: "" for what somebody calls itself and nobody has configured."""
        return id_ if proof is not Proof.NONE or id_ in self.all else ""

    def of(self, credential: Credential) -> tuple[Partner, ...]:
        """Return those to whom a credential belongs, whether or not it is valid now."""
        return self._holders.get(credential, ())

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """Every certificate that a partner may prove itself by, each once."""
        every = {fingerprint(it): it for partner in self.all.values() for it in partner.certificates}
        return tuple(every.values())

    def identify(self, claimed: str, credentials: Sequence[Credential], at: datetime) -> Partner:
        """Return the partner who is proven to be who it claims to be; raise Unauthorised.

        Every credential that was shown must hold: one good certificate does not mend another that has expired.
        """
        if not credentials:
            raise Unauthorised("partner.unproven")
        for credential in credentials:
            holders = self.of(credential)
            if not holders:
                raise Unauthorised("partner.unknown", place=credential.proof, facts={"key": credential.key})
            self._demand_valid(credential, at)
            if all(holder.id != claimed for holder in holders):
                raise Unauthorised("partner.another", place=credential.proof, facts={"claimed": claimed})
        return self.all[claimed]

    def _demand_valid(self, credential: Credential, at: datetime) -> None:
        span = self._valid.get(credential.key)
        if span is None or credential.proof is Proof.AMQP_USER:
            return
        since, until = span
        facts = {"since": since.isoformat(), "until": until.isoformat()}
        if at < since:
            raise Unauthorised("partner.not-yet-valid", place=credential.proof, facts=facts)
        if at > until:
            raise Unauthorised("partner.expired", place=credential.proof, facts=facts)


NOBODY = Partners()
