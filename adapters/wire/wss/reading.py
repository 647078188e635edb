"""The signature on a message, from its header to what it proves.

The order is that of cost: shape, Ids and the Timestamp first, then one signature value over a small SignedInfo, and
the digests over what may be a large Body last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from adapters.wire import mtom
from adapters.wire.mtom import Parts
from adapters.wire.soap import Message, name_of
from adapters.wire.wss import coverage, header, timestamp, token
from adapters.wire.wss.header import Security
from adapters.wire.wss.names import DS
from adapters.wire.wss.refusal import no, translated
from adapters.wire.wss.token import Known
from broker.model import Once
from broker.partner import Credential, Proof
from broker.verify import algorithms, references, signature_value, written
from broker.verify.algorithms import EXCLUSIVE, Scheme
from broker.verify.c14n import Canon, reread
from broker.verify.certificate import Certificate
from broker.verify.fault import Fault
from broker.verify.names import SIGNED_INFO
from broker.verify.shape import Layout, Signature, bearers, take_apart
from broker.vocabulary import apart

Meet = Callable[[Credential], None]
"""Hears whose signature it is, as soon as that is proven; raises Unauthorised if nothing may come from there."""

WINDOW: Final = timedelta(minutes=5)
"""How old a message may be, and how far ahead of us."""

_BUDGET: Final = 400_000_000
"""Octets of canonical form: what the largest message costs, and what its namespaces may add (`broker.caps.Limits`)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Secured:
    """What the signature on a message proves: that the holder of this certificate signed these parts.

    `created` and `expires` are told if the Timestamp is signed, and so is `once`: a signature without a time says
    nothing about when, and who signs the same again without one makes the same signature again.
    """

    certificate: x509.Certificate
    der: bytes
    body: bool
    timestamp: bool
    headers: tuple[etree._Element, ...]  # the header blocks that are covered, of those in the message
    created: datetime | None
    expires: datetime | None
    once: Once | None

    @property
    def credential(self) -> Credential:
        """What it proves, as partners are found by it."""
        return _credential(self.der)

    def demand(self, *, timestamp: bool, headers: Iterable[etree._Element]) -> None:
        """Raise Unauthorised unless the Body is covered, and the Timestamp and these header blocks if asked for."""
        if not self.body:
            raise no("wss.body-unsigned", "/Envelope/Body")
        if timestamp and not self.timestamp:
            raise no("wss.timestamp-missing", "wsu:Timestamp")
        for block in headers:
            if block not in self.headers:
                name = name_of(block)
                raise no("wss.header-unsigned", f"/Envelope/Header/{name}", name=name)


def read(
    message: Message,
    at: datetime,
    *,
    parts: Parts | None = None,
    known: Known = tuple,
    meet: Meet = lambda _: None,
    window: timedelta = WINDOW,
) -> Secured | None:
    """Return what the signature for us proves as of `at`; None if there is none.

    `parts` are the message's XOP parts: a signature covers the Body as it is with them inside, so if there is one,
    each is put where its `xop:Include` stands (and none is left).  `known` gives the certificates that a message
    may point at without carrying them; `meet` hears whose signature it is before anything large is digested, and may
    refuse.  Raises Malformed or Unauthorised (`wss.…`, `soap.part`), Unavailable, or what `meet` raises.
    """
    security = header.find(message)
    if security is None:
        return None
    if parts is not None:
        mtom.inline(message.root, parts)
    try:
        # Canonicalisation leaves names of the message in the thread where it is done.
        return apart(lambda: _read(message, security, at, known=known, meet=meet, window=window))
    except Fault as fault:
        raise translated(fault) from fault


def _read(
    message: Message, security: Security, at: datetime, *, known: Known, meet: Meet, window: timedelta
) -> Secured:
    ids = bearers(message.root)
    span = None if security.timestamp is None else timestamp.read(security.timestamp, at, window)
    parts = take_apart(security.signature, security.signature)
    if parts.objects:
        raise no("wss.signature-shape", "ds:Object")
    canon = Canon(message.root, _BUDGET)
    octets, signed_info = _signed_info(parts, canon)
    scheme, value = _scheme_and_value(signed_info, parts)
    named = token.find(parts.key_info, security.tokens, ids, known, at)
    signer = _signer(named, scheme, value, octets)
    meet(_credential(signer.der))
    layout = Layout(root=message.root, form=message.root, signatures=(security.signature,), ids=ids)
    covered = coverage.judge(signed_info, message, security, parts=parts, layout=layout, canon=canon)
    signed_span = span if covered.timestamp else None
    return Secured(
        certificate=signer.x509,
        der=signer.der,
        body=covered.body,
        timestamp=covered.timestamp,
        headers=covered.headers,
        created=signed_span.created if signed_span else None,
        expires=signed_span.expires if signed_span else None,
        # Remembered for a window longer than it is taken: it may wait a while between its arrival and its entry.
        once=Once(token=_token(signer, octets), until=signed_span.last + window) if signed_span else None,
    )


def _signer(named: Sequence[Certificate], scheme: Scheme, value: bytes, octets: bytes) -> Certificate:
    """Return whose key made the value over the octets; raise Unauthorised or Fault, of the first if it was nobody's."""
    it = named[0]
    if len(named) > 1:
        fits = (one for one in named if one.key and signature_value.holds(one.key, scheme, value, octets))
        it = next(fits, it)
    if it.key is None:
        raise no("wss.token", "wsse:BinarySecurityToken")
    signature_value.check(it.key, scheme, value, octets)
    return it


def _credential(der: bytes) -> Credential:
    return Credential(proof=Proof.WS_SECURITY, key=hashlib.sha256(der).hexdigest())


def _signed_info(parts: Signature, canon: Canon) -> tuple[bytes, etree._Element]:
    """Return SignedInfo's canonical octets, and their own tree."""
    methods = list(parts.signed_info.iterchildren(DS + "CanonicalizationMethod"))
    if len(methods) != 1:
        raise no("wss.signature-shape", "ds:SignedInfo")
    how = references.method(methods[0])
    if how.uri != EXCLUSIVE.uri:
        raise no("wss.c14n", "ds:CanonicalizationMethod")
    octets = canon.element(parts.signed_info, how)
    root = reread(octets)
    names = [child.tag for child in root.iterchildren(etree.Element)]
    expected = [DS + "CanonicalizationMethod", DS + "SignatureMethod"]
    if root.tag != SIGNED_INFO or names[:2] != expected or set(names[2:]) != {DS + "Reference"}:
        raise no("wss.signature-shape", "ds:SignedInfo")
    return octets, root


def _scheme_and_value(signed_info: etree._Element, parts: Signature) -> tuple[Scheme, bytes]:
    method = next(signed_info.iterchildren(DS + "SignatureMethod"))
    scheme = algorithms.scheme(method.get("Algorithm") or "")
    value = written.octets(parts.value)
    if len(method) or value is None:
        raise no("wss.signature-shape", "ds:SignatureMethod" if len(method) else "ds:SignatureValue")
    return scheme, value


def _token(signer: Certificate, octets: bytes) -> str:
    """Return what tells this signature from all others, however it is written.

    The key instead of its certificate, which may be swapped for another of the same key; SignedInfo instead of the
    signature value, of which anybody can make a second one if it is ECDSA.
    """
    key = signer.x509.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(hashlib.sha256(key).digest() + octets).hexdigest()
