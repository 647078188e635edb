"""`goniec list`: which submissions there are, and how far each has come."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from broker.ports import Filter
from broker.states import DeliveryState
from config.cli.say import as_json, configuration, moment, say_json, say_table


@click.command("list")
@configuration
@as_json
@click.option("--office", default="", help="Only those for this office.")
@click.option("--sender", default="", help="Only those of this sender.")
@click.option(
    "--state",
    type=click.Choice([str(state) for state in DeliveryState]),
    help="Only those with a delivery in this state.",
)
@click.option("--sha256", "digest", default="", help="Only the document with this SHA-256 (hexadecimal).")
@click.option("--since", type=click.DateTime(), help="Only those accepted since this moment (UTC).")
@click.option("--trials", is_flag=True, help="Trials too.")
@click.option("--refusals", is_flag=True, help="What was turned away, instead of what was accepted.")
@click.option("--most", default=100, show_default=True, help="How many at the most.")
def command(
    config: Path,
    as_json: bool,
    office: str,
    sender: str,
    state: str | None,
    digest: str,
    since: datetime | None,
    trials: bool,
    refusals: bool,
    most: int,
) -> None:
    """List submissions, newest first."""
    from config.bootstrap import open_ledger
    from config.settings import load

    moment_since = since.replace(tzinfo=UTC) if since else None
    with open_ledger(load(config)) as ledger:
        if refusals:
            turned_away = ledger.refusals(moment_since, most)
            if as_json:
                say_json(turned_away)
                return
            say_table(
                ("at", "sender", "code", "place", "bytes", "sha256"),
                [(moment(one.at), one.sender, one.code, one.place, str(one.size), one.digest) for one in turned_away],
            )
            return
        wanted = Filter(
            office=office,
            sender=sender,
            state=DeliveryState(state) if state else None,
            digest=digest.lower(),
            since=moment_since,
            trials=trials,
            most=most,
        )
        found = ledger.list(wanted)
    if as_json:
        say_json([{"submission": one.submission, "deliveries": one.deliveries} for one in found])
        return
    say_table(
        ("submission", "accepted", "sender", "box", "form", "delivery"),
        [
            (
                one.submission.id,
                moment(one.submission.accepted_at),
                one.submission.sender,
                one.submission.box,
                str(one.submission.form),
                ", ".join(f"{each.state} ({each.attempts})" for each in one.deliveries) or "trial",
            )
            for one in found
        ],
    )
