"""What is wrong with one path, if anything is: RFC 5280 §6 by pyhanko-certvalidator, and our own rule about keys.

What must live here: the pieces that a path is made of, as the library wants them; which of them breaks which rule,
in words that may be told.  Which paths there are is proposed in `path.py`; whether anything was revoked is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import x509 as asn1
from pyhanko_certvalidator.authority import AuthorityWithCert, CertTrustAnchor, derive_quals_from_cert
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import DisallowedAlgorithmError, ExpiredError, NotYetValidError, ValidationError
from pyhanko_certvalidator.name_trees import default_excluded_subtrees, default_permitted_subtrees
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import NO_REVOCATION, CertRevTrustPolicy, PKIXValidationParams
from pyhanko_certvalidator.validate import async_validate_path

from broker.verify.certificate import Certificate, issuer_key, load, spki, usable
from broker.verify.fault import Fault
from broker.verify.rules import broken
from broker.verify.trust import Anchor


@dataclass(frozen=True, slots=True)
class Root:
    """An anchor."""

    anchor: Anchor
    certificate: Certificate
    asn1: asn1.Certificate
    authority: AuthorityWithCert


@dataclass(frozen=True, slots=True)
class Link:
    """A certificate below one."""

    certificate: Certificate
    asn1: asn1.Certificate
    authority: AuthorityWithCert
    name: str  # of whom it is, as `issuer_key` tells issuers apart
    key: bytes  # as `spki` writes it


def flaw(root: Root, chain: Sequence[Link], at: datetime) -> Fault | None:
    """Judge one path; return what is wrong with it, and with which of its certificates."""
    path = [*(link.certificate for link in chain), root.certificate]
    for place, certificate in enumerate(path[1:], start=1):
        if certificate.key is not None and not usable(certificate.key):
            return _fault("verify.chain-weak", path, place)
    anchor = trust_anchor(root.asn1)
    context = ValidationContext(
        trust_roots=[anchor],
        moment=at,
        allow_fetching=False,
        revinfo_policy=CertRevTrustPolicy(NO_REVOCATION),
        time_tolerance=timedelta(0),
    )
    way = ValidationPath(anchor, [link.asn1 for link in reversed(chain[1:])], chain[0].asn1)
    try:
        step(async_validate_path(context, way))
    except ValidationError as error:
        # It judges from the anchor down, of which it asks its dates alone, and notes each below that is all right.
        passed: Any = context.check_validation  # the library has no types
        left = (place for place in range(len(chain) - 1, 0, -1) if passed(chain[place].asn1) is None)
        own = root.certificate.report
        lives = own.not_before <= at <= own.not_after
        return _broken(error, path, next(left, 0) if lives else len(chain))
    return None


def _broken(error: ValidationError, path: Sequence[Certificate], place: int) -> Fault:
    """Return which rule the certificate at a place of a path breaks."""
    report = path[place].report
    match error:
        case DisallowedAlgorithmError():
            return _fault("verify.chain-weak", path, place)
        case ExpiredError():
            return _fault("verify.chain-expired", path, place, date=zulu(report.not_after))
        case NotYetValidError():
            return _fault("verify.chain-not-yet-valid", path, place, date=zulu(report.not_before))
        case _:
            return _fault("verify.chain-invalid", path, place, reason=broken(error.failure_msg))


def _fault(code: str, path: Sequence[Certificate], place: int, **facts: str) -> Fault:
    """Return the fault of the certificate at a place of a path, named for its subject only if it is an authority's.

    Others are `signer`, or called by their number: a person's name is nothing to be told.
    """
    own = path[place].report.subject if place and path[place].authority else ""
    named = own or (str(place + 1) if place else "signer")
    return Fault(code, tried=[it.report.subject for it in path], certificate=named, **facts)


def zulu(moment: datetime) -> str:
    """Write a moment as it is told."""
    return moment.isoformat().replace("+00:00", "Z")


def step(judgement: Any) -> None:
    """Run a coroutine that waits for nothing: an event loop would open sockets."""
    try:
        judgement.send(None)
    except StopIteration:
        return
    judgement.close()
    raise Fault("verify.chain-unreadable")  # it waits for something: without fetching there is nothing to wait for


def root_of(anchor: Anchor) -> Root:
    """Read an anchor; raise Fault, or whatever the library raises."""
    certificate = load(anchor.der)
    parsed = asn1.Certificate.load(certificate.der)
    return Root(anchor, certificate, parsed, AuthorityWithCert(parsed))


def link_of(certificate: Certificate) -> Link:
    """Read a certificate that may stand below an anchor; raise whatever the library raises."""
    parsed = asn1.Certificate.load(certificate.der)
    return Link(certificate, parsed, AuthorityWithCert(parsed), issuer_key(certificate.x509), spki(certificate.x509))


def trust_anchor(certificate: asn1.Certificate) -> CertTrustAnchor:
    """Return an anchor whose certificate's dates, path length and names count; raise whatever the library raises.

    Its policies ask for nothing: whether a policy is required is for those below to say, or for whoever relies on them
    (RFC 5280 §6.1.1), and nobody does here.  The library would make a requirement of them, and of names of the one
    type that the constraints speak of all names that there are.
    """
    derived = derive_quals_from_cert(certificate)
    said = derived.standard_parameters or PKIXValidationParams()
    permitted, excluded = said.initial_permitted_subtrees or {}, said.initial_excluded_subtrees or {}
    parameters = PKIXValidationParams(
        initial_permitted_subtrees={**default_permitted_subtrees(), **permitted},
        initial_excluded_subtrees={**default_excluded_subtrees(), **excluded},
    )
    return CertTrustAnchor(certificate, replace(derived, standard_parameters=parameters))
