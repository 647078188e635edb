"""`goniec send`: put a document into a box over SOAP, as a partner would, and keep the receipt."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import click

from broker.errors import Rejection
from config.cli.say import CANNOT_TELL, NO, YES, as_json, say, say_facts, say_json, shown, stop, word

if TYPE_CHECKING:
    import ssl

    from adapters.testkit.box import Reply

_CUT = (
    ": the connection ended in TLS's handshake or right behind it; perhaps --certificate is none that the broker knows "
    "for a partner, or is not for clients (its operator sees why: soap.handshake-failed)"
)
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("send")
@as_json
@word("--url", default="http://127.0.0.1:8080/skrytka", show_default=True, help="The broker's box service.")
@word("--box", required=True, help="The box to put it into: /office/box.")
@word("--sender", required=True, help="Who sends: the partner's id.")
@word("--reply-to", default="", help="The box for the answer.")
@click.option("--trial", is_flag=True, help="A trial: every check and a receipt marked as trial, but no delivery.")
@click.option("--ca", type=EXISTING, help="Whom to believe in TLS (PEM), instead of the system's authorities.")
@click.option("--certificate", type=EXISTING, help="Prove who sends by this certificate (PEM), with --key.")
@click.option("--key", type=EXISTING, help="Its private key (PEM).")
@click.option("--mtom", is_flag=True, help="Send the document beside the envelope.")
@click.option(
    "--receipt",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the receipt; beside the file as FILE.upp.xml by default, FILE.npp.xml if it was refused.",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def command(
    as_json: bool,
    url: str,
    box: str,
    sender: str,
    reply_to: str,
    trial: bool,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    mtom: bool,
    receipt: Path | None,
    file: Path,
) -> None:
    """Send FILE and write the receipt beside it.

    Exit status 0 accepted, 1 refused, 2 try later: nothing was taken, or that cannot be told.  Sending the same again
    is safe: it brings the same receipt.
    """
    import ssl

    from adapters.testkit.box import Box, Submission
    from adapters.wire.durable import made
    from broker.upo import is_receipt

    if not url.startswith(("http://", "https://")):
        raise click.BadParameter("must begin with http:// or https://", param_hint="--url")
    if certificate and not url.startswith("https://"):
        raise click.UsageError("--certificate goes with https://")
    letter = Submission(
        document=file.read_bytes(),
        sender=sender,
        box=box,
        reply_to=reply_to,
        trial="true" if trial else "false",
        file_name=shown(file.name),
    )
    try:
        reply = Box(url=url, mtom=mtom, tls=_tls(url, ca, certificate, key)).submit(letter)
        said = _accepted(reply) if reply.status == HTTPStatus.OK else _refused(reply)
    except ssl.SSLError as error:
        stop(f"{url}: TLS failed ({error.reason or error}); --ca, --certificate and --key say whom to believe and be")
    except (BrokenPipeError, ConnectionResetError) as error:
        stop(f"{url}: {error.strerror or error}{_CUT if url.startswith('https://') else ''}")
    except OSError as error:
        stop(f"{url}: {error.strerror or error}")
    except (ValueError, HTTPException, AssertionError, Rejection) as error:
        stop(f"{url}: that is no box service ({type(error).__name__})")
    kept = receipt or file.with_name(f"{file.stem}.{'upp' if said.accepted else 'npp'}.xml")
    if said.sealed:
        with made(kept, over=lambda head: is_receipt(head) or said.sealed.startswith(head)) as part:
            part.write_bytes(said.sealed)
    told = {**said.facts, "receipt": str(kept) if said.sealed else ""}
    say_json({"accepted": said.accepted, **told}) if as_json else _in_words(told)
    raise SystemExit(said.status)


def _tls(url: str, ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Return whom to believe and what to prove oneself by, None where TLS is not spoken."""
    import ssl

    if not url.startswith("https://"):
        return None
    try:
        context = ssl.create_default_context(cafile=ca)
        if certificate:
            context.load_cert_chain(certificate, key)
    except OSError as error:  # an SSLError is one
        stop(f"--ca, --certificate, --key: {error.strerror or error}: no certificate and key that belong together")
    return context


def _in_words(told: dict[str, str]) -> None:
    """Print the facts as `say_facts` does; the further lines of a reason stand below its first one."""
    width = max(map(len, told))
    for name, value in told.items():
        first, *more = value.split("\n")
        say_facts({name.ljust(width): first})
        for line in more:
            say(f"{'':{width}}  {line}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What the box answered."""

    status: int
    facts: dict[str, str]
    sealed: bytes = b""  # the receipt, of acceptance or (for partners that want one) of refusal

    @property
    def accepted(self) -> bool:
        return self.status == YES


def _accepted(reply: Reply) -> _Said:
    answer = reply.answer()
    return _Said(
        status=YES,
        facts={"submission": answer.document, "receipt_id": answer.receipt, "message": answer.message},
        sealed=answer.attachment.content if answer.attachment else b"",
    )


def _refused(reply: Reply) -> _Said:
    fault = reply.fault()
    return _Said(
        status=CANNOT_TELL if fault.receiver else NO,
        facts={"code": reply.code(), "reason": fault.reason, "retry_after": reply.headers.get("retry-after", "")},
        sealed=reply.negative_receipt(),
    )
