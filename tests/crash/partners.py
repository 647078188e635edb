"""Partners under load: they send forms over SOAP, and the same bytes again until they are answered."""

from __future__ import annotations

import http.client
import random
import time
from collections.abc import Callable, Iterator
from threading import Event, Lock, Thread
from typing import Self

from adapters.testkit.box import Box, Reply, Submission
from tests.crash.promises import Word

AGAIN = 0.05  # seconds before the same is sent again
REPEATS = 0.2  # of what was answered is sent once more, as by a partner that has lost the answer

Letters = Callable[[], Submission]


def word_of(submission: Submission, reply: Reply) -> Word | None:
    """What the answer says; None if it says to come again."""
    if reply.status == http.client.OK:
        answer = reply.answer()
        assert answer.attachment is not None
        return Word(document=submission.document, submission=answer.document, receipt=answer.attachment.content)
    if reply.status == http.client.SERVICE_UNAVAILABLE or reply.fault().receiver:
        return None
    return Word(document=submission.document, code=reply.code())


def send(box: Box, submission: Submission, until: float) -> tuple[Word, int]:
    """Send until it is answered; return the answer, and how many times that took."""
    tries = 0
    while True:
        tries += 1
        try:
            word = word_of(submission, box.submit(submission))
        except (OSError, http.client.HTTPException):
            word = None
        if word is not None:
            return word, tries
        assert time.monotonic() < until, "nobody answers"
        time.sleep(AGAIN)


class Partners:
    """Several partners at once, each with one letter on its way; a context manager that lets them finish.

    `letters`: makes the next letter.
    """

    def __init__(self, box: Box, letters: Letters, number: int, seed: int, patience: float = 60) -> None:
        self.words: list[Word] = []
        self.sent: set[bytes] = set()
        self.resent = 0
        self._box, self._letters, self._patience = box, letters, patience
        self._lock, self._enough, self._failed = Lock(), Event(), []
        self._threads = [Thread(target=self._guarded, args=(random.Random(f"{seed}-{n}"),)) for n in range(number)]

    def wait_for(self, words: int) -> None:
        """Return when so many more answers have come."""
        until, wanted = time.monotonic() + self._patience, len(self.words) + words
        while len(self.words) < wanted:
            assert not self._failed, self._failed
            assert time.monotonic() < until, "nobody is answered"
            time.sleep(0.005)

    def _guarded(self, chance: random.Random) -> None:
        try:
            for submission in self._each(chance):
                word, tries = send(self._box, submission, time.monotonic() + self._patience)
                with self._lock:
                    self.words.append(word)
                    self.resent += tries - 1
        except Exception as bug:  # noqa: BLE001 - it goes to the thread that asserts
            self._failed.append(bug)

    def _each(self, chance: random.Random) -> Iterator[Submission]:
        while not self._enough.is_set():
            with self._lock:
                submission = self._letters()
            self.sent.add(submission.document)
            yield submission
            if chance.random() < REPEATS:
                yield submission

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()
        assert not self._failed, self._failed
