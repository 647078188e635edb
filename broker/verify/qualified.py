"""Whether a certificate is one for qualified signatures or seals: by its own word and by the trusted list's.

The certificate says what it claims to be (QcStatements, ETSI EN 319 412-5 §4); the list says which service may issue
what, and corrects single certificates by qualifiers (ETSI TS 119 612 §5.5.9).  Both are asked as in ETSI TS 119 615
§4.4, and every doubt is a no: contradictory qualifiers, unknown ones, a statement that cannot be read.  Nothing here
reads XML (`trust_services.py` does) or knows paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Final, Literal

from asn1crypto import core
from cryptography import x509

SVC_INFO: Final = "http://uri.etsi.org/TrstSvc/TrustedList/SvcInfoExt/"


class Purpose(StrEnum):
    """What a qualified certificate is for (eIDAS articles 28, 38 and 45)."""

    SIGNATURES = "signatures"
    SEALS = "seals"
    WEBSITES = "websites"


# ── what a certificate claims ────────────────────────────────────────────────────────────────────────────

_STATEMENTS: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3")  # RFC 3739 §3.2.6
_COMPLIANCE: Final = "0.4.0.1862.1.1"
_QSCD: Final = "0.4.0.1862.1.4"
_TYPE: Final = "0.4.0.1862.1.6"
_LEGISLATION: Final = "0.4.0.1862.1.7"  # qualified by the law of countries outside the EU
_TYPES: Final = {
    "0.4.0.1862.1.6.1": Purpose.SIGNATURES,
    "0.4.0.1862.1.6.2": Purpose.SEALS,
    "0.4.0.1862.1.6.3": Purpose.WEBSITES,
}


class _Statement(core.Sequence):  # type: ignore[misc] # the library has no types
    _fields = [("id", core.ObjectIdentifier), ("info", core.Any, {"optional": True})]  # noqa: RUF012 - the library's way


class _Statements(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Statement


class _Types(core.SequenceOf):  # type: ignore[misc]
    _child_spec = core.ObjectIdentifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a certificate says of itself; `purpose` is None if it names more than one."""

    compliant: bool = False
    protected: bool = False  # the key is in a qualified device (QSCD)
    purpose: Purpose | None = Purpose.SIGNATURES  # without a word it is for signatures (EN 319 412-5 §4.2.3)


def claims(certificate: x509.Certificate) -> Claims:
    """Return what the certificate claims; one without statements claims nothing."""
    held = [it.value for it in certificate.extensions if it.oid == _STATEMENTS]
    if not held or not isinstance(held[0], x509.UnrecognizedExtension):
        return Claims()
    said = {statement["id"].dotted: statement["info"] for statement in _Statements.load(held[0].value, strict=True)}
    purpose: Purpose | None = Purpose.SIGNATURES
    if _TYPE in said:
        named = [_TYPES.get(kind.dotted) for kind in said[_TYPE].parse(_Types)]
        purpose = named[0] if len(named) == 1 else None
    return Claims(compliant=_COMPLIANCE in said and _LEGISLATION not in said, protected=_QSCD in said, purpose=purpose)


# ── what a list says about single certificates ───────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class KeyUsage:
    """Every bit named is as said (TS 119 612 §5.5.9.2.2.1); names are those of `x509.KeyUsage`."""

    bits: tuple[tuple[str, bool], ...]

    def matches(self, certificate: x509.Certificate) -> bool:
        """Whether the certificate meets it."""
        try:
            usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        except x509.ExtensionNotFound:
            return False
        # The two last bits exist only beside key agreement; asked otherwise, the library raises.
        return all(
            (getattr(usage, name) if usage.key_agreement or not name.endswith("_only") else False) is value
            for name, value in self.bits
        )


@dataclass(frozen=True, slots=True)
class Policies:
    """Every policy named is in the certificate."""

    oids: frozenset[str]

    def matches(self, certificate: x509.Certificate) -> bool:
        """Whether the certificate meets it."""
        try:
            held = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
        except x509.ExtensionNotFound:
            return False
        return self.oids <= {it.policy_identifier.dotted_string for it in held}


@dataclass(frozen=True, slots=True)
class KeyPurposes:
    """Every extended key usage named is in the certificate."""

    oids: frozenset[str]

    def matches(self, certificate: x509.Certificate) -> bool:
        """Whether the certificate meets it."""
        try:
            held = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            return False
        return self.oids <= {it.dotted_string for it in held}


