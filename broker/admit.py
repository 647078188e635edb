"""Stage 5, admit: whether this sender may put this form, with this level of signature, into this box.

Verification states facts and routing finds the box with its rules; only here is anything judged.  The order is
what a sender would want to hear first: no signature helps whoever may not send to the box at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from broker.errors import NotYet, Unauthorised, Untrusted
from broker.evidence import Indication, Report, SignatureReport, explanation
from broker.model import Admitted, BoxPolicy, Form, Routed
from broker.partner import NOBODY, Partner, Partners

GRACE = "admit.grace"
"""The note on what was let in though nobody could say whether a certificate is revoked."""

RETRY_AFTER = timedelta(seconds=10)
"""When evidence that is being fetched can be expected to be there."""


_ATTRIBUTE: Final = re.compile(r"(?:\\.|[^\\,+])+", re.DOTALL)  # of a name as RFC 4514 writes it
# A serialNumber that means one person, whoever issues the certificate: of a passport, an identity card, a register of
# persons, or for taxes.
_OWN_NUMBER: Final = re.compile(r"2\.5\.4\.5=((?:PAS|IDC|PNO|TAX|TIN)[A-Z]{2}-.+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit:
    """The stage."""

    partners: Callable[[], Partners] = lambda: NOBODY

    def __call__(self, routed: Routed, /) -> Admitted:
        """Let the document through, or raise Unauthorised (sender, form) or Untrusted (signatures).

        Raises NotYet while it is not known whether a certificate is revoked, and the box grants no grace.
        """
        verified, policy = routed.verified, routed.target.policy
        envelope, form, box = verified.valid.document.envelope, verified.valid.form, routed.target.box
        partner = self.partners().sender(envelope.sender, envelope.proof)
        if partner is not None:
            _partner_may(partner, form, box)
        _box_takes(envelope.sender, form, policy, box)
        notes = _holds(verified.report, policy, envelope.received_at)
        if form.signed or not policy.unsigned:
            _suffices(verified.report, form, policy, box)
        return Admitted(routed=routed, notes=notes)


def _partner_may(partner: Partner, form: Form, box: str) -> None:
    """Raise Unauthorised unless the partner may send this form, and to this box."""
    if not partner.may_reach(box):
        raise Unauthorised("partner.box-not-allowed", facts={"box": box})
    if partner.forms and partner.forms.isdisjoint((str(form.key), form.key.name)):
        facts = {"form": str(form.key), "accepted": ", ".join(sorted(partner.forms))}
        raise Unauthorised("partner.form-not-allowed", facts=facts)


def _box_takes(sender: str, form: Form, policy: BoxPolicy, box: str) -> None:
    """Raise Unauthorised unless the box takes this form, and from this sender."""
    if policy.senders and sender not in policy.senders:
        raise Unauthorised("admit.sender-not-accepted", facts={"box": box})
    if policy.forms and policy.forms.isdisjoint((str(form.key), form.key.name)):
        facts = {"box": box, "form": str(form.key), "accepted": ", ".join(sorted(policy.forms))}
        raise Unauthorised("admit.form-not-accepted", facts=facts)


def _holds(report: Report, policy: BoxPolicy, at: datetime) -> tuple[str, ...]:
    """Raise Untrusted unless the verdict is PASSED: what was signed must hold, even where nothing need be signed.

    One thing may be missing and still come: whether a certificate is revoked (TRY_LATER).  Then a document is let in
    where the box grants a grace and the authority has not been silent for longer than that; elsewhere its sender is
    told to try later.  Returns the notes to be kept.
    """
    if report.indication is Indication.PASSED:
        return ()
    if not report.awaits:
        raise Untrusted(report.code, place=report.place, facts=explanation(report))
    silent = report.silent_since
    if policy.grace and silent is not None and at - silent <= policy.grace:
        return (GRACE,)
    reason = "it is not known yet whether a certificate is revoked"
    raise NotYet(reason, retry_after=RETRY_AFTER, condition="evidence")


def _suffices(report: Report, form: Form, policy: BoxPolicy, box: str) -> None:
    """Raise Untrusted unless there are enough signatures, and strong enough ones."""
    if not report.signatures:
        raise Untrusted("admit.signature-missing", facts={"form": str(form.key), "box": box})
    needed = max(form.level, policy.level, key=lambda level: level.rank)
    if report.level.rank < needed.rank:
        raise Untrusted("admit.level-too-low", facts={"level": report.level, "needed": needed})
    signers = {_signer(signature) for signature in report.signatures}
    if len(signers) < policy.signatures:
        facts = {"signatures": str(len(signers)), "needed": str(policy.signatures)}
        raise Untrusted("admit.too-few-signatures", facts=facts)


def _signer(signature: SignatureReport) -> tuple[str, ...]:
    """Return what tells one signer from another.

    Signing twice does not make two signers, nor do two certificates of one person: whoever has a PESEL is known by it,
    and by it alone, for a certificate for business names the firm too.  A NIP is the firm's: it tells a seal, which
    names no person, and not who of the firm signed.  All others are known by the number that their certificate gives
    them (ETSI EN 319 412-1 §5.1.3), or by their name there, which its issuer gives to nobody else (RFC 5280 §4.1.2.6).
    Under podpis zaufany the certificate is the platform's for everybody.
    """
    identity, certificate = signature.identity, signature.certificate
    if identity and identity.pesel:
        return ("pesel", identity.pesel)
    if identity and identity.nip and not (identity.given_names or identity.family_name):
        return ("nip", identity.nip)
    if certificate is None:
        return ("signature", signature.id)
    if identity and identity.source == "claimed-role":
        return ("claimed", certificate.issuer, certificate.subject, identity.common_name)
    own = [it[1] for it in map(_OWN_NUMBER.fullmatch, _ATTRIBUTE.findall(certificate.subject)) if it]
    return ("number", own[0]) if own else ("name", certificate.issuer, certificate.subject)
