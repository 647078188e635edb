"""`goniec journal check-proof`: what the proof of one submission proves; and the options that say whom to believe."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.cli.say import CANNOT_TELL, NO, YES, as_json, moment, say, say_facts, say_json, say_table

if TYPE_CHECKING:
    from datetime import datetime

    from broker.journal import Entry
    from broker.journal_proof import ProofCheck

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

heads = click.option(
    "--head",
    "heads",
    multiple=True,
    type=_FILE,
    metavar="FILE",
    help="What was published: a file of heads, a sealed head, or a time-stamp on one (DER).",
)
seals = click.option(
    "--ca",
    "seals",
    multiple=True,
    type=_FILE,
    metavar="FILE",
    help="Whose seals are believed, PEM: the seals' own certificates, or an authority that certifies nobody else.",
)
tsas = click.option(
    "--tsa", "tsas", multiple=True, type=_FILE, metavar="FILE", help="Anchors of the time-stamping authority, PEM."
)


@click.command("check-proof", short_help="Check the proof of one submission, without the store.")
@as_json
@click.option("--document", type=_FILE, help="Also tell whether it is about this document.")
@click.option("--receipt", type=_FILE, help="Also tell whether this receipt was given for it.")
@heads
@seals
@tsas
@click.argument("proof", type=_FILE)
def check_proof(
    as_json: bool,
    document: Path | None,
    receipt: Path | None,
    heads: tuple[Path, ...],
    seals: tuple[Path, ...],
    tsas: tuple[Path, ...],
    proof: Path,
) -> None:
    """Check a proof that `goniec trace --proof` wrote: that its events are in the journal, as they are told.

    It shows that these events are there, and not that there are no others.
    Exit status 0 it holds, 1 it does not, 2 that cannot be told: without --ca, --tsa or --head nobody vouches for it.
    """
    from broker.evidence import Indication
    from broker.journal_proof import check
    from config.journal_verify import believed

    against = believed(heads, seals, tsas)
    found = check(
        proof.read_bytes(),
        trust=against.trust,
        stamps=against.stamps,
        published=against.published,
        document=document.read_bytes() if document else None,
        receipt=receipt.read_bytes() if receipt else None,
    )
    status = {Indication.PASSED: YES, Indication.FAILED: NO, Indication.INDETERMINATE: CANNOT_TELL}[found.verdict]
    say_json(_proven(found)) if as_json else _proven_in_words(found, status)
    raise SystemExit(status)


def _proven(found: ProofCheck) -> dict[str, object]:
    return {
        "verdict": found.verdict,
        "reason": found.reason,
        "submission": found.submission,
        "events": [
            {
                "id": one.id,
                "batch": one.batch,
                "chained_at": _chained_at(found, one),
                "late": one.id in found.late,
                **asdict(one.event),
            }
            for one in found.entries
        ],
        "unproven": found.unproven,
        "document": found.document,
        "receipt": found.receipt,
        "seals": [{"subject": one.by, "sha256": one.sha256} for one in found.seals],
        "stamped": found.stamped,
    }


def _chained_at(found: ProofCheck, one: Entry) -> datetime | None:
    return next((batch.at for batch in found.batches if batch.number == one.batch), None)


def _proven_in_words(found: ProofCheck, status: int) -> None:
    say(f"{found.verdict}: {found.reason}" if found.reason else str(found.verdict), status)
    say_facts(
        {
            "submission": found.submission,
            "document": "the one that was accepted" if found.document else "",
            "receipt": "the one that was given for it" if found.receipt else "",
            **{f"seal {number}": f"{one.by} {one.sha256}" for number, one in enumerate(found.seals, start=1)},
            "time-stamped": f"{found.stamped} batches" if found.stamped else "",
        }
    )
    say_table(
        ("event", "at", "what", "delivery", "detail", "batch", "chained"),
        [
            (
                str(one.id),
                moment(one.event.at),
                one.event.name,
                one.event.delivery or "",
                one.event.detail,
                "" if one.batch is None else str(one.batch),
                "" if (chained := _chained_at(found, one)) is None else moment(chained),
            )
            for one in found.entries
        ],
    )
    for late in sorted(found.late):
        say(f"note: event {late} was chained long after it is said to have happened (chained-late)")
