"""`goniec receipt`: what an official receipt proves, without a running broker."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.cli.offline import written_moment
from config.cli.say import CANNOT_TELL, NO, YES, as_json, complain, configuration, say, say_facts, say_json
from config.cli.say import moment as shown

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
    help="The moment to judge the seal for (UTC); by default that of its time-stamp, else that at which it was made.",
)
@click.option(
    "--trust",
    "pems",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Anchors of the broker's seal, PEM: its authority, or the bundle of its certificates.",
)
@click.option(
    "--tsa",
    "tsas",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Anchors of the authority that time-stamped the receipt, PEM.",
)
@click.option(
    "--document",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Also tell whether it is the receipt for this document.",
)
@click.argument("receipt", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def verify(
    as_json: bool,
    at: datetime | None,
    pems: tuple[Path, ...],
    tsas: tuple[Path, ...],
    document: Path | None,
    receipt: Path,
) -> None:
    """Say whether RECEIPT proves what it says: its form, its seal, and the document it is for.

    Also of negative evidence (DowodNegatywny): that something did not happen in time.

    The seal's certificate is judged for the moment of the time-stamp, if it bears one and --tsa names its authority;
    else for the moment at which it says it was made; an earlier one may be named by --at, and without a time-stamp any.
    Exit status 0 it does, 1 it does not, 2 that cannot be told: without --trust it is not known whose seal it is.
    """
    from broker.proof import check, schema_of
    from broker.verify import TrustSnapshot, anchors
    from config import packaged
    from config.cli.offline import moment
    from config.sources import of_file

    if not pems:
        complain("no anchors to trust: name those of the broker's seal by --trust")
    octets = receipt.read_bytes()
    found = check(
        octets,
        schema=packaged.text(schema_of(octets)),
        trust=TrustSnapshot(anchors=tuple(one for pem in pems for one in of_file(pem, anchors))),
        stamps=TrustSnapshot(anchors=tuple(one for pem in tsas for one in of_file(pem, anchors))) if tsas else None,
        at=moment(at) if at else None,
        document=document.read_bytes() if document else None,
    )
    if as_json:
        say_json({"file": str(receipt), **_told(found)})
    else:
        _in_words(found)
    raise SystemExit(_status(found))


@command.command("bundle", short_help="Write the certificates of all seals ever used.")
@configuration
@as_json
def bundle(config: Path, as_json: bool) -> None:
    """Write the certificate of every seal that ever sealed a receipt, PEM, oldest first.

    For who checks receipts by `goniec receipt verify --trust`.  Publish it where people already trust you, and the
    SHA-256 of each certificate beside it: a bundle proves nothing about who made it.
    Exit status 0 if there are any, 1 if not, 2 if the store is out of reach.
    """
    from config.bootstrap import open_ledger
    from config.bundle import bundle as written
    from config.settings import load

    with open_ledger(load(config)) as ledger:
        seals = ledger.seals()
    if not seals:
        complain("no seal has been used yet")
        raise SystemExit(NO)
    if as_json:
        say_json([_seal(pem) for pem in seals])
    else:
        click.echo(written(seals), nl=False)


def _seal(pem: bytes) -> dict[str, object]:
    """Return what is to be known of a seal's certificate, the first of those given."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from broker.partner import fingerprint

    own = x509.load_pem_x509_certificates(pem)[0]
    return {
        "subject": own.subject.rfc4514_string(),
        "sha256": fingerprint(own),
        "not_before": own.not_valid_before_utc,
        "not_after": own.not_valid_after_utc,
        "pem": own.public_bytes(Encoding.PEM).decode(),
    }


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
        "stamped_at": found.stamped_at,
        "stamped_by": found.stamped_by,
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
    if found.stamped_at is not None:
        say(f"time-stamp: {shown(found.stamped_at)} by {found.stamped_by}")
    for note in found.notes:
        say(f"note: {TEXTS[note].en}")
    if found.document is not None:
        say(f"document: {'the one that was receipted' if found.document else 'another one'}")
    say_facts(found.facts)
