"""How `goniec journal verify` tells what it has found: in words, and as JSON."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from config.cli.say import CANNOT_TELL, NO, YES, moment, say, say_facts, say_table

if TYPE_CHECKING:
    from broker.journal_check import Account
    from broker.journal_head import Published
    from broker.journal_late import Note
    from config.journal_verify import Part

_WORDS = {YES: "The journal is what it was.", NO: "The journal was changed.", CANNOT_TELL: "It cannot be told."}
_VERDICTS = {YES: "sound", NO: "changed", CANNOT_TELL: "cannot-tell"}


def told(account: Account, status: int) -> dict[str, object]:
    """Return what was found, for JSON; `status` is the command's."""
    last = account.last
    return {
        "verdict": _VERDICTS[status],
        "batches": account.batches,
        "events": account.events,
        "first": account.first,
        "last": None if last is None else {"batch": last.number, "at": last.at, "head": last.head.hex()},
        "findings": [
            {"kind": one.kind, "batch": one.batch, "event": one.event, "detail": one.detail} for one in account.found
        ],
        "number": account.number,
        "published": account.compared,
        "notes": [
            {"kind": one.kind, "batch": one.batch, "event": one.event, "seconds": int(one.by.total_seconds())}
            for one in account.notes
        ],
        "late": account.late,
        "doubts": [
            {
                "kind": one.kind,
                "code": one.code,
                "first": one.first,
                "last": one.last,
                "number": one.number,
                "subject": one.by,
                "sha256": one.sha256,
            }
            for one in account.doubts
        ],
        "stamped_from": account.stamped_from,
        "seals_judged": account.judged,
        "seals": [{"subject": one.by, "sha256": one.sha256} for one in account.seals],
        "window": {
            "events": account.window.events,
            "batches": account.window.batches,
            "since": account.window.since,
        },
    }


def told_of(published: Published, part: Part | None, gone: Path | None) -> dict[str, object]:
    """Return what is to be known of the heads and of the file that it was held against, for JSON."""
    return {
        "part": None if part is None or part.whole else {"first": part.first, "to": part.to},
        "outside": 0 if part is None else part.outside,
        "newer": 0 if part is None else part.newer,
        "lacking": part is not None and part.lacking,
        "unread": published.unread,
        "unpublished": published.missing,
        "heads_gone": None if gone is None else str(gone),
    }


def say_notes(account: Account, published: Published, part: Part | None, gone: Path | None) -> None:
    """Say what is no finding and is to be known."""
    _say_doubts(account)
    if part is not None:
        _say_of_file(account, part)
    if gone is not None:
        say(f"note: the configured file of heads is gone or empty: {gone}")
    if published.unread:
        say(f"note: {published.unread} published lines cannot be read")
    if published.missing:
        say(f"note: of {published.missing} batches before the last published one no head is known")
    first: dict[str, Note] = {}
    for one in account.notes:
        first.setdefault(one.kind, one)
    for kind, one in first.items():
        where = f"batch {one.batch}" if one.event is None else f"batch {one.batch}, event {one.event}"
        say(f"note: {kind}: {where}, by {int(one.by.total_seconds())} s")
    if account.late > len(first):
        say(f"note: {account.late} came late in all; --json lists them")


def _say_doubts(account: Account) -> None:
    for one in account.doubts:
        batches = f"batch {one.first}" if one.number == 1 else f"{one.number} batches, {one.first} to {one.last}"
        who = f": {one.by}, SHA-256 {one.sha256}" if one.sha256 else ""
        say(f"note: {one.kind}: {batches}: by nobody who is believed ({one.code}){who}")


def _say_of_file(account: Account, part: Part) -> None:
    if not account.vouched:
        say("note: nobody vouches for anything in this file: name whom to believe by --ca, --tsa or --head")
    if part.outside > part.newer:
        say(f"note: {part.outside - part.newer} heads were published of batches that this file does not hold")
    if part.newer:
        say(
            f"note: {part.newer} heads were published of batches after its last: they are newer than the file, or it "
            "was cut: say up to which batch it is to reach (--batches 1-N)"
        )
    if part.lacking:
        say("note: the file does not hold all the batches that were asked for")


def in_words(account: Account, status: int, at: datetime, part: Part | None) -> None:
    """Say what was found, as of a moment."""
    say(_WORDS[status], status)
    window, last = account.window, account.last
    age = "" if window.since is None else f", the oldest for {int((at - window.since).total_seconds())} s"
    say_facts(
        {
            "batches": f"{account.batches}, from {account.first}" if account.batches else "none",
            "file": "" if part is None or part.whole else f"a part: {part.first} to {part.to or 'the end'}",
            "events": str(account.events),
            "last": "" if last is None else f"{last.number} {last.head.hex()} {moment(last.at)}",
            "published": f"{account.compared} heads agree" if account.compared else "",
            "time-stamped": f"from batch {account.stamped_from} on" if account.stamped_from else "",
            "not covered": f"{window.events} events not chained, {window.batches} batches without anybody's word{age}",
            **{f"seal {number}": f"{one.by} {one.sha256}" for number, one in enumerate(account.seals, start=1)},
        }
    )
    if not account.judged:
        say("note: whose the seals are was not asked: name them by --ca or [journal] ca")
    if account.found:
        say_table(
            ("what", "batch", "event", "detail"),
            [
                (one.kind, str(one.batch or ""), "" if one.event is None else str(one.event), one.detail)
                for one in account.found
            ],
        )
    if account.number > len(account.found):
        say(f"and {account.number - len(account.found)} more")
