"""`goniec reconcile`: what partners sent, as the broker has it, held against what they say themselves."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, Final

import click

from broker.errors import ConfigError
from broker.reconcile import DIGEST, MOST, Difference, Entry, Sent, compare, everything, look_up
from config.cli.offline import written_moment
from config.cli.say import as_json, configuration, end, moment, say, say_json, say_json_members, say_table, word

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.wire.kind import Custody
    from broker.model import Refusal
    from broker.reconcile import Differs, Found

COLUMNS: Final = ("sha256", "message_id", "receipt")
_WORDS: Final = {
    Difference.MISSING: "the partner has it, the broker has not: to be sent again",
    Difference.LOST: "the broker has it, the partner has not",
    Difference.RECEIPT: "both have it, under another receipt",
    Difference.MESSAGE_ID: "both have it, but the message id stands for something else, or for nothing",
}


@click.command("reconcile")
@configuration
@as_json
@click.option("--since", type=written_moment, metavar="TIME", help="What was accepted since this moment (UTC).")
@word("--partner", default="", help="Of this sender alone.")
@click.option(
    "--sha256",
    "digests",
    type=click.File("r", encoding="utf-8", errors="backslashreplace"),
    help="Digests, one a line (- for standard input).",
)
@click.option(
    "--file",
    "theirs",
    type=click.File("r", encoding="utf-8", errors="backslashreplace"),
    help="What the partner says that it sent: CSV or JSON lines.",
)
def command(
    config: Path,
    as_json: bool,
    since: datetime | None,
    partner: str,
    digests: IO[str] | None,
    theirs: IO[str] | None,
) -> None:
    """List what was sent since a moment, look documents up by digest, or compare with a partner's own list.

    With --since: everything accepted, unfinished included, and everything refused.  With --sha256: what is known of
    each digest.  With --file, --since and --partner: what only one of the two has, and what they call differently.
    The file has the columns sha256, message_id and receipt (CSV with a first line that names them), or an object with
    these keys on each line; all but sha256 may be missing.

    Exit status 0; 1 if a digest was not accepted, or the lists differ; 2 if the store is out of reach.
    """
    from config.bootstrap import open_store
    from config.settings import load

    if digests is not None and (theirs is not None or since is not None):
        raise click.UsageError("--sha256 goes with --partner alone")
    if digests is None and since is None:
        raise click.UsageError("name a moment by --since, or digests by --sha256")
    if theirs is not None and not partner:
        raise click.UsageError("--file needs --partner: whose list it is")
    with closing(open_store(load(config))) as store:
        if digests is not None:
            asked = list(_digests(digests))
            found = [
                one
                for start in range(0, len(asked), MOST)
                for one in look_up(store.reconcile, partner or None, asked[start : start + MOST])
            ]
            _say_found(found, as_json)
        elif theirs is not None and since is not None:
            _say_differences(list(compare(store.reconcile, partner, since, entries(theirs))), as_json)
        elif since is not None:
            _say_list(everything(store.reconcile, partner or None, since), store, as_json)


# ── what is read ─────────────────────────────────────────────────────────────────────────────────────────


def _digests(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if said := line.strip():
            yield _digest(said.split()[0], number)  # as `sha256sum` writes it: a name may follow


def _digest(said: object, number: int) -> str:
    written = said.strip().lower() if isinstance(said, str) else ""
    if not DIGEST.fullmatch(written):
        raise ConfigError([f"line {number}: a SHA-256 has 64 hexadecimal digits"])
    return written


def entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Yield what a partner's list says, CSV or JSON lines; raise ConfigError with the line that cannot be read."""
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    first = next(numbered, None)
    if first is None:
        return
    every = chain([first], numbered)
    yield from _of_json(every) if first[1].lstrip("\ufeff \t").startswith("{") else _of_csv(every)


def _of_json(lines: Iterator[tuple[int, str]]) -> Iterator[Entry]:
    for number, line in lines:
        try:
            said = json.loads(line.lstrip("\ufeff"))
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise ConfigError([f"line {number}: this is no JSON object"])
        yield _entry(said, number)


