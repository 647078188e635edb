"""A second verifier behind our own: where ours says yes, it is asked too, and may say no (DESIGN §4.9).

What must live here: the seam, and what a disagreement does.  Neither verifier is believed against the other: that they
disagree says that one of them has a flaw, not that the document was touched.  So the verdict is INDETERMINATE, the
document is refused, and somebody is told, who can find out which of the two is wrong.

It is asked about nothing but signatures that hold by our own verifier, all of whose caps lie before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import structlog

from broker.evidence import Indication, Level, Report, SecondOpinion, SignatureReport, Stance
from broker.model import Document, Valid, Verified
from broker.partner import Proof
from broker.verify.fault import Fault

log = structlog.get_logger(__name__)

CODE: Final = "verify.second-opinion"


class SecondVerifier(Protocol):
    """Somebody else's verifier.  May be called by many threads."""

    def __call__(self, document: bytes, signatures: Sequence[SignatureReport], /) -> SecondOpinion:
        """Say whether these signatures hold: all that stand at the root of the document, in document order.

        Each is asked about with the certificate that our own verifier has found (told by its SHA-256; it stands beside
        the signature), and with what its References were found to digest to.  Whether the certificate is believed is
        not asked, nor whether the document has a shape that we take: only whether it was this key that signed these
        octets.  It disagrees if it finds otherwise; of what it cannot read it has no opinion.  Asks nobody, no server
        either, and raises nothing but Unavailable.
        """
        ...


class FirstVerifier(Protocol):
    """Our own: `broker.verify.Verify`."""

    def __call__(self, value: Valid, /) -> Verified: ...

    def again(self, document: Document) -> Report: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconded:
    """Stage verify with a second verifier behind it; takes the place of the first."""

    first: FirstVerifier
    second: SecondVerifier

    def __call__(self, value: Valid, /) -> Verified:
        """Establish what the first does; nothing holds with which the second disagrees."""
        verified = self.first(value)
        return replace(verified, report=self._told(value.document, verified.report))

    def again(self, document: Document) -> Report:
        """Judge again, likewise."""
        return self._told(document, self.first.again(document))

    def _told(self, document: Document, report: Report) -> Report:
        """Raise the alarm if they disagree: the refusal alone would look like any other."""
        seconded = second(report, document.envelope.payload, self.second)
        opinion = seconded.second_opinion
        if opinion is not None and opinion.stance is Stance.DISAGREES:
            it = document.envelope
            sender = "" if it.proof is Proof.NONE else it.sender  # what somebody calls itself may be anybody's name
            about = {"channel": it.channel, "sender": sender, "sha256": it.digest}
            log.error("verify.disagreed", **about, by=opinion.by, reason=opinion.reason, place=opinion.place)
        return seconded


def second(report: Report, document: bytes, verifier: SecondVerifier) -> Report:
    """Return the report with the second opinion in it; where they disagree, nothing in it is proven any more.

    Nobody is asked about what does not hold as it is, or bears no signature.
    """
    if not report.signatures or not (report.indication is Indication.PASSED or report.awaits):
        return report
    opinion = verifier(document, report.signatures)
    if opinion.stance is not Stance.DISAGREES:
        return replace(report, second_opinion=opinion)
    fault = Fault(CODE, opinion.place)
    return replace(
        report,
        indication=fault.indication,
        sub_indication=fault.sub_indication,
        code=fault.code,
        place=fault.place,
        hint="",
        level=Level.NONE,
        second_opinion=opinion,
    )
