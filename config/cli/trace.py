"""`goniec trace`: the story of one submission, in the order of time, and its proof."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.cli.named import by_any_id, nobody, the_one
from config.cli.say import as_json, configuration, moment, say, say_facts, say_json, say_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.journal import Batch, Entry
    from broker.ports import Record


@click.command("trace")
@configuration
@as_json
@click.option(
    "--proof",
    "proof",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Write the proof that this happened, over another proof at most; `goniec journal check-proof` checks it.",
)
@by_any_id
def command(config: Path, as_json: bool, proof: Path | None, word: str) -> None:
    """Show what happened to a submission, in the order of time, and what of it the journal has.

    ID is the submission's, a delivery's, a receipt's, or the SHA-256 of the document.  Nothing about persons is shown.
    Exit status 0 if it is there, 1 if not, 2 if the store is out of reach or many submissions have this document.
    """
    from adapters.wire.durable import made
    from broker.journal_proof import is_proof
    from config.bootstrap import open_store
    from config.journal import proof_of
    from config.settings import load

    store = open_store(load(config))
    try:
        submission = the_one(store.copies, word)
        record, entries = store.show(submission), store.journal.about(submission)
        numbers = sorted({one.batch for one in entries if one.batch is not None})
        batches = [one for number in numbers for one in store.journal.batches(number - 1, 1) if one.number == number]
        written = proof_of(store, submission) if proof is not None else None
    finally:
        store.close()
    if record is None:
        nobody(word)
    if proof is not None and written is not None:
        with made(proof, over=is_proof) as part:
            part.write_bytes(written)
    if as_json:
        say_json(_told(record, entries, batches, proof))
        return
    _in_words(record, entries, batches)
    open_ones = sum(one.batch is None for one in entries)
    if proof is not None:
        say(f"proof: {proof}" + (f" ({open_ones} events are not chained yet and not proven)" if open_ones else ""))


def _told(record: Record, entries: Sequence[Entry], batches: Sequence[Batch], proof: Path | None) -> dict[str, object]:
    it = record.submission
    return {
        "submission": it.id,
        "received_at": it.received_at,
        "accepted_at": it.accepted_at,
        "office": it.office,
        "sha256": it.digest,
        "receipt": record.receipt.id,
        "events": [
            {"id": one.id, **asdict(one.event), "batch": one.batch, "position": one.position} for one in entries
        ],
        "deliveries": record.deliveries,
        "batches": [
            {
                "batch": one.number,
                "at": one.at,
                "events": one.size,
                "head": one.head.hex(),
                "sealed": one.sealed is not None,
                "stamped": one.stamp is not None,
            }
            for one in batches
        ],
        "proof": None if proof is None else str(proof),
    }


def _in_words(record: Record, entries: Sequence[Entry], batches: Sequence[Batch]) -> None:
    it = record.submission
    say_facts(
        {
            "submission": it.id,
            "received": moment(it.received_at),
            "office": it.office,
            "sha256": it.digest,
            "receipt": f"{record.receipt.kind} {record.receipt.id}",
        }
    )
    click.echo()
    say_table(
        ("at", "event", "delivery", "detail", "batch"),
        [
            (
                one.event.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                one.event.name,
                one.event.delivery or "",
                one.event.detail,
                "" if one.batch is None else f"{one.batch}/{one.position}",
            )
            for one in sorted(entries, key=lambda one: (one.event.at, one.id))
        ],
    )
    click.echo()
    say_table(
        ("delivery", "office", "state", "attempts", "reference"),
        [(one.id, one.office, one.state, str(one.attempts), one.reference) for one in record.deliveries],
        none="no deliveries",
    )
    if batches:
        click.echo()
        say_table(
            ("batch", "at", "events", "head", "sealed", "time-stamped"),
            [
                (
                    str(one.number),
                    moment(one.at),
                    str(one.size),
                    one.head.hex(),
                    "no" if one.sealed is None else "yes",
                    "no" if one.stamp is None else "yes",
                )
                for one in batches
            ],
        )
