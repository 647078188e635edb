"""Stage 5, admit: whether this sender may put this form, with this level of signature, into this box.

Verification states facts and routing finds the box with its rules; only here is anything judged.  The order is
what a sender would want to hear first: no signature helps whoever may not send to the box at all.
"""

from __future__ import annotations

from broker.errors import Unauthorised, Untrusted
from broker.evidence import Indication, Report, SignatureReport, explanation
from broker.model import Admitted, BoxPolicy, Form, Routed


def admit(routed: Routed, /) -> Admitted:
    """Let the document through, or raise Unauthorised (sender, form) or Untrusted (signatures)."""
    verified, policy = routed.verified, routed.target.policy
    form, report = verified.valid.form, verified.report
    _may_send(verified.valid.document.envelope.sender, form, policy, routed.target.box)
    _holds(report)
    if form.signed or not policy.unsigned:
        _suffices(report, form, policy, routed.target.box)
    return Admitted(routed=routed)


def _may_send(sender: str, form: Form, policy: BoxPolicy, box: str) -> None:
    """Raise Unauthorised unless the box takes this form, and from this sender."""
    if policy.senders and sender not in policy.senders:
        raise Unauthorised("admit.sender-not-accepted", facts={"box": box})
    if policy.forms and policy.forms.isdisjoint((str(form.key), form.key.name)):
        facts = {"box": box, "form": str(form.key), "accepted": ", ".join(sorted(policy.forms))}
        raise Unauthorised("admit.form-not-accepted", facts=facts)


def _holds(report: Report) -> None:
    """Raise Untrusted unless the verdict is PASSED: what was signed must hold, even where nothing need be signed.

    A verdict that is INDETERMINATE is no acceptance.  One that lacks evidence which could still be fetched is told
    apart here once evidence is fetched at all: under `revocation=off` nothing more will be known later.
    """
    if report.indication is not Indication.PASSED:
        raise Untrusted(report.code, place=report.place, facts=explanation(report))


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

    Signing twice does not make two signers, nor do two certificates of one person: whoever has a number is known
    by it.  The certificate alone would not tell either: under podpis zaufany it is the platform's for everybody.
    """
    identity, certificate = signature.identity, signature.certificate
    if identity and (identity.pesel or identity.nip):
        return ("number", identity.pesel, identity.nip)
    return (
        "certificate",
        certificate.sha256 if certificate else signature.id,
        identity.common_name if identity else "",
    )