def _of_csv(lines: Iterator[tuple[int, str]]) -> Iterator[Entry]:
    number, line = next(lines)
    separator = ";" if ";" in line else ","
    names = [name.strip().lower() for name in next(csv.reader([line.lstrip("\ufeff")], delimiter=separator))]
    if COLUMNS[0] not in names:
        raise ConfigError([f"line {number}: the first line must name the columns: {', '.join(COLUMNS)}"])
    for number, line in lines:
        try:
            cells = next(csv.reader([line], delimiter=separator))
        except csv.Error:
            raise ConfigError([f"line {number}: this cannot be read as CSV"]) from None
        yield _entry(dict(zip(names, cells, strict=False)), number)


def _entry(said: dict[str, Any], number: int) -> Entry:
    digest, message_id, receipt = (said.get(name) or "" for name in COLUMNS)
    if not isinstance(message_id, str) or not isinstance(receipt, str):
        raise ConfigError([f"line {number}: message_id and receipt are texts"])
    return Entry(digest=_digest(digest, number), message_id=message_id.strip(), receipt=receipt.strip())


# ── what is said ─────────────────────────────────────────────────────────────────────────────────────────


def _say_list(found: Iterator[Sent | Refusal], store: Custody, as_json: bool) -> None:
    """Say each row before the next page is asked for: a list of years is never held whole."""
    if as_json:
        say_json_members(_members(found, store))
        return
    columns = ("accepted", "sender", "standing", "sha256", "receipt", "reference")
    say_table(columns, map(_row, found), none="nothing was sent")
    head = store.journal.last(sealed=True)
    if head is not None:
        say(f"journal  {head.number} {head.head.hex()}")


def _members(found: Iterator[Sent | Refusal], store: Custody) -> Iterator[tuple[str, Any]]:
    """Yield what was accepted and what was refused, as lists that are still to be read, and the journal's head."""
    first_refused: list[Sent | Refusal] = []  # met where the others end

    def accepted() -> Iterator[dict[str, Any]]:
        for one in found:
            if not isinstance(one, Sent):
                first_refused.append(one)
                return
            yield _plain(one)

    yield "sent", accepted()
    yield "refused", (_refused(one) for one in chain(first_refused, found) if not isinstance(one, Sent))
    head = store.journal.last(sealed=True)
    yield "head", None if head is None else {"number": head.number, "head": head.head.hex(), "at": head.at}


def _row(it: Sent | Refusal) -> tuple[str, ...]:
    if isinstance(it, Sent):
        return moment(it.accepted_at), it.sender, it.standing, it.digest, it.receipt, it.reference
    return moment(it.at), it.sender, it.code, it.digest, "", ""


def _say_found(found: list[Found], as_json: bool) -> None:
    if as_json:
        say_json(
            [
                {
                    "sha256": one.digest,
                    "sent": [_plain(it) for it in one.sent],
                    "refused": _refused(one.refused) if one.refused else None,
                }
                for one in found
            ]
        )
    else:
        say_table(
            ("sha256", "known", "sender", "receipt"),
            [(one.digest, it.standing, it.sender, it.receipt) for one in found for it in one.sent]
            + [(one.digest, one.refused.code if one.refused else "unknown", "", "") for one in found if not one.sent],
            none="no digests to look up",
        )
    end(all(one.sent for one in found))


def _say_differences(found: list[Differs], as_json: bool) -> None:
    if as_json:
        say_json([asdict(one) for one in found])
    else:
        for how, words in _WORDS.items():
            some = [one for one in found if one.how is how]
            if some:
                say(f"{words}: {len(some)}")
                say_table(("sha256", "theirs", "ours"), [(one.digest, one.theirs, one.ours) for one in some])
        if not found:
            say("both lists agree")
    end(not found)


def _plain(it: Sent) -> dict[str, Any]:
    return {**asdict(it), "form": str(it.form)}


def _refused(it: Refusal) -> dict[str, Any]:
    return {name: value for name, value in asdict(it).items() if name != "negative_receipt"}
