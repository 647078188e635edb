"""`goniec pki`: keys and certificates for development, worth nothing to anybody."""

from __future__ import annotations

from pathlib import Path

import click

from config.cli.say import NO, as_json, complain, say, say_json


@click.group("pki")
def command() -> None:
    """Make keys and certificates for development."""


@command.command("dev")
@as_json
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("pki"),
    show_default=True,
    help="Where to.",
)
@click.option("--force", is_flag=True, help="Write over what is there: receipts sealed before no longer verify.")
def dev(as_json: bool, folder: Path, force: bool) -> None:
    """Make a test PKI: CAs, signers of every kind, and the broker's seal.

    Each CA is a file `*-ca.pem`, each signer `NAME.pem` (with its chain) and `NAME.key`; keys are readable by their
    owner only.  The seal with its key is `seal.bundle.pem`.  Exit status 0 made, 1 keys are there already.
    """
    from adapters.testkit.pki import Pki
    from config.clock import now

    there = folder.iterdir() if folder.is_dir() else iter(())
    if not force and any(one.suffix in {".pem", ".key"} for one in there):
        complain(f"{folder} holds keys or certificates already; --force writes over them")
        raise SystemExit(NO)
    Pki(at=now()).write(folder)
    written = sorted(one.name for one in folder.iterdir())
    if as_json:
        say_json({"folder": folder, "files": written})
        return
    say(f"{folder}: {len(written)} files; anchors: {', '.join(one for one in written if one.endswith('-ca.pem'))}")
