"""`goniec requeue`: an operator sends deliveries round again, or gives their documents to another office."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import click

from broker.model import DeliveryId, OfficeId
from broker.quarantine import Selection, Spread, selected
from broker.states import STUCK, TRANSITIONS, DeliveryEvent, DeliveryState
from config.cli.offline import written_moment
from config.cli.say import as_json, configuration, end, say, say_json, shown, stop, with_bar, word

TOGETHER: Final = 500  # in one transaction
MANY: Final = 100  # more than these are to be confirmed
SLOWEST: Final = 0.001  # a minute: one in some 17 hours
FASTEST: Final = 1_000_000
LONGEST: Final = timedelta(days=366)  # from the first to the last: who wants them further apart has mistyped
_STATES: Final = [str(state) for state, row in TRANSITIONS.items() if DeliveryEvent.REDIRECTED in row]


@dataclass(slots=True)
class _Done:
    """What has been done so far."""

    sent: list[DeliveryId] = field(default_factory=list)
    instead: dict[DeliveryId, DeliveryId] = field(default_factory=dict)  # the new delivery for each redirected
    held_back: list[DeliveryId] = field(default_factory=list)


def a_minute(text: str) -> float:
    """Read how many a minute; raise click.BadParameter for what is no such number or none that anybody means."""
    try:
        rate = float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a number") from None
    if not SLOWEST <= rate <= FASTEST:  # nor is nan
        raise click.BadParameter(f"{text} is not from {SLOWEST} to {FASTEST:,}")
    return rate


@click.command("requeue")
@configuration
@as_json
@word("--office", default="", help="All that are stuck for this office.")
@word("--cause", default="", help="All that are stuck for this cause, as `goniec quarantine` names it.")
@click.option("--state", type=click.Choice(_STATES), help="Only in this state; by default refused or quarantined.")
@click.option("--since", type=written_moment, metavar="TIME", help="Only what came in, or was requeued, since then.")
@click.option("--until", type=written_moment, metavar="TIME", help="Only what came in, or was requeued, before then.")
@word("--reason", required=True, help="Why: it stands in the record for good.")
@click.option("--rate", type=a_minute, metavar="NUMBER", help=f"Not more than so many a minute, from {SLOWEST}.")
@word("--to", "to", default="", help="Give the documents to this office instead, each as a delivery of its own.")
@click.option("--even-if-sent", is_flag=True, help="With --to: also what may have reached its office unnoticed.")
@click.option("--yes", is_flag=True, help=f"Do not ask, however many more than {MANY} they are.")
@click.option("--dry-run", is_flag=True, help="Say which, and change nothing.")
@click.argument("deliveries", nargs=-1, type=shown)
def command(
    config: Path,
    as_json: bool,
    office: str,
    cause: str,
    state: str | None,
    since: datetime | None,
    until: datetime | None,
    reason: str,
    rate: float | None,
    to: str,
    even_if_sent: bool,
    yes: bool,
    dry_run: bool,
    deliveries: tuple[str, ...],
) -> None:
    """Send DELIVERIES (or all that are stuck for an office or a cause) round again, with fresh patience.

    The office gets each under the same delivery id as before.  With --to another office gets the documents: the
    deliveries end as they are, and each gets a successor under an id of its own.  What may have reached its office,
    because an attempt ended without an answer, is held back then.  --state waiting redirects what is not stuck, too.

    It may be broken off and called again: what has been done is left alone.  With --rate the due times are spread,
    and stay so when the command has ended.  Exit status 0 if any was sent, 1 if there was nothing to send.
    """
    from config.bootstrap import open_store
    from config.settings import load

    chosen = (office, cause, since, until)
    if bool(deliveries) == any(chosen):
        raise click.UsageError("name deliveries, or choose them by --office, --cause, --since or --until")
    if state == DeliveryState.WAITING and not to:
        raise click.UsageError("what waits is sent by itself: --state waiting goes with --to")
    if to and rate:
        raise click.UsageError("--rate goes without --to: another office takes new deliveries at its own pace")
    settings = load(config)
    if to and to not in settings.offices:
        stop(f"no office {to} is configured: add it, and start the broker with it, before documents are given to it")
    wanted = Selection(
        states=frozenset({DeliveryState(state)}) if state else STUCK,
        office=office,
        cause=cause,
        since=since,
        until=until,
        ids=tuple(DeliveryId(one) for one in deliveries),
    )
    with closing(open_store(settings)) as store:
        found = [one.id for one in selected(store.quarantine, wanted)]
        step = timedelta(minutes=1) / rate if rate else timedelta(0)
        if step * len(found) > LONGEST:
            stop(f"at this rate the last of {len(found)} would be due in {(step * len(found)).days} days: choose fewer")
        if not dry_run:
            _confirm(len(found), yes=yes, to=to)
        done = _Done()
        for some in with_bar(_pieces(found), "deliveries", quiet=True):
            if to:
                redirected = store.quarantine.redirect(
                    some, OfficeId(to), reason, even_if_sent=even_if_sent, dry_run=dry_run
                )
                done.sent += redirected.made
                done.instead |= redirected.made
                done.held_back += redirected.held_back
            elif dry_run:
                done.sent += some
            else:
                spread = Spread(first=step * len(done.sent), step=step)
                done.sent += store.quarantine.requeue(some, reason, spread)
    asked = set(wanted.ids) or set(found)
    left = sorted(asked - set(done.sent) - set(done.held_back))
    _say(done, left, as_json=as_json, dry_run=dry_run, to=to)
    end(bool(done.sent))


def _pieces(found: Sequence[DeliveryId]) -> list[Sequence[DeliveryId]]:
    return [found[start : start + TOGETHER] for start in range(0, len(found), TOGETHER)]


def _confirm(number: int, *, yes: bool, to: str) -> None:
    """Ask before much is done; raise click.Abort or leave if nobody agrees."""
    if number <= MANY or yes:
        return
    what = f"give {number} documents to {to}" if to else f"send {number} deliveries round again"
    if not sys.stdin.isatty():
        stop(f"this would {what}: say --yes, or look at it by --dry-run")
    click.confirm(f"This would {what}. Go on?", abort=True, err=True)


def _say(done: _Done, left: Sequence[str], *, as_json: bool, dry_run: bool, to: str) -> None:
    if as_json:
        told = {"redirected": done.instead, "held_back": done.held_back} if to else {"requeued": done.sent}
        say_json({**told, "dry_run": dry_run, "left": left})
        return
    verb = "redirected" if to else "requeued"
    for one in done.sent:
        say(f"{f'would be {verb}' if dry_run else verb}  {one}{f'  as {done.instead[one]}' if done.instead else ''}")
    for one in done.held_back:
        say(f"held back  {one}  (may have reached its office: ask there, then --even-if-sent)")
    for other in left:
        say(f"left alone  {other}  (unknown, or not {' or '.join(sorted(STUCK))}, or there already)")
    if not done.sent and not done.held_back and not left:
        say(f"nothing to send: no such delivery is {' or '.join(sorted(STUCK))}")
