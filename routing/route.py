"""Stage 4, route: from what a document says, in envelope and form, to the box that it goes to.

What must live here: how a question is put together.  How it is answered is in `table.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from broker.model import Routed, Verified
from broker.parse import Limits
from broker.ports import Question, Router
from broker.read import Party, addressees, numbers_parties
from routing.keys import bare


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The stage.  Raises Unroutable."""

    router: Router
    limits: Limits

    def __call__(self, verified: Verified, /) -> Routed:
        """Ask the table; its answer carries notes where envelope and form disagree (DOMAIN §3)."""
        return Routed(verified=verified, target=self.router.target(question(verified, self.limits)))


def question(verified: Verified, limits: Limits) -> Question:
    """Return what the table is asked about a document: its moment is that of entry, not that of the lookup."""
    envelope = verified.valid.document.envelope
    # A form is read a second time for this, from the signed octets only.  One whose parties bear no such number
    # has nothing to tell, whatever its size.
    to: tuple[Party, ...] = ()
    if numbers_parties(verified.content):
        to = tuple(party for party in addressees(verified.content, limits) if not party.person)
    return Question(
        to=envelope.to,
        form=verified.valid.form,
        at=envelope.received_at,
        regons=tuple(filter(None, (bare(party.regon) for party in to))),
        nips=tuple(filter(None, (bare(party.nip) for party in to))),
    )
