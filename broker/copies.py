"""What is asked of a store by who takes copies of the evidence out: which submission is meant, and to write that down.

A copy that nobody was told of would be a hole in the journal, so the event is durable before the copy may be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from broker.model import SubmissionId

MADE: Final = "export.made"
"""The event that tells that a submission's evidence was exported; its detail says what copy, and no person."""

MOST: Final = 100
"""Submissions that one word names: one document may have come from many senders."""


class Copies(Protocol):
    """A part of every store.  Raises Unavailable as the store does."""

    def named(self, word: str) -> Sequence[SubmissionId]:
        """Return which submissions a word names, newest first and `MOST` at most.

        It may be the id of the submission, of its receipt or of one of its deliveries, or its document's SHA-256.
        """
        ...

    def made(self, submission: SubmissionId, detail: str) -> bool:
        """Write that a copy was made, durably; return False, and write nothing, if the submission is unknown."""
        ...
