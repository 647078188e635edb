"""How to tell a poisonous message from an outage: RabbitMQ counts both the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from adapters.channels.amqp_messages import Message

_REMEMBERED: Final = 10_000  # messages handed back: more are never in one outage of ours by far
_TRIES: Final = 3  # times that a message may meet a bug before it is to blame
_ROW: Final = 100  # bugs in a row after which intake is to blame, and no message


@dataclass(slots=True)
class Health:
    """What is known of intake, from one line to the next.

    RabbitMQ counts every return of a message, also those in which intake was away and we handed it back.  Those
    are forgiven: by our own count (`returned`), and all of them while `outage` holds, because the other nodes are
    handing back too.  What is left are the times a message ended its worker, or met a bug.
    """

    failures: int = 0  # in a row: the next wait grows with them
    outage: bool = False  # the last word of intake was Unavailable
    returned: Counter[bytes] = field(default_factory=Counter)  # by `Message.key`
    bugs: int = 0  # since a message last went well
    _met: Counter[bytes] = field(default_factory=Counter)  # bugs, by `Message.key`

    def poisonous(self, message: Message, limit: int) -> bool:
        """Tell whether a message has come too often for a reason of its own."""
        return message.times > limit and not self.outage and message.times - self.returned[message.key] > limit

    def blames(self, message: Message) -> bool:
        """Note that a message met a bug; tell whether to blame the message.

        Otherwise a bug that every message meets would carry a whole queue into quarantine.
        """
        if len(self._met) >= _REMEMBERED:
            self._met.clear()
        self._met[message.key] += 1
        self.bugs += 1
        return self.met(message) >= _TRIES and self.bugs <= _ROW

    def met(self, message: Message) -> int:
        """Return how many bugs a message met."""
        return self._met[message.key]

    def hand_back(self, message: Message) -> None:
        """Note that a message goes back to its queue by our will."""
        if len(self.returned) >= _REMEMBERED:
            self.returned.clear()
        self.returned[message.key] += 1

    def well(self, message: Message) -> None:
        """Note that a message was seen to its end."""
        self.failures, self.bugs, self.outage = 0, 0, False
        if message.times:
            del self.returned[message.key]
            del self._met[message.key]
