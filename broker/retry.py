"""What an attempt means for a delivery: a decision, not an action.

An outage ends by time, not by tries: an office that is down for a weekend costs no document its turn, so
patience is a length of time.  Crashes are counted apart: a document that kills its workers is quarantined
after a few, however young it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from broker.errors import BrokerError, Refused, Unavailable
from broker.model import Claim, Outcome
from broker.states import DeliveryEvent, follow


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Wait `first`, doubling up to `longest`; give up `patience` after entry, or after `crashes` crashes."""

    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(minutes=30)
    patience: timedelta = timedelta(days=7)
    crashes: int = 3

    def wait(self, failures: int, jitter: float) -> timedelta:
        """Return the pause after `failures` tries (1 or more); `jitter` in [0, 1) spreads it over ±50 %."""
        doubled = self.first * (1 << min(max(failures, 1) - 1, 20))
        return min(doubled, self.longest) * (0.5 + jitter)

    def grant(self, asked: timedelta, jitter: float) -> timedelta:
        """Return the pause that an office gets that asked for one: never so short that it is hammered.

        Jitter only lengthens it, by up to a tenth: who asks for a minute shall have a minute.
        """
        return max(self.first, min(asked, self.longest)) * (1 + jitter / 10)

    def worn_out(self, claim: Claim) -> bool:
        """Tell whether this delivery has killed too many workers to be tried again."""
        return claim.delivery.crashes >= self.crashes


def decide(
    claim: Claim, answer: str | BrokerError, *, policy: RetryPolicy, jitter: float, asked: bool = True
) -> Outcome:
    """Return what `answer` (a reference, Refused, Unavailable or any other of ours) makes of the claim.

    `asked` is False when the attempt ended before the office was spoken to: then nothing was learnt about it.
    """
    delivery = claim.delivery
    wait = timedelta(0)
    match answer:
        case str():
            event = DeliveryEvent.ACKNOWLEDGED
        case Refused():
            event = DeliveryEvent.REFUSED
        case _ if policy.worn_out(claim) or claim.claimed_at - delivery.since >= policy.patience:
            event = DeliveryEvent.GAVE_UP
        case Unavailable(retry_after=timedelta() as wish):
            event, wait = DeliveryEvent.POSTPONED, policy.grant(wish, jitter)
        case _:
            event, wait = DeliveryEvent.POSTPONED, policy.wait(delivery.attempts, jitter)
    return Outcome(
        event=event,
        state=follow(delivery.state, event),
        wait=wait,
        reference=answer if isinstance(answer, str) else "",
        error="" if isinstance(answer, str) else _words(answer),
        healthy=isinstance(answer, str | Refused) if asked else None,
    )


def _words(error: BrokerError) -> str:
    """Return what is kept of an error: its cause in one word, if its maker named one, and what it says.

    Never nothing, whatever an adapter raises: by it a delivery that was requeued is known to have been tried.
    """
    condition = error.condition if isinstance(error, Unavailable | Refused) else ""
    return f"{condition}: {error}" if condition else str(error) or type(error).__name__
