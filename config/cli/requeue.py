"""`goniec requeue`: an operator sends refused or quarantined deliveries round again."""

from __future__ import annotations

from pathlib import Path

import click

from broker.model import DeliveryId
from broker.ports import Filter
from broker.states import TRANSITIONS, DeliveryEvent
from config.cli.say import as_json, configuration, end, say_json

# The states from which the table of transitions lets a delivery be requeued.
STUCK = tuple(state for state, row in TRANSITIONS.items() if DeliveryEvent.REQUEUED in row)


@click.command("requeue")
@configuration
@as_json
@click.option("--office", default="", help="All refused or quarantined deliveries for this office.")
@click.option("--reason", required=True, help="Why: it stands in the record for good.")
@click.option("--dry-run", is_flag=True, help="Say which, and change nothing.")
@click.argument("deliveries", nargs=-1)
def command(config: Path, as_json: bool, office: str, reason: str, dry_run: bool, deliveries: tuple[str, ...]) -> None:
    """Send DELIVERIES (or all stuck ones of an office) round again, with fresh patience.

    The office gets each under the same delivery id as before.  Exit status 1 if there was nothing to send.
    """
    from config.bootstrap import open_ledger
    from config.settings import load

    if bool(office) == bool(deliveries):
        raise click.UsageError("name deliveries, or an office by --office")
    with open_ledger(load(config)) as ledger:
        wanted = [DeliveryId(one) for one in deliveries]
        if office:
            stuck = [
                record for state in STUCK for record in ledger.list(Filter(office=office, state=state, most=10_000))
            ]
            wanted = [one.id for record in stuck for one in record.deliveries if one.state in STUCK]
        done = wanted if dry_run else list(ledger.requeue(wanted, reason))
    if as_json:
        say_json({"requeued": done, "dry_run": dry_run, "left": sorted(set(wanted) - set(done))})
    else:
        for one in done:
            click.echo(f"{'would be requeued' if dry_run else 'requeued'}  {one}")
        for one in sorted(set(wanted) - set(done)):
            click.echo(f"left alone  {one}  (unknown, or not {' or '.join(STUCK)})")
    end(bool(done))
