"""A process that takes custody of letters and says so, each after `accept` has returned.

Called in a process of its own, or as `python -m tests.crash.accepting URL NAME THREADS MOST [PRAGMA]`: then it says so
on standard output, a line for each.  PRAGMA plants a bug.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import event

from adapters.stores import SqlStore
from adapters.testkit.stores.values import a_letter


def letter_called(name: str):
    """A letter whose every id tells which one it is, so that several processes do not make the same."""
    letter = a_letter(document_called(name), id=name, message_id=name, digest=name)
    return replace(
        letter,
        receipt=replace(letter.receipt, id=f"r-{name}", xml=b"<UPP>" + name.encode() + b"</UPP>"),
        deliveries=tuple(replace(one, id=f"d-{name}") for one in letter.deliveries),
    )


def document_called(name: str) -> bytes:
    return f"<letter>{name}</letter>\n".encode() * 50


def accept_letters(
    answer: Callable[[bytes], object], url: str, name: str, *, threads: int, most: int, pragma: str = ""
) -> None:
    store = SqlStore(url, clock=lambda: datetime.now(UTC))
    if pragma:
        event.listen(store._writing, "connect", lambda connection, _: connection.execute(f"PRAGMA {pragma}"))

    def work(thread: int) -> None:
        for number in range(most):
            letter = letter_called(f"{name}-{thread:02}-{number:06}")
            store.accept(letter)
            answer(letter.submission.id.encode())

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    store.close()


if __name__ == "__main__":
    accept_letters(
        lambda name: os.write(1, name + b"\n"),
        sys.argv[1],
        sys.argv[2],
        threads=int(sys.argv[3]),
        most=int(sys.argv[4]),
        pragma="".join(sys.argv[5:]),
    )
