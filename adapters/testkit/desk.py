"""The intake behind a channel under test: keeps what came in, and answers as the test says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, Lock

from broker.errors import Unavailable
from broker.model import Envelope, Receipt, ReceiptKind, SubmissionId


class Desk:
    """The intake behind the channel: keeps what came in, and answers as the test says.

    `turned_away` is set when it has raised anything but a Rejection.
    """

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.turned_away = Event()
        self.answer: Callable[[Envelope], Receipt] = receipt_for
        self._lock = Lock()

    def __call__(self, envelope: Envelope) -> Receipt:
        with self._lock:
            self.envelopes.append(envelope)
        try:
            return self.answer(envelope)
        except (Unavailable, ArithmeticError):
            self.turned_away.set()
            raise

    def first(self, bad: Exception) -> None:
        """Raise once, then give receipts."""
        waiting = iter([bad])

        def answer(envelope: Envelope) -> Receipt:
            with self._lock:
                error = next(waiting, None)
            if error is not None:
                raise error
            return receipt_for(envelope)

        self.answer = answer


def receipt_for(envelope: Envelope) -> Receipt:
    """Return a receipt that names the document, with bytes that a careless channel would change."""
    return Receipt(
        id=f"UPP-{envelope.digest[:8]}",
        submission=SubmissionId(envelope.digest[:16]),
        kind=ReceiptKind.UPP,
        issued_at=datetime(2026, 1, 1, 12, 0, 1, tzinfo=UTC),
        xml=f"<?xml version='1.0'?>\r\n<UPP>{envelope.digest} za\u017c\u00f3\u0142\u0107</UPP>\n\n".encode(),
    )


def always(error: Exception) -> Callable[[Envelope], Receipt]:
    """Return an answer that is always this error."""

    def answer(_envelope: Envelope) -> Receipt:
        raise error

    return answer
