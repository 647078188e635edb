"""What a second verdict on a document says of the first: confirmed, overturned, or that it cannot be told yet.

The first is as it is kept, JSON of whatever version wrote it; the second was reached with what is known today.
Overturned is what news prove.  What is merely not at hand any more, a list that has ended or an anchor, proves nothing:
nor does a revocation later than a stamp that fell for want of somebody to believe about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum, auto
from itertools import chain, repeat
from typing import Any, Final

from broker.evidence import Indication, Level, Report, SignatureReport
from broker.second_opinion import CODE
from broker.verify.revocation import CA_REVOKED, ON_HOLD, REVOKED, UNOBTAINABLE

_REVOKED: Final = frozenset({REVOKED, CA_REVOKED})
_EXPIRED: Final = frozenset({"verify.certificate-expired", "verify.chain-expired"})
_WANTING: Final = frozenset({"verify.timestamp-untrusted", ON_HOLD, UNOBTAINABLE})
"""Of a stamp: somebody to believe about it is wanting, and may come back."""
_STAMP_REVOKED: Final = "time-stamp revoked"

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
    accused = any(_is_accused(it) for it in second.signatures)
    if second.code == CODE or (second.indication is Indication.FAILED and not accused):
        return Comparison(outcome=Outcome.OVERTURNED)  # by what is asked of the document as a whole
    if not accused:
        return Comparison(outcome=Outcome.UNKNOWN)
    proven = [why for before, now in _pairs(first(), second) if (why := _proven(before, now))]
    if not proven:
        return Comparison(outcome=Outcome.UNKNOWN)
    return Comparison(outcome=Outcome.OVERTURNED, reason="" if second.code in proven else proven[0])


def _pairs(first: First, second: Report) -> Iterator[tuple[First, SignatureReport]]:
    return zip(chain(first.get("signatures", ()), repeat({})), second.signatures, strict=False)


def _is_accused(now: SignatureReport) -> bool:
    return now.indication is Indication.FAILED or now.code in _REVOKED | _EXPIRED


def _proven(before: First, now: SignatureReport) -> str:
    """Return what news prove against a signature, as its code or in words; nothing if they prove nothing."""
    stamps = [
        (then["at"], it.code)
        for then, it in zip(before.get("time_stamps", ()), now.time_stamps, strict=False)
        if then.get("at")  # it proved a moment, or waited to
    ]
    lost = [datetime.fromisoformat(at) for at, code in stamps if code in _WANTING]
    if now.code in _EXPIRED:  # as it was when the document came: then a stamp did without that
        fell = any(code in _REVOKED and at == before.get("judged_at") for at, code in stamps)
        return _STAMP_REVOKED if fell and not lost else ""
    if now.code in _REVOKED:
        since = [it.revoked_at for it in now.revocation if it.code in _REVOKED and it.revoked_at]
        return "" if any(all(at < begun for begun in since) for at in lost) else now.code
    return now.code if now.indication is Indication.FAILED else ""


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
