"""Stage 3, verify: what the signatures are worth, as facts (DESIGN §4.9).

Nothing is judged by target here: whether the facts are enough for a box is decided in `broker/admit.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from lxml import etree

from broker.evidence import Report
from broker.model import Document, Valid, Verified
from broker.verify.judgement import Judgement, form_of, judge_document
from broker.verify.moment import Window
from broker.verify.path import Path
from broker.verify.revocation import NOTHING_KNOWN, Evidence, Known
from broker.verify.signer import Policy
from broker.verify.trust import TrustSnapshot, public_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """The stage.  `trust` supplies the snapshot of the moment; certificates are judged as of the moment of entry.

    `evidence` supplies what is known of revocations; `ask` is told of every path for which something is missing,
    too old, or soon will be.  Both are called on the way of a document and must return at once.
    """

    trust: Callable[[], TrustSnapshot]
    evidence: Callable[[], Evidence] = NOTHING_KNOWN.evidence
    ask: Callable[[Path], None] = NOTHING_KNOWN.ask
    policy: Policy = field(default_factory=Policy)

    def __call__(self, valid: Valid) -> Verified:
        """Establish verdict, level, identity and the covered octets; a bad signature is a fact, not an error."""
        judgement = self._judge(valid.document)
        return Verified(valid=valid, report=judgement.report, content=judgement.content)

    def again(self, document: Document) -> Report:
        """Return what a document that was taken in before is worth, as of its entry, with what is known now."""
        return self._judge(document).report

    def _judge(self, document: Document) -> Judgement:
        return judge_document(
            document.root,
            document.form,
            trust=self.trust(),
            known=Known(evidence=self.evidence, ask=self.ask),
            at=document.envelope.received_at,
            policy=self.policy,
            size=len(document.envelope.payload),
        )


def examine(
    document: Document | etree._Element,
    trust: TrustSnapshot,
    at: datetime,
    *,
    profile: Literal["xades", "basic"] = "xades",
    path: bool = True,
    keys: Sequence[bytes] = (),
    known: Known = NOTHING_KNOWN,
    window: Window | None = None,
) -> Report:
    """Return what the signatures of a document, or of a document's root, are worth as of `at`.

    `keys` are PEM texts, a public key or a certificate each, for the basic profile; `known` is asked when the policy
    of `trust` asks for proof that certificates were not revoked; `window` is where a claimed SigningTime may lie.
    Raises ConfigError if a key cannot be read, and nothing else.
    """
    policy = Policy(profile=profile, path=path, keys=public_keys(keys), window=window or Window())
    if isinstance(document, Document):
        root, form, size = document.root, document.form, len(document.envelope.payload)
    else:
        root = document.getroottree().getroot()
        form, size = form_of(root), len(etree.tostring(root))
    return judge_document(root, form, trust=trust, known=known, at=at, policy=policy, size=size).report
