"""Seals and time-stamps of the journal of which it cannot be told what they are worth.

Nothing in them contradicts anything, and they are by somebody of whom it is not known that he is to be believed: a seal
that was exchanged and is not yet on the list of those that are believed, or that of somebody who has made the journal
anew.  Which of the two, a check cannot tell; so where there is one it neither says that the journal was changed nor
that it was not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from broker.evidence import SubIndication
from broker.verify.fault import VERDICTS

# What is wrong is said of the certificate alone: digests and signature are what they should be.
_OF_THE_CERTIFICATE: Final = frozenset(
    {
        SubIndication.NO_CERTIFICATE_CHAIN_FOUND,
        SubIndication.OUT_OF_BOUNDS_NO_POE,
        SubIndication.CHAIN_CONSTRAINTS_FAILURE,
        SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE,
    }
)
_MOST: Final = 100  # who has made the journal anew can have taken another certificate for each batch


class Open(StrEnum):
    """What it cannot be told of."""

    SEAL = "seal-unknown"
    STAMP = "stamp-unknown"


def is_open(code: str) -> bool:
    """Whether a verdict's code leaves it open what a seal or a time-stamp is worth, and contradicts nothing."""
    return VERDICTS.get(code) in _OF_THE_CERTIFICATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Seals of one certificate, or time-stamps that are not believed for the same reason."""

    kind: Open
    code: str  # why, a code of `broker.texts`
    by: str = ""  # the seal's certificate: its subject, RFC 4514
    sha256: str = ""  # and its fingerprint
    first: int  # batch
    last: int
    number: int = 1  # of batches


@dataclass(slots=True)
class Doubts:
    """Takes doubts in the order of batches; keeps those about the same in one."""

    number: int = 0  # of seals and time-stamps
    _kept: dict[tuple[Open, str, str], Doubt] = field(default_factory=dict)

    def add(self, new: Doubt) -> None:
        """Take the doubt about one batch."""
        self.number += 1
        which = (new.kind, new.code, new.sha256)
        known = self._kept.get(which)
        if known is not None:
            self._kept[which] = replace(known, last=new.last, number=known.number + 1)
        elif len(self._kept) < _MOST:
            self._kept[which] = new

    def all(self) -> Sequence[Doubt]:
        """Return the first of them."""
        return tuple(self._kept.values())
