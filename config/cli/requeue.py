"""`goniec requeue`: an operator sends refused or quarantined deliveries round again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from broker.model import DeliveryId
from broker.ports import Filter, Ledger, Record
from broker.states import TRANSITIONS, DeliveryEvent
from config.cli.say import as_json, configuration, end, say, say_json, shown, word

PAGE: Final = 1000
# The states from which the table of transitions lets a delivery be requeued.
STUCK: Final = tuple(state for state, row in TRANSITIONS.items() if DeliveryEvent.REQUEUED in row)


@click.command("requeue")
@configuration
@as_json
@word("--office", default="", help="All refused or quarantined deliveries for this office.")
@word("--reason", required=True, help="Why: it stands in the record for good.")
@click.option("--dry-run", is_flag=True, help="Say which, and change nothing.")
@click.argument("deliveries", nargs=-1, type=shown)
def command(config: Path, as_json: bool, office: str, reason: str, dry_run: bool, deliveries: tuple[str, ...]) -> None:
    """Send DELIVERIES (or all that are refused or quarantined for an office) round again, with fresh patience.

    The office gets each under the same delivery id as before.  Exit status 0 if any was sent, 1 if
    there was nothing to send.
    """
    from config.bootstrap import open_ledger
    from config.settings import load

    if bool(office) == bool(deliveries):
        raise click.UsageError("name deliveries, or an office by --office")
    with open_ledger(load(config)) as ledger:
        wanted = [DeliveryId(one) for one in deliveries] or _stuck(ledger, office)
        if dry_run:
            stuck = set(_stuck(ledger, office))
            done = [one for one in wanted if one in stuck]
        else:
            done = list(ledger.requeue(wanted, reason))
    if as_json:
        say_json({"requeued": done, "dry_run": dry_run, "left": sorted(set(wanted) - set(done))})
    else:
        for one in done:
            say(f"{'would be requeued' if dry_run else 'requeued'}  {one}")
        for one in sorted(set(wanted) - set(done)):
            say(f"left alone  {one}  (unknown, or not {' or '.join(STUCK)})")
        if not wanted:
            say(f"nothing to send: no delivery for {office} is {' or '.join(STUCK)}")
    end(bool(done))


def _stuck(ledger: Ledger, office: str) -> list[DeliveryId]:
    """Return every delivery that can be requeued, of one office or ("") of all."""
    return [
        one.id
        for state in STUCK
        for record in _pages(ledger, Filter(office=office, state=state, most=PAGE))
        for one in record.deliveries
        if one.state is state
    ]


def _pages(ledger: Ledger, wanted: Filter) -> Iterator[Record]:
    """Yield all records that are wanted, a page at a time."""
    while page := ledger.list(wanted):
        yield from page
        wanted = replace(wanted, after=page[-1].submission.id)
