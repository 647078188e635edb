"""Holds the broker to its promises after the play: what senders hold, against what offices got.

Nothing is taken from the broker's own word: receipts are checked as anybody could, documents are compared byte for
byte with what the right offices registered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from broker.proof import check
from broker.verify import TrustSnapshot, anchors
from config import packaged
from config.demo.letters import PORTAL, PORTAL_BOX
from config.demo.play import Sent, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The counts that the demo ends with, and every letter that is not as it should be."""

    accepted: int
    refused: int
    delivered: int
    verified: int
    lost: int
    doubled: int
    wrong: tuple[str, ...] = ()
    found: dict[str, bool] = field(default_factory=dict)  # submission → whether its receipt verifies

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        return not self.wrong and not self.lost and not self.doubled

    def __str__(self) -> str:
        each = "each as it should" if not self.wrong else f"{len(self.wrong)} NOT as they should"
        return (
            f"accepted {self.accepted} · refused {self.refused} ({each}) · delivered {self.delivered} · "
            f"receipts verified {self.verified} · lost {self.lost} · doubled {self.doubled}"
        )


def audit(stage: Stage, sent: Sequence[Sent], repeats: Sequence[tuple[Sent, Sent]], trials: Sequence[Sent]) -> Verdict:
    """Compare answers, receipts and what the offices got.

    `repeats` are pairs of the same letter sent twice; `trials` must have a receipt and no delivery.
    """
    schema = packaged.text("receipts/upo.xsd")
    trust = TrustSnapshot(anchors=anchors((stage.site.folder / "pki" / "seal-ca.pem").read_bytes()))
    wrong = [f"{one.letter.name}: got {one.code or 'a receipt'}" for one in (*sent, *trials) if not one.as_it_should]
    wrong += [
        f"{first.letter.name}: another receipt for a repeat" for first, again in repeats if not _same(first, again)
    ]
    accepted = [one for one in sent if not one.code]
    verified = {
        one.submission: check(one.receipt, schema=schema, trust=trust, document=one.letter.submission.document).holds
        for one in (*accepted, *trials)
    }
    wrong += [f"{submission}: its receipt does not verify" for submission, holds in verified.items() if not holds]
    got = Counter(it.facts["submission"] for it in stage.handovers)
    boxes = {PORTAL_BOX: PORTAL, **{it.box: str(it.id) for it in stage.site.offices}}
    registered = {it.facts["submission"]: (it.office, it.document, it.receipt) for it in stage.handovers}
    arrived = [
        one
        for one in accepted
        if registered.get(one.submission)
        == (boxes.get(one.letter.submission.box or ""), one.letter.submission.document, one.receipt)
    ]
    known = {one.submission for one in accepted}
    wrong += [
        f"{submission}: delivered, but nobody holds a receipt for it" for submission in got if submission not in known
    ]
    return Verdict(
        accepted=len(accepted),
        refused=sum(1 for one in sent if one.code),
        delivered=len(arrived),
        verified=sum(1 for one in accepted if verified[one.submission]),
        lost=len(accepted) - len(arrived),
        doubled=sum(times - 1 for times in got.values()) + stage.conflicts + _shared(accepted),
        wrong=tuple(wrong),
        found=verified,
    )


def _same(first: Sent, again: Sent) -> bool:
    return bool(first.receipt) and first.receipt == again.receipt


def _shared(accepted: Sequence[Sent]) -> int:
    """Return how many letters were given a submission that another letter has."""
    return len(accepted) - len({one.submission for one in accepted})
