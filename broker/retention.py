"""How long content is kept: the rules as values, and what a store that prunes promises.

Content is the document, the reports on it, and the four texts that its sender wrote beside it.  The proof (submission,
receipt, time-stamp, deliveries, events) is not content and stays.
Nothing is pruned unless a rule says so, nor before its delivery is acknowledged: this file says for how long, the
store guards the rest in the transaction that removes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from broker.errors import ConfigError
from broker.model import FormKey, OfficeId, SubmissionId
from broker.ports import EventRecord

PRUNED: Final = "retention.pruned"
"""The event that tells that a submission's content was removed; its detail is the document's digest."""

HELD: Final = "retention.held"
LIFTED: Final = "retention.lifted"
REFUSALS: Final = "retention.refusals-forgotten"

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Content of this form for this office is kept for so long after it was accepted; empty words match all."""

    keep: timedelta | None  # None: for ever
    form: str = ""  # a name ("pismo-ogolne") or one version of it ("pismo-ogolne/1410")
    office: str = ""

    @property
    def weight(self) -> int:
        """How specific it is: one for the form, one for its version, one for the office."""
        return bool(self.form) + ("/" in self.form) + bool(self.office)

    def covers(self, form: FormKey, office: OfficeId) -> bool:
        """Whether it speaks of such content."""
        return self.form in {"", form.name, str(form)} and self.office in {"", office}


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules, in the order in which they are asked: the first that covers some content decides.

    The most specific comes first; of rules that are equally specific, the one that keeps longer.  Raises ConfigError
    if two speak of the very same content.
    """

    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        spoken = [(rule.form, rule.office) for rule in self.rules]
        twice = sorted({one for one in spoken if spoken.count(one) > 1})
        if twice:
            raise ConfigError([f"two rules for form {form!r}, office {office!r}" for form, office in twice])
        longest = timedelta.max
        ordered = sorted(
            self.rules,
            key=lambda rule: (rule.weight, rule.keep is None, rule.keep or longest, rule.form, rule.office),
            reverse=True,
        )
        object.__setattr__(self, "rules", tuple(ordered))

    def keep(self, form: FormKey, office: OfficeId) -> timedelta | None:
        """Return how long such content is kept, None for ever."""
        return next((rule.keep for rule in self.rules if rule.covers(form, office)), None)

    @property
    def shortest(self) -> timedelta | None:
        """The shortest time that any of them names, None if nothing is ever pruned."""
        return min((rule.keep for rule in self.rules if rule.keep is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By what is judged which content may go."""

    rules: Rules
    at: datetime
    stamped: bool = False  # receipts are time-stamped here: content stays until its receipt has been

    def no_later_than(self, now: datetime) -> Terms:
        """Return these as of the store's moment, if that is earlier: the clock of a node may be ahead."""
        return replace(self, at=min(self.at, now))

    def cutoff(self, keep: timedelta | None) -> datetime:
        """Return the moment before which content that is kept so long must have been accepted to go."""
        try:
            return _NEVER if keep is None else self.at - keep
        except OverflowError:
            return _NEVER

    @property
    def latest(self) -> datetime:
        """The moment since which nothing that was accepted may go, by whatever rule."""
        return self.cutoff(self.rules.shortest)

    def over(self, form: FormKey, office: OfficeId, accepted_at: datetime) -> bool:
        """Whether the time of such content is over."""
        return accepted_at < self.cutoff(self.rules.keep(form, office))


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A submission whose content may go."""

    submission: SubmissionId
    form: FormKey
    office: OfficeId
    accepted_at: datetime
    size: int  # of the document, bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look has found."""

    due: tuple[Due, ...]
    after: str  # where the next look goes on; "" when all has been looked at


class Retention(Protocol):
    """What a store that prunes does, in small transactions.  Raises Unavailable as the store does."""

    def look(self, terms: Terms, after: str = "", most: int = 1000) -> Look:
        """Look at up to `most` submissions that have content, oldest id first, beginning after this one.

        Due is what is over by its rule and is delivered (or was a trial), awaits no second judgement, and no answer
        that is watched for and not yet late, owes no negative evidence, is not held, and has its time-stamp if
        `terms.stamped`.
        """
        ...

    def prune(self, terms: Terms, due: Sequence[Due]) -> Sequence[SubmissionId]:
        """Remove the content of what is due still, with an event for each in the same transaction; return which.

        What is due is judged as of `terms.at`, or of the store's own moment where that is earlier.
        Document, reports, file name, reply address, case and message id go; everything else stays as it is, so that
        a repeat still gets its receipt.
        """
        ...

    def forget_refusals(self, terms: Terms, keep: timedelta, most: int = 1000) -> int:
        """Remove up to `most` of what was turned away longer ago than this, oldest first; return how many.

        As of `terms.at`, or of the store's own moment where that is earlier.
        """
        ...

    def give_back(self, at: datetime) -> bool:
        """Take a small step in giving free space back to the file system; return False when there is no more to take.

        Waits for nobody for long: what is in use now is tried again the next time.
        """
        ...

    def hold(self, submission: SubmissionId, reason: str) -> bool:
        """Keep the content of a submission whatever the rules say, until it is lifted.

        The reason stands in the record for good.  Returns False if there is no such content, and changes nothing.
        """
        ...

    def lift(self, submission: SubmissionId, reason: str) -> bool:
        """Let the rules count again; return False, and change nothing, if it was not held."""
        ...


def pruned_at(events: Sequence[EventRecord]) -> datetime | None:
    """Return when content was removed, by what happened to its submission; None if it was not."""
    return next((event.at for event in events if event.name == PRUNED), None)
