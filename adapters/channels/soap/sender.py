"""Who sends: what was proven, set against what the message claims.

Two moments.  `expected`, when only the head of a request is there: a stranger need not be listened to where TLS is
the only proof.  `judge`, when the message has been read.  TLS vouches for the whole message; a WS-Security signature
for what it covers, and that must be all that we read, unless TLS has proven the same partner or clients of the ePUAP
dialect, which sign the Body alone, were agreed on with it.  Where several partners have the certificate, it does not
say whose message this is: then the name must be signed in any case, or TLS vouch for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lxml import etree

from adapters.wire import ob
from adapters.wire.wss import Secured
from broker.errors import Unauthorised
from broker.model import Once
from broker.partner import NOBODY, Coverage, Credential, Partner, Partners, Proof

SENDER: Final = f"{{{ob.NS}}}IdentyfikatorPodmiotu"
"""The header block that says who sends, in every service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who sends, and how that is known.  `partner` is None where senders are believed and this one is no partner."""

    id: str
    proof: Proof
    partner: Partner | None
    once: Once | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Judges senders by the partners as they are now.  With no `proofs` senders are believed."""

    proofs: frozenset[Proof] = frozenset()
    partners: Callable[[], Partners] = lambda: NOBODY

    def holders(self, key: str) -> tuple[Partner, ...]:
        """Return the partners to whom a certificate shown in TLS belongs ("": none was)."""
        return self.partners().of(Credential(proof=Proof.TLS, key=key)) if key else ()

    def expected(self, key: str) -> tuple[Partner, ...]:
        """Return who may be sending on a connection whose client has shown this certificate ("": none).

        Raises Unauthorised if nothing that the message may hold could help.
        """
        holders = self.holders(key)
        if self.proofs == {Proof.TLS} and not holders:
            if key:
                raise Unauthorised("partner.unknown", place=Proof.TLS, facts={"key": key})
            raise Unauthorised("partner.unproven")
        return holders

    def meet(self, credential: Credential) -> None:
        """Raise Unauthorised if a signature is nobody's, before what it covers is digested: a stranger costs little."""
        if self.proofs and not self.partners().of(credential):
            raise Unauthorised("partner.unknown", place=credential.proof, facts={"key": credential.key})

    def judge(
        self, claimed: str, key: str, secured: Secured | None, headers: Collection[etree._Element], at: datetime
    ) -> Sender:
        """Return the sender; `headers` are the blocks whose word will be taken.

        `key` is the certificate shown in TLS, `secured` what the message's own signature proves.  Raises Unauthorised
        (`partner.*`, or `wss.*` if too little is signed).
        """
        known = self.partners()
        if not self.proofs:
            return Sender(id=claimed, proof=Proof.NONE, partner=known.get(claimed))
        shown = []
        if key and Proof.TLS in self.proofs:
            shown.append(Credential(proof=Proof.TLS, key=key))
        if secured is not None:
            shown.append(secured.credential)
        if self.proofs.isdisjoint(one.proof for one in shown):
            raise Unauthorised("partner.unproven")
        partner = known.identify(claimed, shown, at)
        if secured is None:
            return Sender(id=partner.id, proof=Proof.TLS, partner=partner)
        whole = len(shown) == 1 and partner.covers is Coverage.HEADERS
        shared = len(shown) == 1 and len(known.of(secured.credential)) > 1
        names = [block for block in headers if shared and block.tag == SENDER]
        secured.demand(timestamp=whole, headers=headers if whole else names)
        return Sender(id=partner.id, proof=shown[0].proof, partner=partner, once=secured.once)
