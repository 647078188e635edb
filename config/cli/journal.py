"""`goniec journal`: whether the record of what happened was changed, its copy as a file, its newest head, proofs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.cli.journal_account import in_words, say_notes, told, told_of
from config.cli.journal_proof import check_proof, heads, seals, tsas
from config.cli.offline import written_moment
from config.cli.say import CANNOT_TELL, NO, YES, as_json, complain, configuration, say, say_json, stop

if TYPE_CHECKING:
    from broker.journal_check import Account
    from config.journal_verify import Part
    from config.settings import Settings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_LONGEST = 36525 * 86400  # seconds: a hundred years


@click.group("journal")
def command() -> None:
    """Look after the journal, in which nothing can be changed unseen."""


command.add_command(check_proof)


@command.command("verify", short_help="Say whether the journal is what it was.")
@configuration
@as_json
@heads
@seals
@tsas
@click.option("--export", type=_FILE, metavar="FILE", help="Check a file that `journal export` wrote, and no store.")
@click.option(
    "--window",
    type=click.IntRange(min=0, max=_LONGEST),
    default=3600,
    show_default=True,
    metavar="SECONDS",
    help="How old that may be which nobody vouches for yet, and how late anything may come before that is noted.",
)
@click.option(
    "--batches",
    "numbers",
    callback=lambda context, option, text: None if text is None else _range(context, option, text),
    metavar="FROM-TO",
    help="With --export: the part that FILE is to hold, as 5-9 or 5-.",
)
@click.option(
    "--as-of",
    type=written_moment,
    metavar="TIME",
    help="The moment (UTC) as of which it is judged how old that is; now by default.",
)
def verify(
    config: Path,
    as_json: bool,
    heads: tuple[Path, ...],
    seals: tuple[Path, ...],
    tsas: tuple[Path, ...],
    export: Path | None,
    window: int,
    numbers: tuple[int, int | None] | None,
    as_of: datetime | None,
) -> None:
    """Say whether any event was changed, removed, inserted or moved, or the journal cut or made anew.

    What is not named is taken from the configuration: [journal] ca and heads, [stamping] ca.  With --export nothing is.
    What neither a seal nor a time-stamp nor a published head covers is told as the window: in it a change cannot be
    found.

    A file is believed neither as to when it was made nor as to which part of the journal it is.

    Exit status 0 it is what it was, 1 it is not, 2 that cannot be told: nobody vouches for what is older than --window,
    nor for anything in FILE; a seal or a time-stamp is by nobody who is believed; heads were published of batches that
    are not in FILE, and not asked for by --batches; or the configured file of heads is gone.
    """
    from config.clock import now
    from config.journal_verify import believed, check_file, check_store
    from config.settings import load

    at, late = as_of or now(), timedelta(seconds=window)
    part, gone = None, None
    if numbers is not None and export is None:
        stop("--batches goes with --export")
    if export is not None:
        against = believed(heads, seals, tsas, late)
        with export.open("rb") as file, _bar("octets", export.stat().st_size) as seen:
            try:
                account, part = check_file(file, against, lambda done, _: seen(done, 0), numbers)
            except ValueError as wrong:
                stop(f"{export}: {wrong}")
    else:
        settings = load(config)
        own, gone = ((), None) if heads else _own_heads(settings)
        against = believed(heads or own, seals or _own(settings, "journal"), tsas or _own(settings, "stamping"), late)
        from config.bootstrap import open_store

        store = open_store(settings)
        try:
            with _bar("batches", 0) as seen:
                account = check_store(store.journal, against, seen)
        finally:
            store.close()
    status = _status(account, at, late)
    if status == YES and (gone is not None or (part is not None and not _is_enough(account, part))):
        status = CANNOT_TELL
    if as_json:
        say_json({**told(account, status), **told_of(against.published, part, gone)})
    else:
        in_words(account, status, at, part)
        say_notes(account, against.published, part, gone)
    raise SystemExit(status)


def _own(settings: Settings, section: str) -> tuple[Path, ...]:
    own = settings.journal.ca if section == "journal" else settings.stamping.ca
    return tuple(settings.path(file) for file in own)


def _own_heads(settings: Settings) -> tuple[tuple[Path, ...], Path | None]:
    """Return the configured file of heads; or the path at which there is none, or nothing in it."""
    if settings.journal.heads is None:
        return (), None
    file = settings.path(settings.journal.heads)
    return ((file,), None) if file.is_file() and file.stat().st_size else ((), file)


def _status(account: Account, at: datetime, window: timedelta) -> int:
    """No if anything was found; cannot tell if what nobody vouches for is older than the window, or is in doubt."""
    if account.number:
        return NO
    if not account.sound:
        return CANNOT_TELL
    since = account.window.since
    return CANNOT_TELL if since is not None and at - since > window else YES


def _is_enough(account: Account, part: Part) -> bool:
    """Whether a file in which nothing was found shows anything: somebody vouches for it, and it is all of it."""
    return account.vouched > 0 and not part.outside and not part.lacking


@contextmanager
def _bar(label: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """Yield what is told how far it is, and of how much; on a terminal it draws a bar, on standard error."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=total or None)

        def seen(done: int, of: int) -> None:
            progress.update(task, completed=done, total=of or total or None)

        yield seen