@dataclass(frozen=True, slots=True)
class SubjectAttributes:
    """The subject has every attribute named."""

    oids: frozenset[str]

    def matches(self, certificate: x509.Certificate) -> bool:
        """Whether the certificate meets it."""
        return self.oids <= {it.oid.dotted_string for it in certificate.subject}


@dataclass(frozen=True, slots=True)
class Criteria:
    """Criteria together (TS 119 612 §5.5.9.2.2): all of them, at least one, or none."""

    combine: Literal["all", "atLeastOne", "none"]
    parts: tuple[Criterion, ...]

    def matches(self, certificate: x509.Certificate) -> bool:
        """Whether the certificate meets them."""
        answers = [part.matches(certificate) for part in self.parts]
        if self.combine == "all":
            return all(answers)
        return any(answers) is (self.combine == "atLeastOne")


Criterion = KeyUsage | Policies | KeyPurposes | SubjectAttributes | Criteria


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualification:
    """Qualifiers, without the common beginning of their URIs, and the certificates to which they apply."""

    qualifiers: frozenset[str]
    criteria: Criteria


# ── both together ────────────────────────────────────────────────────────────────────────────────────────

_PURPOSES: Final = {
    "QCForESig": Purpose.SIGNATURES,
    "QCForESeal": Purpose.SEALS,
    "QCForWSA": Purpose.WEBSITES,
}
_PROTECTED: Final = frozenset({"QCWithQSCD", "QCWithSSCD", "QCQSCDManagedOnBehalf"})
_NOT_PROTECTED: Final = frozenset({"QCNoQSCD", "QCNoSSCD"})
_AS_IN_CERTIFICATE: Final = frozenset({"QCQSCDStatusAsInCert", "QCSSCDStatusAsInCert"})
_QUALIFYING: Final = frozenset({"QCStatement", *_PURPOSES, *_PROTECTED, *_NOT_PROTECTED, *_AS_IN_CERTIFICATE})
"""Known qualifiers.  Any other that applies says no: `NotQualified`, `QCForLegalPerson` (no person, and from before
there were seals), and what a later version of the standard may bring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A trust service as a list has it granted from `since` until just before `until`."""

    name: str
    territory: str
    since: datetime
    until: datetime
    purposes: frozenset[Purpose] = frozenset()
    qualifications: tuple[Qualification, ...] = ()

    def covers(self, at: datetime) -> bool:
        """Whether the list grants it at a moment."""
        return self.since <= at < self.until

    def verdict(self, certificate: x509.Certificate, claimed: Claims) -> bool | None:
        """Return whether a certificate that it issued is qualified; None if it says nothing about such ones."""
        applying = frozenset().union(*(it.qualifiers for it in self.qualifications if it.criteria.matches(certificate)))
        corrected = [_PURPOSES[it] for it in applying & _PURPOSES.keys()]
        purpose = claimed.purpose if not corrected else corrected[0] if len(corrected) == 1 else None
        if purpose is not None and purpose not in self.purposes:
            return None
        if purpose is None or applying - _QUALIFYING:
            return False
        protected = bool(applying & _PROTECTED) or claimed.protected
        if applying & _NOT_PROTECTED:
            protected = False
        compliant = claimed.compliant or "QCStatement" in applying
        return compliant and protected and purpose is not Purpose.WEBSITES


def is_qualified(certificate: x509.Certificate, services: Sequence[Service], at: datetime) -> bool:
    """Whether a signature with the certificate is a qualified one, or a qualified seal, at a moment.

    The list must say so both for the moment and for the day on which the certificate was issued.  Services that
    contradict each other say no.
    """
    try:
        ask = partial(_agreed, certificate, claims(certificate), services)
        return ask(at) and ask(certificate.not_valid_before_utc)
    except Exception:  # noqa: BLE001 - a library reads foreign octets, and late: whatever it raises means no
        return False


def _agreed(certificate: x509.Certificate, claimed: Claims, services: Sequence[Service], at: datetime) -> bool:
    verdicts = {it.verdict(certificate, claimed) for it in services if it.covers(at)} - {None}
    return verdicts == {True}
