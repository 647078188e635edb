"""`goniec quarantine`: what waits for an operator, by cause."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from broker.quarantine import Group, Selection, grouped
from config.cli.say import as_json, configuration, moment, say_json, say_table, word


@click.command("quarantine")
@configuration
@as_json
@word("--office", default="", help="Only deliveries for this office.")
@word("--cause", default="", help="Only deliveries with this cause.")
def command(config: Path, as_json: bool, office: str, cause: str) -> None:
    """List deliveries that only an operator can send on, grouped by cause.

    Transient: patience ended, or they ended their workers; what was in the way may be gone.  Permanent: the office
    said a final no.  Send them on by `goniec requeue`.

    Exit status 0, also when there are none; 2 if the store is out of reach.
    """
    from config.bootstrap import open_store
    from config.settings import load

    with closing(open_store(load(config))) as store:
        groups = grouped(store.quarantine.piles(Selection(office=office)), cause)
    if as_json:
        say_json(
            {
                "transient": [_told(one) for one in groups if not one.permanent],
                "permanent": [_told(one) for one in groups if one.permanent],
            }
        )
        return
    say_table(
        ("kind", "cause", "number", "oldest", "offices", "for example"),
        [
            (
                "permanent" if one.permanent else "transient",
                one.cause,
                str(one.number),
                moment(one.oldest),
                ", ".join(f"{name} ({number})" for name, number in one.offices.items()),
                ", ".join(one.examples),
            )
            for one in groups
        ],
        none="nothing waits for an operator",
    )


def _told(one: Group) -> dict[str, object]:
    return {
        "cause": one.cause,
        "number": one.number,
        "oldest": one.oldest,
        "offices": dict(one.offices),
        "examples": list(one.examples),
        "says": one.says,
    }
