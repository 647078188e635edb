"""Trusted lists: bytes become a list that is believed, or are refused (ETSI TS 119 612, TS 119 615 §4.1).

Two kinds: the EU's list of the lists (LOTL), whose signers the operator pins, and the national ones, whose signers the
LOTL names.  Who fetches and keeps them is not known here; the same function reads what came from the network, from a
cache and from an operator's file.  Only what the signature covers is read: its octets are parsed again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from broker import parse
from broker.errors import ConfigError, Rejection
from broker.evidence import Indication, Level
from broker.verify import trust_services, written
from broker.verify.c14n import reread
from broker.verify.certificate import load
from broker.verify.judgement import judge_document
from broker.verify.names import DS, SIGNATURE
from broker.verify.qualified import Service
from broker.verify.signer import Policy
from broker.verify.trust import Anchor, PublicKey, TrustSnapshot
from broker.verify.trust_services import EXTRA, TSL, Kind, Listed, NotUnderstood, moment_of, one, text_of

LOTL_TERRITORY: Final = "EU"
LIMITS: Final = parse.Limits(
    payload=16_000_000,  # the largest national list has some 10 MB
    elements=400_000,
    markup=4_000_000,
    scope=120_000_000,
    naming=120_000_000,
    sorting=40_000_000,
    declarations=800_000,
    remarks=200_000,
)
_ROOT: Final = TSL + "TrustServiceStatusList"
_TAG: Final = "http://uri.etsi.org/19612/TSLTag"
_VERSIONS: Final = ("5", "6")
_TYPES: Final = {
    "http://uri.etsi.org/TrstSvc/TrustedList/TSLType/EUlistofthelists": True,
    "http://uri.etsi.org/TrstSvc/TrustedList/TSLType/EUgeneric": False,
}
_XML: Final = "application/vnd.etsi.tsl+xml"
_TERRITORY: Final = re.compile(r"[A-Z]{2}")
_SEQUENCE: Final = re.compile(r"[0-9]{1,9}")
_LONGEST: Final = timedelta(days=190)  # between two issues: six months (TS 119 612 §5.3.15)
_AHEAD: Final = timedelta(minutes=5)  # how far an issuer's clock may be before ours
_DAWN: Final = datetime.min.replace(tzinfo=UTC)
_NEVER: Final = Service(name="", territory="", since=_DAWN, until=_DAWN)


class ListRefused(ConfigError):
    """A list that is not believed; `reason` is one word for it, for logs and tests."""

    def __init__(self, reason: str, words: str) -> None:
        super().__init__([words])
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Where the LOTL says that a territory's list is, and who may sign it."""

    territory: str
    locations: tuple[str, ...]
    signers: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedList:
    """A list that was believed when it was read."""

    territory: str
    sequence: int
    issued: datetime
    next_update: datetime
    end: datetime  # from then on it is not believed any more: the next update, and the operator's tolerance
    signer: x509.Certificate
    pointers: Mapping[str, Pointer]  # by territory; the LOTL's
    services: tuple[Listed, ...]
    left_out: tuple[str, ...]  # services that were not understood, each with the reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What a list says of itself."""

    territory: str
    sequence: int
    issued: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a list must be: whose it is, who may sign it, and which one was there before."""

    territory: str
    signers: tuple[x509.Certificate, ...]
    tolerance: timedelta = timedelta(0)
    before: Claimed | None = None


def read(data: bytes, expected: Expected, at: datetime) -> TrustedList:
    """Return the list that the bytes are, if it is the expected one and counts at a moment; raise ListRefused."""
    root, signer = _believed(data, expected, at)
    try:
        found = _list(root, signer, expected.tolerance)
    except NotUnderstood as why:
        raise ListRefused("malformed", f"the list is not as ETSI TS 119 612 has it: {why}") from None
    _check(found, expected, at)
    return found


def claimed(data: bytes) -> Claimed:
    """Return which list the bytes claim to be; nothing of it is believed.  Raises ListRefused."""
    try:
        return _claimed(one(_parsed(data), TSL + "SchemeInformation"))
    except NotUnderstood as why:
        raise ListRefused("malformed", f"the list is not as ETSI TS 119 612 has it: {why}") from None


def _claimed(scheme: etree._Element) -> Claimed:
    territory, sequence = text_of(scheme, TSL + "SchemeTerritory"), text_of(scheme, TSL + "TSLSequenceNumber")
    if not _TERRITORY.fullmatch(territory) or not _SEQUENCE.fullmatch(sequence):
        raise NotUnderstood("SchemeTerritory or TSLSequenceNumber")
    return Claimed(territory=territory, sequence=int(sequence), issued=moment_of(scheme, TSL + "ListIssueDateTime"))


# ── the signature ────────────────────────────────────────────────────────────────────────────────────────


def _parsed(data: bytes) -> etree._Element:
    try:
        root = parse.read(data, LIMITS)
    except Rejection as why:
        raise ListRefused("unreadable", f"no XML that can be read safely: {why.code} {why.place}".strip()) from why
    if root.tag != _ROOT or root.get("TSLTag") != _TAG:
        raise ListRefused("no-list", "no trusted list of ETSI TS 119 612")
    return root


def _believed(data: bytes, expected: Expected, at: datetime) -> tuple[etree._Element, x509.Certificate]:
    """Return what one of the signers has signed, parsed anew, and who it was; raise ListRefused.

    The key alone decides, because the signer is pinned: what XAdES binds adds nothing to that, and lists in the
    field bind their certificate by SHA-1.
    """
    root = _parsed(data)
    signatures = list(root.iter(SIGNATURE))
    if not signatures:
        raise ListRefused("unsigned", "the list is not signed")
    if len(signatures) > 1:
        raise ListRefused("signatures", "the list has more than one signature")
    shown = {written.octets(it) for it in signatures[0].iterfind(f"{DS}KeyInfo/{DS}X509Data/{DS}X509Certificate")}
    signers = [it for it in expected.signers if it.public_bytes(Encoding.DER) in shown]
    if not signers:
        raise ListRefused("signer", "the list is signed by somebody who may not sign it")
    whys = []
    for signer in signers:
        key = load(signer.public_bytes(Encoding.DER)).key
        octets, why = (b"", "a key of an unknown kind") if key is None else _signed_by(key, root, len(data), at)
        if octets:
            return reread(octets), signer
        whys.append(why)
    raise ListRefused("signature", f"the signature does not hold: {', '.join(whys)}")


def _signed_by(key: PublicKey, root: etree._Element, size: int, at: datetime) -> tuple[bytes, str]:
    """Return the octets that the key has signed, or none and why."""
    policy = Policy(profile="basic", keys=(key,))  # no anchors: no other key can pass
    judged = judge_document(root, root, trust=TrustSnapshot(), at=at, policy=policy, size=size)
    if judged.report.indication is Indication.PASSED:
        return judged.content, ""
    return b"", f"{judged.report.code} {judged.report.place}".strip()


# ── what the list says of itself ─────────────────────────────────────────────────────────────────────────


def _list(root: etree._Element, signer: x509.Certificate, tolerance: timedelta) -> TrustedList:
    scheme = one(root, TSL + "SchemeInformation")
    version, kind = text_of(scheme, TSL + "TSLVersionIdentifier"), text_of(scheme, TSL + "TSLType")
    if version not in _VERSIONS:
        raise ListRefused("version", f"the list is of version {version[:20]!r}; {' and '.join(_VERSIONS)} can be read")
    if kind not in _TYPES:
        raise ListRefused("type", "the list is of a type that is not known")
    said = _claimed(scheme)
    if _TYPES[kind] is not (said.territory == LOTL_TERRITORY):
        raise ListRefused("type", "only the EU has a list of the lists, and no other list")
    next_update = one(scheme, TSL + "NextUpdate")
    if not len(next_update):
        raise ListRefused("closed", "the list is closed: there will be no next one")
    due = moment_of(next_update, TSL + "dateTime")
    end = due + tolerance
    services, left_out = trust_services.read(root, said.territory, end)
    return TrustedList(
        territory=said.territory,
        sequence=said.sequence,
        issued=said.issued,
        next_update=due,
        end=end,
        signer=signer,
        pointers=_together(_pointers(scheme)) if _TYPES[kind] else {},
        services=services,
        left_out=left_out,
    )


def _check(found: TrustedList, expected: Expected, at: datetime) -> None:
    """Raise ListRefused unless the list is the expected one and counts now."""
    if found.territory != expected.territory:
        raise ListRefused("territory", f"the list is that of {found.territory}, not of {expected.territory}")
    if found.issued > at + _AHEAD:
        raise ListRefused("future", f"the list was issued in the future: {found.issued:%Y-%m-%d %H:%M}")
    if not timedelta(0) < found.next_update - found.issued <= _LONGEST:
        raise ListRefused("interval", "the list's next update is not within six months after its issue")
    if not found.signer.not_valid_before_utc <= found.issued <= found.signer.not_valid_after_utc:
        raise ListRefused("signer-expired", "the signer's certificate was not valid when the list was issued")
    if at >= found.end:
        raise ListRefused("expired", f"the list's next update was due on {found.next_update:%Y-%m-%d}")
    before = expected.before
    if before and (found.sequence, found.issued) < (before.sequence, before.issued):
        raise ListRefused("older", f"the list is number {found.sequence}, after number {before.sequence} was there")
    if before and found.sequence > before.sequence and found.issued < before.issued:
        raise ListRefused("older", "the list has a later number but an earlier date than the one before")


def _pointers(scheme: etree._Element) -> Iterator[Pointer]:
    """Yield the LOTL's pointers to lists in XML, one that is not understood left out (§5.3.13)."""
    for pointer in scheme.iterfind(f"{TSL}PointersToOtherTSL/{TSL}OtherTSLPointer"):
        said = {
            content.tag: (written.text(content) or "").strip()
            for content in pointer.iterfind(f"{TSL}AdditionalInformation/{TSL}OtherInformation/*")
        }
        kind, location = said.get(TSL + "TSLType", ""), pointer.findtext(TSL + "TSLLocation") or ""
        if said.get(EXTRA + "MimeType") != _XML or _TYPES.get(kind, True):
            continue
        identities = pointer.iterfind(f"{TSL}ServiceDigitalIdentities/{TSL}ServiceDigitalIdentity")
        yield Pointer(
            territory=said.get(TSL + "SchemeTerritory", ""),
            locations=(location.strip(),),
            signers=tuple(it.x509 for identity in identities for it in trust_services.certificates(identity)),
        )