def _range(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[int, int | None]:
    """Read "5-9", "5-" or "5"."""
    if text is None:
        return 1, None
    first, dash, last = text.partition("-")
    try:
        found = int(first), int(last or first) if last or not dash else None
    except ValueError:
        raise click.BadParameter(f"{text!r} is not like 5-9") from None
    if found[0] < 1 or (found[1] is not None and found[1] < found[0]):
        raise click.BadParameter(f"{text!r} is no range")
    return found


@command.command("export", short_help="Write the journal to a file that can be checked elsewhere.")
@configuration
@as_json
@click.option("--since", type=written_moment, metavar="TIME", help="From the first batch chained at or after it (UTC).")
@click.option("--batches", "numbers", callback=_range, metavar="FROM-TO", help="These batches, as 5-9 or 5-.")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
def export(config: Path, as_json: bool, since: datetime | None, numbers: tuple[int, int | None], file: Path) -> None:
    """Write the journal to FILE: JSON lines, which `goniec journal verify --export` checks without the store.

    It holds no documents and nothing about persons, but ids, times, digests, offices' references and reasons.
    FILE is there when it is whole; an earlier export of that name is replaced, any other file stays.
    Exit status 0 written, 2 it could not be.
    """
    from adapters.wire.durable import made
    from broker.journal_export import is_export
    from config import journal_verify
    from config.bootstrap import open_store
    from config.clock import now
    from config.settings import load

    store = open_store(load(config))
    try:
        first = numbers[0] if since is None else max(numbers[0], journal_verify.first_since(store.journal, since))
        with made(file, over=is_export) as part, part.open("wb") as to, _bar("batches", 0) as seen:
            done = journal_verify.export(store.journal, to, now(), seen, first=first, last=numbers[1])
    finally:
        store.close()
    told = {"file": str(file), "batches": done.batches, "events": done.events}
    say_json(told) if as_json else say(f"{file}: {done.batches} batches, {done.events} events")


@command.command("head", short_help="Show the newest sealed head.")
@configuration
@as_json
@click.option("--sealed", "part", flag_value="sealed", help="Write the sealed head itself (XML).")
@click.option("--stamp", "part", flag_value="stamp", help="Write the time-stamp on the newest stamped head (DER).")
def head(config: Path, as_json: bool, part: str | None) -> None:
    """Show the newest head that is sealed: whoever has noted it finds out if anything up to it is changed.

    Exit status 0 if there is one, 1 if not, 2 if the store is out of reach.
    """
    from config.bootstrap import open_store
    from config.settings import load

    store = open_store(load(config))
    try:
        batch = store.journal.last(stamped=True) if part == "stamp" else store.journal.last(sealed=True)
    finally:
        store.close()
    if batch is None:
        complain(f"no head is {'time-stamped' if part == 'stamp' else 'sealed'} yet")
        raise SystemExit(NO)
    if part:
        click.echo(batch.stamp if part == "stamp" else batch.sealed, nl=False)
    elif as_json:
        say_json({"batch": batch.number, "at": batch.at, "head": batch.head.hex(), "stamped": batch.stamp is not None})
    else:
        say(f"{batch.number} {batch.head.hex()}")
