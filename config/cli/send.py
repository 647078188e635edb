"""`goniec send`: put a document into a box over SOAP, as a partner would, and keep the receipt."""

from __future__ import annotations

from pathlib import Path

import click

from config.cli.say import as_json, complain, end, say_facts, say_json


@click.command("send")
@as_json
@click.option("--url", default="http://127.0.0.1:8080/skrytka", show_default=True, help="The broker's box service.")
@click.option("--box", required=True, help="The box to put it into: /office/box.")
@click.option("--sender", required=True, help="Who sends: the partner's id.")
@click.option("--reply-to", default="", help="The box for the answer.")
@click.option("--trial", is_flag=True, help="A trial: every check and a receipt marked as trial, but no delivery.")
@click.option("--mtom", is_flag=True, help="Send the document beside the envelope.")
@click.option(
    "--receipt",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the receipt; FILE.upp.xml by default.",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def command(
    as_json: bool,
    url: str,
    box: str,
    sender: str,
    reply_to: str,
    trial: bool,
    mtom: bool,
    receipt: Path | None,
    file: Path,
) -> None:
    """Send FILE and write the receipt beside it.

    Exit status 0 accepted, 1 refused, 2 try later.  Sending the same again is safe: it brings the same receipt.
    """
    from adapters.testkit.box import Box, Submission

    letter = Submission(
        document=file.read_bytes(),
        sender=sender,
        box=box,
        reply_to=reply_to,
        trial="true" if trial else "false",
        file_name=file.name,
    )
    try:
        reply = Box(url=url, mtom=mtom).submit(letter)
    except OSError as error:
        complain(f"{url}: {error}")
        raise SystemExit(2) from error
    if reply.status == 200:  # noqa: PLR2004 - HTTP's name for yes
        answer = reply.answer()
        kept = receipt or file.with_name(f"{file.stem}.upp.xml")
        if answer.attachment:
            kept.write_bytes(answer.attachment.content)
        said = {
            "submission": answer.document,
            "receipt": str(kept) if answer.attachment else "",
            "receipt_id": answer.receipt,
            "message": answer.message,
        }
        say_json({"accepted": True, **said}) if as_json else say_facts(said)
        end(True)
    fault = reply.fault()
    refusal = {"code": reply.code(), "reason": fault.reason, "retry_after": reply.headers.get("retry-after", "")}
    say_json({"accepted": False, **refusal}) if as_json else say_facts(refusal)
    raise SystemExit(2 if fault.receiver else 1)