def _together(pointers: Iterable[Pointer]) -> dict[str, Pointer]:
    """Return one pointer a territory: while a list changes its place or form the LOTL may name two."""
    known: dict[str, Pointer] = {}
    for it in pointers:
        before = known.get(it.territory)
        known[it.territory] = (
            it
            if before is None
            else replace(
                it,
                locations=tuple(dict.fromkeys((*before.locations, *it.locations))),
                signers=tuple(dict.fromkeys((*before.signers, *it.signers))),
            )
        )
    return known


# ── what follows from it ─────────────────────────────────────────────────────────────────────────────────


def anchors(lists: Sequence[TrustedList], kind: Kind, otherwise: Level = Level.NONE) -> tuple[Anchor, ...]:
    """Return the certificates of all services of a kind, each once, as anchors.

    One that was never granted counts at no moment; but what is listed so leads to no other service above it either.
    `otherwise` is what a signature below one of them is worth that is not qualified.
    """
    times: dict[x509.Certificate, list[Listed]] = {}
    for it in lists:
        for listed in it.services:
            if listed.kind is kind:
                for certificate in listed.certificates:
                    times.setdefault(certificate, []).append(listed)
    return tuple(
        Anchor(
            certificate=certificate,
            name=services[0].name,
            level=otherwise,
            services=tuple(time for service in services for time in service.times) or (_NEVER,),
        )
        for certificate, services in times.items()
    )
