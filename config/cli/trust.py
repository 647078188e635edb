"""`goniec trust`: whom this broker believes, and until when, without a running broker."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from config.cli.offline import at
from config.cli.say import CANNOT_TELL, YES, as_json, complain, configuration, say, say_json, say_table, stop
from config.cli.say import moment as written

if TYPE_CHECKING:
    from adapters.trust.lists import Held
    from broker.verify.trust_services import Listed


@click.group("trust")
def command() -> None:
    """Show whom the broker believes."""


@command.command("lists", short_help="Show the trusted lists: their dates, services and anchors.")
@configuration
@as_json
@at
@click.option("--fetch", is_flag=True, help="Fetch them first, into the cache, as a running broker does.")
def lists(config: Path, as_json: bool, at: datetime | None, fetch: bool) -> None:
    """Show the trusted lists as they lie in the files or in the cache, judged anew: dates, services, anchors.

    Exit status 0 if every list is believed, 2 if one is missing, not believed, or overdue.
    """
    from config.bootstrap import list_refresher
    from config.cli.offline import moment
    from config.settings import load
    from config.sources import shelf_of

    settings = load(config)
    shelf = shelf_of(settings)
    if shelf is None:
        stop("no trusted lists are configured: [trust.lists] signers is empty")
    if fetch and settings.trust.lists.files:
        raise click.UsageError("--fetch: these lists come from files")
    if fetch:
        for it in list_refresher(settings, shelf).refresh():
            complain(*(f"{it.territory}: {reason}" for reason in it.reasons))
    now = moment(at)
    answers = [_answer(it, now) for it in shelf.look(now)]
    if as_json:
        say_json(answers)
    else:
        for one in answers:
            _in_words(one)
    raise SystemExit(YES if all(one["state"] == "believed" for one in answers) else CANNOT_TELL)


def _answer(held: Held, now: datetime) -> dict[str, Any]:
    found = held.found
    if found is None:
        return {"territory": held.territory, "state": held.reason, "problem": held.problem, "services": []}
    return {
        "territory": found.territory,
        "state": "believed" if now < found.next_update else "overdue",
        "number": found.sequence,
        "issued": found.issued,
        "next_update": found.next_update,
        "ends": found.end,
        "signer": found.signer.subject.rfc4514_string(),
        "points_at": {name: pointer.locations for name, pointer in sorted(found.pointers.items())},
        "services": [_service(it, now) for it in found.services],
        "left_out": found.left_out,
    }


def _service(listed: Listed, now: datetime) -> dict[str, Any]:
    granted = next((it for it in listed.times if it.covers(now)), None)
    return {
        "name": listed.name,
        "kind": listed.kind.name.lower().replace("_", "-"),
        "granted": granted is not None,
        "since": granted.since if granted else None,
        "purposes": sorted(granted.purposes) if granted else [],
        "corrected": len(granted.qualifications) if granted else 0,
        "anchors": [it.subject.rfc4514_string() for it in listed.certificates] if granted else [],
    }


def _in_words(one: dict[str, Any]) -> None:
    if "number" not in one:
        say(f"{one['territory']}  not believed ({one['state']}): {one['problem']}", CANNOT_TELL)
        return
    dates = f"issued {written(one['issued'])}, next update {written(one['next_update'])}, ends {written(one['ends'])}"
    status = YES if one["state"] == "believed" else CANNOT_TELL
    say(f"{one['territory']}  number {one['number']}, {one['state']}; {dates}; signed by {one['signer']}", status)
    for name, places in one["points_at"].items():
        say(f"  {name}  {' '.join(places)}")
    granted = [it for it in one["services"] if it["granted"]]
    if granted:
        say_table(
            ("service", "kind", "since", "for", "anchors"),
            [
                (
                    it["name"],
                    it["kind"],
                    written(it["since"]),
                    ", ".join(it["purposes"]) or "-",
                    "; ".join(it["anchors"]) or "none that can be read",
                )
                for it in granted
            ],
        )
    others = len(one["services"]) - len(granted)
    if others:
        say(f"  {others} more not granted now")
    for name in one["left_out"]:
        say(f"  left out  {name}", CANNOT_TELL)
