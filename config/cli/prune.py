"""`goniec prune`: remove what its time has come for, now."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.cli.say import as_json, configuration, say, say_json, say_table

if TYPE_CHECKING:
    from config.retention import Prune


@click.command("prune")
@configuration
@as_json
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
def command(config: Path, as_json: bool, dry_run: bool) -> None:
    """Remove content whose time is over by [retention], and give the space back, also while the broker serves.

    What no office has acknowledged, what awaits a second judgement and what is held stays.  Receipts, states and
    events stay always.  Exit status 0 done, or nothing to do; 2 the store is out of reach: what was removed until
    then is removed.
    """
    from config import clock
    from config.bootstrap import open_store
    from config.retention import work
    from config.settings import load

    settings = load(config)
    store = open_store(settings)
    try:
        asked = work(settings.retention, store.retention, clock.now, stamped=bool(settings.stamping.url))
        (_look if dry_run else _remove)(asked, as_json)
    finally:
        store.close()


def _look(asked: Prune, as_json: bool) -> None:
    numbers: Counter[tuple[str, str]] = Counter()
    octets: Counter[tuple[str, str]] = Counter()
    for due in asked.due():
        numbers[due.office, str(due.form)] += 1
        octets[due.office, str(due.form)] += due.size
    names = ("office", "form", "submissions", "bytes")
    found = [(*key, numbers[key], octets[key]) for key in sorted(numbers)]
    if as_json:
        say_json({"dry_run": True, "due": [dict(zip(names, one, strict=True)) for one in found]})
    else:
        say_table(names, [tuple(map(str, one)) for one in found], none="nothing would be removed")


def _remove(asked: Prune, as_json: bool) -> None:
    pruned = octets = refusals = 0
    for done in asked.steps():
        pruned += done.pruned
        octets += done.octets
        refusals += done.refusals
    if as_json:
        say_json({"dry_run": False, "pruned": pruned, "bytes": octets, "refusals": refusals})
    else:
        say(f"pruned  {pruned} submissions, {octets} bytes of documents; {refusals} refusals forgotten")
