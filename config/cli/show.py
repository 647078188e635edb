"""`goniec show`: all that is kept of one submission."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from broker.deadlines import Evidence, Stage
from broker.ports import Record
from broker.retention import pruned_at
from config.cli.named import by_any_id, nobody, the_one
from config.cli.say import NO, as_json, complain, configuration, moment, say_facts, say_json, say_table

if TYPE_CHECKING:
    from config.deadlines import Standing


@click.command("show")
@configuration
@as_json
@click.option("--document", "part", flag_value="document", help="Write the document itself, byte for byte.")
@click.option("--receipt", "part", flag_value="receipt", help="Write the receipt (UPP).")
@click.option("--stamped", "part", flag_value="stamped-copy", help="Write the receipt's time-stamped copy.")
@click.option("--report", "part", flag_value="report", help="Write the verification report (JSON).")
@click.option("--report-xml", "part", flag_value="report-xml", help="Write the verification report as XML.")
@click.option(
    "--later-report",
    "part",
    flag_value="later-report",
    help="Write what judging the signatures again has found (JSON), if it was let in under a grace.",
)
@click.option(
    "--evidence",
    type=click.Choice([str(stage) for stage in Stage]),
    help="Write the sealed evidence that this did not happen in time.",
)
@by_any_id
def command(config: Path, as_json: bool, part: str | None, evidence: str | None, word: str) -> None:
    """Show a submission, its deliveries and everything that happened to it.

    ID is the submission's, a delivery's, a receipt's, or the SHA-256 of the document.

    Of each delivery it says whose move it is, what is to be done next, and by when.

    In words this shows nothing about persons; with an option it may: --json has the file's name, the reply address
    and the report, which names the signers.

    Exit status 0 if it is there, 1 if not, 2 if the store is out of reach or many submissions have this document.
    """
    from broker.evidence_xml import to_xml
    from config.bootstrap import open_store
    from config.deadlines import standing, timetable
    from config.settings import load

    settings = load(config)
    with closing(open_store(settings)) as store:
        submission = the_one(store.copies, word)
        record = store.show(submission)
        document = store.document(submission) if part == "document" else None
        made = store.watch.evidence(submission)
        awaited = record is not None and store.watch.awaits_answer(record.submission.id)
    if record is None:
        nobody(word)
    if evidence:
        part = f"evidence-{evidence}"
    if part:
        parts = {
            **{f"evidence-{one.stage}": one.xml for one in made},
            "document": document,
            "receipt": record.receipt.xml,
            "stamped-copy": record.stamped,
            "report": record.report,
            "report-xml": record.report and to_xml(record.report),
            "later-report": record.later_report,
        }
        content = parts.get(part)
        if not content:  # never made, or removed when its time had come
            gone = pruned_at(record.events)
            why = f": its content was removed on {moment(gone)}, when its time was over" if gone else ""
            complain(f"no {part} is kept of {submission}{why}")
            raise SystemExit(NO)
        click.echo(content, nl=False)
        return
    stands = standing(record, timetable(settings), awaited=awaited)
    if as_json:
        say_json(
            {
                "submission": asdict(record.submission),
                "receipt": {
                    "id": record.receipt.id,
                    "kind": record.receipt.kind,
                    "issued_at": record.receipt.issued_at,
                },
                "report": json.loads(record.report) if record.report else None,
                "deliveries": [
                    {**asdict(one.delivery), **asdict(one.move), "deadline": one.deadline} for one in stands
                ],
                "evidence": [{**asdict(one), "xml": None} for one in made],
                "events": record.events,
            }
        )
    else:
        _in_words(record, stands, made)


def _in_words(record: Record, stands: Sequence[Standing], made: Sequence[Evidence]) -> None:
    it = record.submission
    say_facts(
        {
            "submission": it.id,
            "received": moment(it.received_at),
            "accepted": moment(it.accepted_at),
            "sender": it.sender,
            "message id": it.message_id,
            "channel": it.channel,
            "box": it.box,
            "office": it.office,
            "row": it.row,
            "notes": ", ".join(it.notes),
            "form": str(it.form),
            "size": f"{it.size} bytes",
            "sha256": it.digest,
            "signature": it.level,
            "trial": "yes" if it.trial else "",
            "content": f"removed {moment(gone)}" if (gone := pruned_at(record.events)) else "",
            "receipt": f"{record.receipt.kind} {record.receipt.id}",
        }
    )
    click.echo()
    say_table(
        ("delivery", "office", "state", "attempts", "crashes", "due", "reference", "last error"),
        [
            (
                one.id,
                one.office,
                one.state,
                str(one.attempts),
                str(one.crashes),
                moment(one.due_at),
                one.reference,
                one.last_error,
            )
            for one in record.deliveries
        ],
        none="no deliveries",
    )
    waiting = [one for one in stands if one.move.stage is not None]
    if waiting:
        click.echo()
        say_table(
            ("delivery", "whose move", "by", "next action"),
            [(one.delivery.id, one.move.owner, moment(one.deadline), one.move.action) for one in waiting],
        )
    if made:
        click.echo()
        say_table(
            ("evidence", "not in time", "deadline", "progress"),
            [(one.id or "not sealed yet", one.stage, moment(one.deadline), one.progress) for one in made],
        )
    click.echo()
    say_table(
        ("at", "event", "delivery", "detail"),
        [(moment(one.at), one.name, one.delivery or "", one.detail) for one in record.events],
    )
