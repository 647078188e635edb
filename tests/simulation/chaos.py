"""What goes wrong in a simulated world, when, and for how long: drawn from the seed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tests.simulation.world import LEASE, Node, World

HOUR = timedelta(hours=1)
SLOW = 0.7  # how often offices are slow while a node stands still
MOODS = ("down", "busy", "hangs", "half", "late", "refuses")


def seconds(world: World, most: int) -> timedelta:
    return timedelta(seconds=world.schedule.chance.randrange(1, most))


def busy(world: World) -> Node:
    """Return a node that has an attempt under way, if there is one soon."""
    world.schedule.wait(lambda: any(node.under_way for node in world.nodes), timedelta(seconds=20))
    world.schedule.sleep(timedelta(milliseconds=world.schedule.chance.randrange(200)))
    return world.schedule.chance.choice([node for node in world.nodes if node.under_way] or world.nodes)


def killed(world: World) -> None:
    node = busy(world)
    world.kill(node)
    world.schedule.sleep(seconds(world, 40))
    world.replace(node)


def all_killed(world: World) -> None:
    for node in world.nodes:
        world.kill(node)
    world.schedule.sleep(seconds(world, 40))
    for node in list(world.nodes):
        world.replace(node)


def stopped_and_continued(world: World) -> None:
    """Longer than a lease: when it goes on, its claims are others', who may not be done yet."""
    slow = world.schedule.chance.random() < SLOW
    for office in world.offices.values():
        office.mood = "late" if slow else office.mood
    node = busy(world)
    node.still_until = world.schedule.now + LEASE * 2
    world.schedule.tell(f"STOP node {node.number}")
    world.schedule.sleep(LEASE)
    world.queue.close(node)  # RabbitMQ hears no heartbeat
    world.schedule.sleep(LEASE)
    for office in world.offices.values():
        office.mood = "well"


def store_away(world: World) -> None:
    world.schedule.tell("STORE away")
    world.troubles.store_away = True
    world.schedule.sleep(seconds(world, 60))
    world.troubles.store_away = False


def answers_of_the_store_lost(world: World) -> None:
    world.schedule.tell("STORE is not heard")
    world.troubles.answer_lost = 0.5
    world.schedule.sleep(seconds(world, 30))
    world.troubles.answer_lost = 0.0


def answers_to_partners_lost(world: World) -> None:
    world.schedule.tell("NODES are not heard")
    world.losses = 0.7
    world.schedule.sleep(seconds(world, 30))
    world.losses = 0.0


def seal_away(world: World) -> None:
    world.schedule.tell("SEAL away")
    world.troubles.seal_away = True
    world.schedule.sleep(seconds(world, 40))
    world.troubles.seal_away = False


def office_in_a_mood(world: World) -> None:
    office = world.schedule.chance.choice(list(world.offices.values()))
    office.mood = world.schedule.chance.choice(MOODS)
    world.schedule.tell(f"{office.name} {office.mood}")
    world.schedule.sleep(seconds(world, 60))
    office.mood = "well"


def a_nodes_clock_jumps(world: World) -> None:
    node, sign = world.schedule.chance.choice(world.nodes), world.schedule.chance.choice((1, -1))
    world.schedule.tell(f"CLOCK of node {node.number} {sign:+}h")
    node.skew += sign * HOUR
    world.schedule.sleep(seconds(world, 60))


def the_stores_clock_jumps(world: World) -> None:
    sign = world.schedule.chance.choice((1, -1))
    world.schedule.tell(f"CLOCK of the store {sign:+}h")
    world.jump += sign * HOUR
    world.schedule.sleep(seconds(world, 60))


def connections_to_the_queue_closed(world: World) -> None:
    world.schedule.tell("QUEUE closes connections")
    for node in world.nodes:
        world.queue.close(node)
    world.schedule.sleep(seconds(world, 10))


TROUBLES: tuple[Callable[[World], None], ...] = (
    killed,
    all_killed,
    stopped_and_continued,
    store_away,
    answers_of_the_store_lost,
    answers_to_partners_lost,
    seal_away,
    office_in_a_mood,
    a_nodes_clock_jumps,
    the_stores_clock_jumps,
    connections_to_the_queue_closed,
)


def trouble(world: World, number: int) -> Callable[[], None]:
    """Return what brings so many troubles over a world, one after the other."""

    def bring() -> None:
        chance = world.schedule.chance
        for _ in range(number):
            world.schedule.sleep(timedelta(milliseconds=chance.randrange(1, 15_000)))
            chance.choice(TROUBLES)(world)

    return bring
