"""Bugs that a simulated world can be given: each breaks a promise, and some seed must show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from broker.states import DeliveryEvent, DeliveryState
from tests.simulation.world import World


def _later(world: World, do: Callable[[], Any]) -> None:
    """Have it done a moment later, by the process that runs now: what a crash forgets."""
    node = world.running

    def wait_and_do() -> None:
        world.schedule.sleep(timedelta(seconds=5))
        do()

    node.start("later", wait_and_do)


def receipt_before_commit(world: World) -> None:
    plain = world.store.accept

    def accept(acceptance):
        _later(world, lambda: plain(acceptance))
        return acceptance.receipt

    world.store.accept = accept


def refusal_before_commit(world: World) -> None:
    plain = world.store.refuse
    world.store.refuse = lambda refusal: _later(world, lambda: plain(refusal))


def deliveries_after_commit(world: World) -> None:
    plain = world.store.accept
    world.store.accept = lambda acceptance: plain(replace(acceptance, deliveries=()))


def ack_before_commit(world: World) -> None:
    """`Queue.consume` looks for it."""


def lease_without_fence(world: World) -> None:
    plain = world.store.record

    def record(claim, outcome):
        held = world.store._leases.get(claim.delivery.id)
        plain(claim if held is None else replace(claim, token=held.token), outcome)

    world.store.record = record


def attempt_counted_at_the_end(world: World) -> None:
    claim_plain, record_plain, counted = world.store.claim, world.store.record, world.store._deliveries

    def claim(lease, most=1):
        taken = claim_plain(lease, most)
        for it in taken:
            counted[it.delivery.id] = replace(counted[it.delivery.id], attempts=it.delivery.attempts - 1)
        return taken

    def record(claim, outcome):
        record_plain(claim, outcome)
        counted[claim.delivery.id] = replace(
            counted[claim.delivery.id], attempts=counted[claim.delivery.id].attempts + 1
        )

    world.store.claim, world.store.record = claim, record


def repeat_not_known(world: World) -> None:
    plain = world.store.accept
    world.store.find = lambda _message: None
    number = iter(range(1_000_000))

    def accept(acceptance):
        n = next(number)
        strange = replace(acceptance.submission, message_id="", fingerprint_box=f"/{n}")
        twice = tuple(replace(one, id=f"{n}-{one.id}") for one in acceptance.deliveries)
        return plain(replace(acceptance, submission=strange, deliveries=twice))

    world.store.accept = accept


def new_id_for_every_attempt(world: World) -> None:
    plain = world.store.parcel

    def parcel(claim):
        made = plain(claim)
        return replace(made, delivery=f"{made.delivery}-{claim.delivery.attempts}")

    world.store.parcel = parcel


def delivered_without_an_answer(world: World) -> None:
    plain = world.store.record

    def record(claim, outcome):
        said = outcome.event is DeliveryEvent.POSTPONED
        plain(
            claim,
            replace(outcome, event=DeliveryEvent.ACKNOWLEDGED, state=DeliveryState.DELIVERED) if said else outcome,
        )

    world.store.record = record


BUGS: dict[str, Callable[[World], None]] = {
    plant.__name__.replace("_", "-"): plant
    for plant in (
        receipt_before_commit,
        refusal_before_commit,
        deliveries_after_commit,
        ack_before_commit,
        lease_without_fence,
        attempt_counted_at_the_end,
        repeat_not_known,
        new_id_for_every_attempt,
        delivered_without_an_answer,
    )
}


def plant(world: World) -> None:
    """Plant the bugs that the world was made with."""
    for bug in sorted(world.bugs):
        BUGS[bug](world)
