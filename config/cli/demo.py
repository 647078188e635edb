"""`goniec demo`: the whole broker at work, from a test PKI to audited receipts, in one folder."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import click

from config.cli.say import as_json, end, say_json, say_table, stop

if TYPE_CHECKING:
    from rich.progress import Progress

    from config.demo.audit import Verdict
    from config.demo.play import Sent, Stage

MOST_OFFICES = 54
MARK = ".goniec-demo"


@click.command("demo")
@as_json
@click.option(
    "--offices",
    "wanted",
    type=click.IntRange(1, MOST_OFFICES),
    default=MOST_OFFICES,
    show_default=True,
    help="How many offices.",
)
@click.option("--forms", type=click.IntRange(1, 100_000), default=100, show_default=True, help="How many good forms.")
@click.option("--stay", is_flag=True, help="Keep everything running afterwards, until Ctrl-C.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var/demo"),
    show_default=True,
    help="Where everything goes; what is there is removed.",
)
@click.option(
    "--rabbitmq",
    envvar="GONIEC_TEST_RABBITMQ",
    help="A RabbitMQ for the offices reached by AMQP; by default the one on this machine, if it answers.",
)
def command(as_json: bool, wanted: int, forms: int, stay: bool, folder: Path, rabbitmq: str | None) -> None:
    """Show the whole broker at work: offices, forms, receipts.

    Makes a test PKI, starts a broker and mock document systems (one slow, one down for a while), sends signed forms
    of every kind, a repeat, a trial and ten that must be refused, and audits what came of each.  Exit status 0 only
    if every promise was kept.
    """
    from config.clock import now
    from config.demo import letters
    from config.demo.audit import audit
    from config.demo.offices import offices
    from config.demo.play import send, stage, wait_for_deliveries

    _clear(folder)
    queue = _rabbitmq(rabbitmq)
    if not queue:
        click.echo(
            "No RabbitMQ answers on this machine (--rabbitmq names another): every office is reached by SOAP.",
            err=as_json,
        )
    chosen, at = offices()[:wanted], now()
    with stage(folder, chosen, at, queue) as scene, _progress() as bars:
        signing = bars.add_task("signing forms", total=forms)
        all_letters = []
        for letter in letters.good(forms, chosen, scene.site.pki, at):
            all_letters.append(letter)
            bars.advance(signing)
        all_letters += letters.bad(chosen[-1], scene.site.pki, at)
        a_trial = letters.trial(chosen[-1], scene.site.pki, at)
        _write_forms(folder, [*all_letters, a_trial])
        sending = bars.add_task("sending over SOAP", total=len(all_letters) + 2)
        scene.trouble()
        sent = send(scene.site, all_letters, lambda: bars.advance(sending))
        again, trial = send(scene.site, [all_letters[0], a_trial], lambda: bars.advance(sending))
        delivering = bars.add_task("delivering", total=forms)
        wait_for_deliveries(scene.site, lambda ended, total: bars.update(delivering, completed=ended, total=total))
        _write_receipts(folder, [*sent, trial])
        bars.stop()
        verdict = audit(scene, sent, [(sent[0], again)], [trial])
        _tell(scene, sent, again, trial, verdict, as_json=as_json)
        if stay:
            _stay(scene)
    end(verdict.holds)


def _clear(folder: Path) -> None:
    """Remove what an earlier demo left, and nothing else: a demo marks its folder as its own before it fills it."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        stop(f"{folder} is not empty, and not a demo's: name another folder")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).write_text("Made by `goniec demo`; the next one removes all of it.\n", encoding="utf-8")


def _rabbitmq(given: str | None) -> str:
    """Return the address of a RabbitMQ that answers, or nothing; one that was named must answer."""
    import logging
    from time import monotonic

    from adapters.wire.amqp import connect
    from adapters.wire.amqp_address import parameters_of
    from broker.errors import Unavailable

    url = given or "amqp://guest:guest@127.0.0.1:5672/"
    library = logging.getLogger("pika")
    before = library.level
    library.setLevel(logging.CRITICAL)  # that none answers is told in a line of our own; it would take seven
    try:
        connect(parameters_of(url, name="goniec demo"), monotonic() + 3).close()
    except Unavailable:
        if given:
            raise
        return ""
    finally:
        library.setLevel(before)
    return url


@contextmanager
def _progress() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description:<18}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as bars:
        yield bars


def _write_forms(folder: Path, all_letters: Sequence[object]) -> None:
    from config.demo.letters import Letter

    (folder / "forms").mkdir()
    for letter in all_letters:
        if isinstance(letter, Letter):
            (folder / "forms" / f"{letter.name}.xml").write_bytes(letter.submission.document)


def _write_receipts(folder: Path, sent: Sequence[Sent]) -> None:
    (folder / "receipts").mkdir()
    for one in sent:
        if one.receipt:
            (folder / "receipts" / f"{one.letter.name}.xml").write_bytes(one.receipt)


def _tell(scene: Stage, sent: Sequence[Sent], again: Sent, trial: Sent, verdict: Verdict, *, as_json: bool) -> None:
    got = {it.facts["submission"]: it for it in scene.handovers}
    rows = []
    for one in (*sent, again, trial):
        it = got.get(one.submission)
        note = "repeat: the receipt given then" if one is again else "trial: no delivery" if one is trial else ""
        rows.append(
            {
                "letter": one.letter.name,
                "about": one.letter.about,
                "signed": one.letter.signed,
                "to": one.letter.submission.box or "",
                "answer": f"refused: {one.code}" if one.code else "receipt",
                "as_it_should": one.as_it_should,
                "receipt_verifies": verdict.found.get(one.submission),
                "registered": f"{it.office} {it.number}".strip() if it and one is not again else "",
                "note": note or (scene.unusual.get(it.office, "") if it else ""),
            }
        )
    if as_json:
        counts = {
            key: getattr(verdict, key) for key in ("accepted", "refused", "delivered", "verified", "lost", "doubled")
        }
        say_json({"letters": rows, "holds": verdict.holds, "wrong": verdict.wrong, "repeats": scene.repeats, **counts})
        return
    mark = {True: "yes", False: "NO", None: ""}
    say_table(
        ("letter", "about", "signed", "answer", "as it should", "receipt verifies", "registered as", ""),
        [
            (
                str(row["letter"]),
                str(row["about"]),
                str(row["signed"]),
                str(row["answer"]),
                mark[bool(row["as_it_should"])],
                mark[verdict.found.get(one.submission)],
                str(row["registered"]),
                str(row["note"]),
            )
            for row, one in zip(rows, (*sent, again, trial), strict=True)
        ],
    )
    for line in verdict.wrong:
        click.echo(f"NOT as it should: {line}")
    click.echo(
        f"Everything is in {scene.site.folder}/: forms, receipts, offices, pki, goniec.toml, goniec.sqlite, log.jsonl."
    )
    click.echo(str(verdict))


def _stay(scene: Stage) -> None:
    """Leave everything running until told to stop."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    click.echo(
        f"The broker's box: {scene.site.box.url}?wsdl; the offices: {scene.dms.url('<office>')}. Ctrl-C ends it."
    )
    stop.wait()
