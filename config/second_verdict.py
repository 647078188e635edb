"""What a second verdict on a document says of the first: confirmed, overturned, or that it cannot be told yet.

The first is as it is kept, JSON of whatever version wrote it; the second was reached with what is known today.
Overturned is what news prove.  What is merely not at hand any more, a list that has ended or an anchor, proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import Enum, auto
from typing import Any, Final

from broker.evidence import Indication, Level, Report, SignatureReport
from broker.second_opinion import CODE
from broker.verify.revocation import CA_REVOKED

_UNTRUSTED: Final = "verify.timestamp-untrusted"
_PROVEN: Final = frozenset({CA_REVOKED, CODE})
"""INDETERMINATE, and not for want of anything."""

First = Mapping[str, Any]


class Outcome(Enum):
    """What the second verdict makes of the first."""

    CONFIRMED = auto()
    OVERTURNED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The outcome; `reason` in words, where the code of the second report does not say it.  No personal data."""

    outcome: Outcome
    reason: str = ""


def compare(first: Callable[[], First], second: Report) -> Comparison:
    """Return what became of a verdict; `first` is only asked for where it matters, and may be empty."""
    if second.indication is Indication.PASSED:
        return _worth(list(_pairs(first(), second)))
    proven = second.indication is Indication.FAILED or second.code in _PROVEN
    if proven and not any(_lost_stamp(before, now) for before, now in _pairs(first(), second)):
        return Comparison(outcome=Outcome.OVERTURNED)
    return Comparison(outcome=Outcome.UNKNOWN)


def _pairs(first: First, second: Report) -> Iterator[tuple[First, SignatureReport]]:
    return zip(first.get("signatures", ()), second.signatures, strict=False)


def _worth(pairs: list[tuple[First, SignatureReport]]) -> Comparison:
    """Say whether what holds is still worth what it was, and signed by the same."""
    less = [(before, now) for before, now in pairs if _change(before, now)]
    if not less:
        return Comparison(outcome=Outcome.CONFIRMED)
    proven = any(_is_told(before, now) for before, now in less)
    return Comparison(outcome=Outcome.OVERTURNED if proven else Outcome.UNKNOWN, reason=_change(*less[0]))


def _change(before: First, now: SignatureReport) -> str:
    level = Level(before.get("level", Level.NONE))
    if now.level.rank < level.rank:
        return f"level {level}, now {now.level}"
    known = before.get("identity") or {}
    own = asdict(now.identity) if now.identity else {}
    return "another signer" if any(own.get(name) != value for name, value in known.items()) else ""


def _is_told(before: First, now: SignatureReport) -> bool:
    """Whether somebody says so: a list that is at hand, or the operator, of the very anchor as before."""
    listed = now.anchor is not None and bool(now.anchor.services)
    return listed or list(now.path_sha256[-1:]) == list(before.get("path_sha256", ())[-1:])


def _lost_stamp(before: First, now: SignatureReport) -> bool:
    """Whether a stamp, which may have proven an earlier moment, fell for want of somebody to believe about it."""
    stamps = zip(before.get("time_stamps", ()), now.time_stamps, strict=False)
    return any(it.code == _UNTRUSTED != then["code"] for then, it in stamps)
