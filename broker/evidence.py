"""What a document's signatures are worth: verdict, level, identity, and which bytes they cover.

The names are those of ETSI EN 319 102-1 §5.1 (indications and sub-indications).  A verdict has three values:
missing evidence is INDETERMINATE, never PASSED and never "tampered".  These are facts; whether they are
enough for a box is decided in `broker/admit.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any


class Indication(StrEnum):
    """The verdict (EN 319 102-1 §5.1.3)."""

    PASSED = "TOTAL-PASSED"
    INDETERMINATE = "INDETERMINATE"
    FAILED = "TOTAL-FAILED"


class SubIndication(StrEnum):
    """Why the verdict is not PASSED (EN 319 102-1 table 6), as far as Goniec gives them."""

    FORMAT_FAILURE = "FORMAT_FAILURE"
    HASH_FAILURE = "HASH_FAILURE"
    SIG_CRYPTO_FAILURE = "SIG_CRYPTO_FAILURE"
    REVOKED = "REVOKED"
    SIG_CONSTRAINTS_FAILURE = "SIG_CONSTRAINTS_FAILURE"
    CHAIN_CONSTRAINTS_FAILURE = "CHAIN_CONSTRAINTS_FAILURE"
    CERTIFICATE_CHAIN_GENERAL_FAILURE = "CERTIFICATE_CHAIN_GENERAL_FAILURE"
    CRYPTO_CONSTRAINTS_FAILURE = "CRYPTO_CONSTRAINTS_FAILURE"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    NO_SIGNING_CERTIFICATE_FOUND = "NO_SIGNING_CERTIFICATE_FOUND"
    NO_CERTIFICATE_CHAIN_FOUND = "NO_CERTIFICATE_CHAIN_FOUND"
    REVOKED_NO_POE = "REVOKED_NO_POE"
    REVOKED_CA_NO_POE = "REVOKED_CA_NO_POE"
    OUT_OF_BOUNDS_NO_POE = "OUT_OF_BOUNDS_NO_POE"
    SIGNED_DATA_NOT_FOUND = "SIGNED_DATA_NOT_FOUND"
    TRY_LATER = "TRY_LATER"


AWAITED = frozenset({"verify.revocation-unknown", "verify.revocation-stale"})
"""Codes of verdicts that lack nothing but evidence which can still come."""


class Level(StrEnum):
    """What kind of signature it is, weakest first; `rank` orders them."""

    NONE = "none"
    LOCAL = "local"  # a CA that the offices run themselves (CC SEKAP was one)
    TRUSTED_PROFILE = "trusted-profile"  # podpis zaufany
    QUALIFIED = "qualified"

    @property
    def rank(self) -> int:
        """Position in the order of strength, 0 is the weakest."""
        return tuple(Level).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who signed, as far as the evidence tells.  Personal data: never logged.

    `source` is `certificate`, or `claimed-role` for podpis zaufany, where the certificate is the platform's.
    """

    source: str
    common_name: str = ""
    given_names: str = ""
    family_name: str = ""
    pesel: str = ""
    nip: str = ""
    date_of_birth: str = ""
    organisation: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceReport:
    """One `ds:Reference`: what it points at and whether the digest agrees."""

    uri: str | None  # as written; empty means the document, None that no URI is written
    type: str
    transforms: tuple[str, ...]
    digest_method: str
    expected: str  # Base64, as written in DigestValue
    actual: str  # Base64, as computed; empty when it could not be
    holds: bool
    covers_form: bool  # its octets are the whole form element (signatures left out)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateReport:
    """A certificate as far as an explanation needs it."""

    subject: str  # RFC 4514
    issuer: str
    serial: str  # decimal
    not_before: datetime
    not_after: datetime
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceReport:
    """A service of a trusted list."""

    territory: str  # of the list
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorReport:
    """By whose word the last certificate of a path is trusted: the operator's, or that of a trusted list.

    `services` are those of the list that made it count at the moment of judgement, and by whose word a signature
    below it is qualified; an operator's anchor has none.
    """

    name: str
    services: tuple[ServiceReport, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationReport:
    """What is known about the revocation of one certificate of a path, and by what evidence.

    `status` is good, revoked, on-hold, stale (known once, too long ago) or unknown; the evidence's age is the
    report's `judged_at` less `this_update`, and it may be used until `until`.
    """

    subject: str
    certificate: str  # SHA-256
    status: str
    code: str = ""  # empty when good
    source: str = ""  # ocsp or crl; certificate: it says itself that it will not be revoked (RFC 9608)
    url: str = ""
    produced_at: datetime | None = None
    this_update: datetime | None = None
    next_update: datetime | None = None
    until: datetime | None = None
    revoked_at: datetime | None = None
    reason: str = ""  # RFC 5280 §5.3.1
    digest: str = ""  # SHA-256 of the evidence as it was fetched
    silent_since: datetime | None = None  # those who could tell have been asked, and do not answer


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeStampReport:
    """One signature time-stamp (XAdES-T).  It moves the moment of judgement only if it holds: if `code` is empty.

    One that lacks nothing but evidence about its unit (`AWAITED`) says its moment too.
    """

    at: datetime | None = None
    by: str = ""  # the time-stamping unit, RFC 4514
    policy: str = ""  # dotted
    code: str = ""
    hint: str = ""
    path: tuple[str, ...] = ()  # of its unit, as of a signature's; none if there is no path
    path_sha256: tuple[str, ...] = ()
    anchor: AnchorReport | None = None
    revocation: tuple[RevocationReport, ...] = ()
    silent_since: datetime | None = None  # nobody answers for the unit, or for its authorities


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureReport:
    """One `ds:Signature`, judged on its own."""

    id: str  # its Id attribute, or its position: "#1"
    indication: Indication
    sub_indication: SubIndication | None = None
    code: str = ""  # empty when PASSED; else a code of `broker.texts`
    place: str = ""  # which Reference, element or certificate is at fault
    hint: str = ""  # code of a guess at the cause, e.g. `verify.hint-white-space`
    facts: Mapping[str, str] = field(default_factory=dict)  # what fills the gaps of the code's text (`told`)
    shape: str = ""  # enveloped, enveloped-xpath, enveloping, counter-signature
    signature_method: str = ""
    references: tuple[ReferenceReport, ...] = ()
    certificate: CertificateReport | None = None
    path: tuple[str, ...] = ()  # subjects from the signer up to the anchor
    path_sha256: tuple[str, ...] = ()  # of the same certificates: two of an authority may bear one name
    anchor: AnchorReport | None = None
    tried: tuple[str, ...] = ()  # the same of a path that does not hold; then `path` is empty
    revocation: tuple[RevocationReport, ...] = ()  # of the path's certificates below the anchor; none if nobody asks
    level: Level = Level.NONE
    identity: Identity | None = None
    signing_time: datetime | None = None  # claimed by the signer, UTC; None also if it says no zone
    judged_at: datetime | None = None  # for which its certificate was judged: entry, or the moment of an earlier stamp
    time_stamps: tuple[TimeStampReport, ...] = ()
    extensions: tuple[str, ...] = ()  # names of other unsigned properties (LT, LTA): seen, not judged
    counter_signatures: tuple[SignatureReport, ...] = ()


def silence(reports: Iterable[RevocationReport | TimeStampReport]) -> datetime | None:
    """Return since when nobody answers for those whose evidence is missing; None if somebody may yet, for any."""
    missing = [it.silent_since for it in reports if it.code in AWAITED]
    since = [it for it in missing if it is not None]
    return min(since) if since and len(since) == len(missing) else None


class Stance(StrEnum):
    """What a second verifier says of what our own has found to hold."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    NONE = "no-opinion"  # a shape that it cannot read


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondOpinion:
    """What a second verifier says of all signatures of a document together (`broker/second_opinion.py`)."""

    by: str  # which verifier
    stance: Stance
    reason: str = ""  # a word of the verifier's vocabulary; empty when it agrees
    place: str = ""  # the signature that decided: "ds:Signature[2]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What all signatures of a document are worth together: the weakest of them.

    A document without a signature has no indication but PASSED with level NONE and no signatures: there is
    nothing in it that fails.  Whether it needed one is asked in admit.
    """

    indication: Indication
    sub_indication: SubIndication | None = None
    code: str = ""
    place: str = ""
    hint: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    level: Level = Level.NONE
    signatures: tuple[SignatureReport, ...] = ()
    revocation: str = "off"  # the policy under which paths were judged: named, never silent
    judged_at: datetime | None = None  # the moment for which certificates were judged
    second_opinion: SecondOpinion | None = None  # None: nobody was asked

    @property
    def awaits(self) -> bool:
        """Whether nothing is wrong but that it is not known yet whether a certificate was revoked.

        Then level, identity and what is covered are established as for a verdict that is PASSED.
        """
        return self.code in AWAITED

    @property
    def silent_since(self) -> datetime | None:
        """Since when nobody answers for a certificate whose status is missing; None if somebody may yet.

        Also for those of a stamp by which a signature was judged though nobody knows yet whether its unit stands.
        """
        missing: list[RevocationReport | TimeStampReport] = []
        for signature in self.signatures:
            missing += signature.revocation
            missing += [it for it in signature.time_stamps if it.at == signature.judged_at]
        return silence(missing)

    @property
    def identity(self) -> Identity | None:
        """Who signed: the first signature's signer, in document order."""
        return self.signatures[0].identity if self.signatures else None


UNSIGNED = Report(indication=Indication.PASSED)


LONGEST_FACT = 80  # characters


def told(fact: str) -> str:
    """Return what a document says, fit to be told: short, and nothing in it but what can be seen and read.

    An Id or a URI may be of any length, and hold letters that turn the reading round what stands behind them.
    """
    short = fact if len(fact) <= LONGEST_FACT else fact[: LONGEST_FACT - 1] + "…"
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in short)


