"""`goniec readmit`: take back a document that a restored store has forgotten, under the receipt given for it then."""

from __future__ import annotations

from pathlib import Path

import click

from config.cli.say import as_json, configuration, say, say_json, word

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("readmit")
@configuration
@as_json
@click.option("--document", required=True, type=_file, help="The document, byte for byte as it was sent.")
@click.option("--receipt", required=True, type=_file, help="The receipt (UPP) that its sender holds, byte for byte.")
@word("--box", default="", help="The box to which the sender addressed it, as the sender wrote it.")
@word("--ade", default="", help="The e-delivery address instead, if the sender gave that.")
@word("--teryt", default="", help="The territory instead, if the sender gave that.")
@word("--sender", default="", help="Who sent it, if the receipt does not say.")
@word("--message-id", default="", help="The sender's message id, if it gave one: repeats under it are known then.")
@word("--channel", default="readmitted", help="The way in by which it came.", show_default=True)
@word("--reply-to", default="", help="The box to which the answer should go.")
@word("--file-name", default="", help="Its file name.")
@word("--case", default="", help="The office's case number.")
@word("--in-reply-to", default="", help="The submission that it answers.")
@click.option("--seals", type=_file, help="Certificates of our own seals, PEM, that the store may have forgotten too.")
@word("--without-checks", default="", help="Why it is taken back though a stage refuses it now; stays in the record.")
def command(
    config: Path,
    as_json: bool,
    document: Path,
    receipt: Path,
    box: str,
    ade: str,
    teryt: str,
    seals: Path | None,
    **said: str,
) -> None:
    """Take a document back into custody that a store restored from a backup has forgotten.

    The receipt must be our own, as it was given, for this document. Ids, moments and the receipt itself are kept as the
    receipt states them; the document goes through all stages as of its moment of entry and on to its office, under the
    same delivery id as then. Do this before its sender sends it again: then it gets a new receipt, and the old one
    stays without a record. It may be run again, and while brokers serve.

    Exit status 0 it is in custody under this receipt, 1 it is not, and why, 2 that cannot be told now.
    """
    from broker.model import Address
    from config.readmit import Said, readmit
    from config.settings import load

    if sum(map(bool, (box, ade, teryt))) > 1:
        raise click.UsageError("name the one address that the sender gave: --box, --ade or --teryt")
    done = readmit(
        load(config),
        document.read_bytes(),
        receipt.read_bytes(),
        Said(to=Address(box=box, ade=ade, teryt=teryt), **said),
        seals=seals.read_bytes() if seals else b"",
    )
    if as_json:
        say_json(done)
    else:
        how = "is there already" if done.again else "taken back"
        passed = f", though {done.passed_over} refuses it" if done.passed_over else ""
        say(f"{how}  {done.submission}  receipt {done.receipt}{passed}")
