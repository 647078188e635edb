"""Every way the broker says no.

Whose fault it is decides what happens next, so that is how the tree is cut:

* BrokerError
  x Rejection            the sender's fault: final, told to the sender, recorded
    + Malformed          not safe, well-formed XML, or not a message the channel can read
    + TooLarge           over a cap on bytes, depth, elements, attributes or namespaces
    + UnknownForm        no form of the catalogue has this root
    + Invalid            breaks the schema of its form
    + Untrusted          its signatures are not worth what the target asks for
    + Unauthorised       this sender may not put this form into this box
    + Unroutable         no row of the routing table leads anywhere
    + Reused             this message id was used for another document
  x Unavailable          nobody's fault: the same call may work later
    + NotYet             for a reason of this message's own: others need not wait for it
  x Refused              the office's no: final, told to the operator
  x LeaseLost            another worker took this delivery over
  x IllegalTransition    a bug in the broker
  x ConfigError          a bug in the configuration: all problems at once, found at start

Any other exception that leaves a stage, a store or an adapter is a bug.
A Rejection carries a code; `broker.texts` says in Polish and English what the code means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broker.model import Flaw

_NOTHING: Mapping[str, str] = MappingProxyType({})
_FACT = 2_000  # characters of a fact that are told, for the same reason
_PLACE = 500  # characters of a place that are told: it may hold names that a sender chose, and they may be very long


class BrokerError(Exception):
    """Base of everything the broker raises on purpose."""


class Rejection(BrokerError):
    """The sender's document cannot be accepted, now or ever.

    `code` is `<stage>.<reason>` and has a text in `broker.texts`; `place` says where (an XPath, a line, a
    header: never a value out of the document); `facts` fill the text's gaps and go to the sender, not into
    the log; `flaws` are the single faults, if there are several; `negative_receipt` is the sealed NPP, set
    by intake for a partner that asked for one.
    """

    def __init__(
        self, code: str, *, place: str = "", facts: Mapping[str, str] = _NOTHING, flaws: Sequence[Flaw] = ()
    ) -> None:
        self.code = code
        self.place = place[:_PLACE]
        super().__init__(code, self.place)
        self.facts = {name: fact[:_FACT] for name, fact in facts.items()}
        self.flaws = tuple(flaws)
        self.negative_receipt: bytes | None = None

    @property
    def stage(self) -> str:
        """The part of the broker that said no: the code's prefix."""
        return self.code.partition(".")[0]


class Malformed(Rejection):
    """Not safe, well-formed XML, or not a message that the channel can read."""


class TooLarge(Rejection):
    """Over one of the caps that keep a document from costing more than it may."""


class UnknownForm(Rejection):
    """No form of the catalogue has this root."""


class Invalid(Rejection):
    """The document breaks the schema of its form; `flaws` says where and how."""


class Untrusted(Rejection):
    """The signatures do not hold, or are not worth what the target asks for."""


class Unauthorised(Rejection):
    """This sender may not put this form into this box."""


class Unroutable(Rejection):
    """No row of the routing table leads anywhere."""


class Reused(Rejection):
    """The sender used this message id before, for another document."""


class Unavailable(BrokerError):
    """Something needed is out of reach; the same call may work later.

    `reason` is for operators and logs and names no data of a document; `retry_after` is a wait that the far
    side asked for, if it did; `condition` is one word for what is missing, by which such cases are counted and
    grouped (`broker.quarantine.cause`), the same whatever the reason quotes.
    """

    def __init__(self, reason: str, *, retry_after: timedelta | None = None, condition: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.condition = condition


class NotYet(Unavailable):
    """This message, or its sender, must wait; everything that others need is there."""


class Refused(BrokerError):
    """The office will not take this delivery, however often it is tried.  `condition` as that of Unavailable."""

    def __init__(self, reason: str, *, condition: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.condition = condition


class LeaseLost(BrokerError):
    """The claim ran out and another worker has taken the delivery."""


class IllegalTransition(BrokerError):
    """A delivery was asked to do what its state does not allow."""


class ConfigError(BrokerError):
    """The configuration is wrong; all problems are listed at once."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)