def explanation(report: Report) -> dict[str, str]:
    """Return what fills the gaps of the text of `report.code`: the signature that decided, and its Reference.

    For the sender: may hold personal data (the certificate's subject).
    """
    facts = {
        "indication": str(report.indication),
        "sub_indication": str(report.sub_indication or ""),
        "hint": report.hint,
    }
    # Not simply the first that does not hold: one that is TOTAL-FAILED decides before others that are INDETERMINATE.
    for signature in [each for each in report.signatures if each.code and each.code == report.code][:1]:
        facts |= {"signature": told(signature.id), "shape": signature.shape, "method": told(signature.signature_method)}
        if signature.certificate:
            facts |= {"subject": signature.certificate.subject, "issuer": signature.certificate.issuer}
        numbered = {f"ds:Reference[{number}]": each for number, each in enumerate(signature.references, start=1)}
        named = [numbered[signature.place]] if signature.place in numbered else signature.references
        for reference in [each for each in named if not each.holds][:1]:
            facts |= {"expected": reference.expected, "actual": reference.actual}
            facts["reference"] = told(reference.uri or "")
    return {**facts, **report.facts}


def _plain(value: Any) -> Any:
    """Write a part of a report as its fields, a moment as UTC with Z (DESIGN §4.10)."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return {each.name: getattr(value, each.name) for each in fields(value)}


def to_json(report: Report) -> bytes:
    """Return the report as UTF-8 JSON, keys as the fields are named, moments as UTC with Z."""
    return json.dumps(report, default=_plain, ensure_ascii=False, separators=(",", ":")).encode()
