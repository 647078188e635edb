"""`goniec receipt`: what an official receipt proves, without a running broker."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.cli.offline import written_moment
from config.cli.say import CANNOT_TELL, NO, YES, as_json, complain, say, say_facts, say_json

if TYPE_CHECKING:
    from broker.proof import ReceiptCheck


@click.group("receipt")
def command() -> None:
    """Work with official receipts (UPO)."""


@command.command("verify", short_help="Say whether a receipt proves what it says.")
@as_json
@click.option(
    "--at",
    type=written_moment,
    metavar="TIME",
    help="The moment to judge the seal for (UTC); by default the one at which the receipt was made.",
)
@click.option(
    "--trust",
    "pems",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Anchors of the broker's seal, PEM.",
)
@click.option(
    "--document",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Also tell whether it is the receipt for this document.",
)
@click.argument("receipt", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def verify(as_json: bool, at: datetime | None, pems: tuple[Path, ...], document: Path | None, receipt: Path) -> None:
    """Say whether RECEIPT proves what it says: its form, its seal, and the document it is for.

    The seal's certificate is judged for the moment at which the receipt was made, unless --at names another.
    Exit status 0 it does, 1 it does not, 2 that cannot be told: without --trust it is not known whose seal it is.
    """
    from broker.proof import check
    from broker.verify import TrustSnapshot, anchors
    from config import packaged
    from config.cli.offline import moment
    from config.sources import of_file

    if not pems:
        complain("no anchors to trust: name those of the broker's seal by --trust")
    found = check(
        receipt.read_bytes(),
        schema=packaged.text("receipts/upo.xsd"),
        trust=TrustSnapshot(anchors=tuple(one for pem in pems for one in of_file(pem, anchors))),
        at=moment(at) if at else None,
        document=document.read_bytes() if document else None,
    )
    if as_json:
        say_json({"file": str(receipt), **_told(found)})
    else:
        _in_words(found)
    raise SystemExit(_status(found))


def _status(found: ReceiptCheck) -> int:
    from broker.evidence import Indication

    return {Indication.PASSED: YES, Indication.FAILED: NO, Indication.INDETERMINATE: CANNOT_TELL}[found.verdict]


def _told(found: ReceiptCheck) -> dict[str, object]:
    return {
        "verdict": found.verdict,
        "code": found.code,
        "place": found.place,
        "seal": found.report.code if found.report else "",
        "kind": found.kind,
        "document": found.document,
        "notes": found.notes,
        "facts": dict(found.facts),
    }


def _in_words(found: ReceiptCheck) -> None:
    from broker.errors import Rejection
    from broker.evidence import explanation
    from broker.texts import TEXTS, explain

    say(f"{found.kind or 'receipt'}: {found.verdict}", _status(found))
    if found.code:
        say(f"{found.code}: {TEXTS[found.code].en} {found.place}".rstrip())
    if found.report and found.report.code:
        say(f"{found.report.code}: {explain(Rejection(found.report.code, facts=explanation(found.report)))}")
    for note in found.notes:
        say(f"note: {TEXTS[note].en}")
    if found.document is not None:
        say(f"document: {'the one that was receipted' if found.document else 'another one'}")
    say_facts(found.facts)
