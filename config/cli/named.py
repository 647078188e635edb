"""Which submission a command means: it is named by its id, a delivery's, its receipt's, or its document's SHA-256."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

import click

from config.cli.say import NO, complain, shown, stop

if TYPE_CHECKING:
    from broker.copies import Copies
    from broker.model import SubmissionId

by_any_id: Final = click.argument("word", type=shown, metavar="ID")


def the_one(copies: Copies, word: str) -> SubmissionId:
    """Return the submission that a word names; leave with status 1 if there is none, with 2 if there are several."""
    meant = copies.named(word)
    if not meant:
        nobody(word)
    if len(meant) > 1:
        stop(f"{word} names several submissions; name one of them:", *meant)
    return meant[0]


def nobody(word: str) -> NoReturn:
    """Say that a word names no submission, and leave with status 1."""
    complain(f"no submission {word}")
    raise SystemExit(NO)
