"""`goniec list`: which submissions there are, and how far each has come."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from broker.ports import Filter
from broker.states import DeliveryState
from config.cli.offline import written_moment
from config.cli.say import as_json, configuration, moment, say_json, say_table, word


@click.command("list")
@configuration
@as_json
@word("--office", default="", help="Only those for this office.")
@word("--sender", default="", help="Only those of this sender.")
@click.option(
    "--state",
    type=click.Choice([str(state) for state in DeliveryState]),
    help="Only those with a delivery in this state.",
)
@word("--sha256", "digest", default="", help="Only the document with this SHA-256 (hexadecimal).")
@click.option("--since", type=written_moment, metavar="TIME", help="Only those since this moment (UTC).")
@click.option("--trials", is_flag=True, help="Trials too.")
@click.option("--overturned", is_flag=True, help="Only those let in under a grace that do not hold after all.")
@click.option("--refusals", is_flag=True, help="What was turned away, instead of what was accepted.")
@click.option("--most", type=click.IntRange(min=1), default=100, show_default=True, help="How many at the most.")
@word("--after", default="", help="The last submission of the list before: the next ones.")
def command(
    config: Path,
    as_json: bool,
    office: str,
    sender: str,
    state: str | None,
    digest: str,
    since: datetime | None,
    trials: bool,
    overturned: bool,
    refusals: bool,
    most: int,
    after: str,
) -> None:
    """List submissions (or, with --refusals, what was turned away), newest first.

    Exit status 0, also for an empty list; 2 if the store is out of reach.
    """
    from config.bootstrap import open_ledger
    from config.settings import load

    if refusals and any((office, sender, state, digest, trials, overturned, after)):
        raise click.UsageError("--refusals goes with --since and --most alone")
    with open_ledger(load(config)) as ledger:
        if refusals:
            turned_away = ledger.refusals(since, most)
            if as_json:
                say_json(turned_away)
                return
            say_table(
                ("at", "sender", "code", "place", "bytes", "sha256"),
                [(moment(one.at), one.sender, one.code, one.place, str(one.size), one.digest) for one in turned_away],
                none="no refusals",
            )
            return
        wanted = Filter(
            office=office,
            sender=sender,
            state=DeliveryState(state) if state else None,
            digest=digest.lower(),
            since=since,
            trials=trials,
            overturned=overturned,
            most=most,
            after=after,
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
        none="no submissions",
    )
