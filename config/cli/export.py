"""`goniec export`: the evidence of submissions as containers that anybody can check, and what a container proves."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from broker.model import SubmissionId
from broker.ports import Filter
from config.cli.named import nobody, the_one
from config.cli.offline import written_moment
from config.cli.say import NO, YES, as_json, complain, configuration, say, say_json, shown, word, worst
from config.cli.say import moment as when

if TYPE_CHECKING:
    from config.export import Exporter

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("export")
@configuration
@as_json
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The container; ID.asice if not.")
@click.option("--replace", is_flag=True, help="Write over a container of that name.")
@word("--reason", default="", help="Why: it stands in the record for good, so name no person.")
@click.option("--since", type=written_moment, metavar="TIME", help="All that was accepted since this moment (UTC).")
@click.option("--until", type=written_moment, metavar="TIME", help="And before this one.")
@word("--office", default="", help="Only those for this office.")
@click.option("--trials", is_flag=True, help="Trials too.")
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), help="The folder of the archive.")
@click.option(
    "--ca",
    "cas",
    multiple=True,
    type=_FILE,
    help="Check: the broker's seals (`receipt bundle`), or an authority that certifies nobody else, PEM.",
)
@click.option("--tsa", "tsas", multiple=True, type=_FILE, help="Check: anchors of time-stamping authorities, PEM.")
@click.argument("words", nargs=-1, type=shown, metavar="[ID | check FILE]")
def command(
    config: Path,
    as_json: bool,
    output: Path | None,
    replace: bool,
    reason: str,
    since: datetime | None,
    until: datetime | None,
    office: str,
    trials: bool,
    folder: Path | None,
    cas: tuple[Path, ...],
    tsas: tuple[Path, ...],
    words: tuple[str, ...],
) -> None:
    """Write the whole evidence of submissions as ASiC-E containers, or check one.

    ID is the id of a submission, of its receipt or of a delivery, or the SHA-256 of its document.  With --since and
    --to everything that was accepted since then goes into a folder, one container each; what is there already, whole
    and final is passed over, so that a run which was broken off can be begun again.  Of what was pruned, a container
    that is there stays, whatever it is, and what is wrong with it is told.  The store records each copy.

    `check FILE` says, offline, whether a container is as it was sealed, and its receipt the one for the document in it;
    without --ca it cannot be told whose seal it is.  An authority's certificate will do for --ca only if it certifies
    nobody else: every customer of a public one could seal a container.

    Exit status 0 it is written, or holds; 1 there is nothing of the kind, or one does not hold; 2 it cannot be told, or
    something is out of reach or in the way.
    """
    checks = words[:1] == ("check",)
    _require_sense(checks=checks, words=words, folder=folder, since=since, only_for_one=bool(output or replace))
    if checks:
        from config.cli.export_check import told

        told(Path(words[1]), cas, tsas, as_json=as_json)
        return
    from config.export import exporter
    from config.settings import load

    with exporter(load(config)) as made:
        if folder is None:
            _one(made, words[0], output, reason, replace=replace, as_json=as_json)
        else:
            wanted = Filter(office=office, since=since, trials=trials)
            _many(made, folder, wanted, until, reason, as_json=as_json)


def _require_sense(
    *, checks: bool, words: tuple[str, ...], folder: Path | None, since: datetime | None, only_for_one: bool
) -> None:
    if checks:
        if len(words) != 2:  # noqa: PLR2004 - the word and the file
            raise click.UsageError("name one container: goniec export check FILE")
    elif bool(words) == bool(folder) or (folder is None) != (since is None):
        raise click.UsageError("name a submission by ID, or a time and a folder by --since and --to")
    elif len(words) > 1:
        raise click.UsageError("one ID at a time; for many there are --since and --to")
    elif folder is not None and only_for_one:
        raise click.UsageError("--output and --replace go with an ID")


def _one(made: Exporter, name: str, output: Path | None, reason: str, *, replace: bool, as_json: bool) -> None:
    from adapters.archive.writing import is_container
    from adapters.wire.durable import file_name
    from config.export import SUFFIX

    submission = the_one(made.store.copies, name)
    target = output or Path(file_name(submission) + SUFFIX)
    written = made.export(submission, target, reason=reason, over=is_container if replace else None)
    if written is None:
        nobody(name)
    if as_json:
        files = [one.name for one in written.files]
        say_json(
            {
                "submission": submission,
                "file": str(target),
                "sha256": written.sha256,
                "size": written.size,
                "files": files,
            }
        )
    else:
        say(f"{target}: submission {submission}, {len(written.files)} files, SHA-256 {written.sha256}", YES)


def _many(made: Exporter, folder: Path, wanted: Filter, until: datetime | None, reason: str, *, as_json: bool) -> None:
    from config.archive import Archive
    from config.cli.export_check import status_of

    archive = Archive(made, folder, reason=reason)
    for _ in _with_bar(archive.fill(wanted, until)):
        pass
    it = archive.tally
    for one in it.doubtful:
        complain(f"{one.file}: {one.why}; it stays, for the document is in the store no more")
    if as_json:
        doubtful = [{"file": str(one.file), "why": one.why} for one in it.doubtful]
        counts = {"exported": it.exported, "there": it.passed_over, "pruned": it.pruned}
        say_json({"folder": str(folder), **counts, "doubtful": doubtful})
    else:
        since, before = when(wanted.since), f" until {when(until)}" if until else ""
        say(f"{folder}: {it.exported} exported, {it.passed_over} were there, since {since}{before}")
        if it.pruned:
            say(f"{it.pruned} of them without their document: its time was over")
    some = YES if it.exported + it.passed_over + len(it.doubtful) else NO
    raise SystemExit(worst([some, *(status_of(one.verdict) for one in it.doubtful)]))


def _with_bar(done: Iterator[SubmissionId]) -> Iterable[SubmissionId]:
    """Count on standard error how many are done, on a terminal; how many there will be nobody knows."""
    if not sys.stderr.isatty():
        yield from done
        return
    with click.progressbar(done, label="exporting", show_pos=True, file=sys.stderr) as bar:
        yield from bar
