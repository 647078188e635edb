"""`goniec nodes`: which processes serve this store, and what each does alone."""

from __future__ import annotations

from pathlib import Path

import click

from broker.nodes import Node
from config.cli.say import as_json, configuration, moment, say_json, say_table


@click.command("nodes")
@configuration
@as_json
def command(config: Path, as_json: bool) -> None:
    """List the nodes of this store, oldest first.

    A node is a serving process.  It is alive while it was seen within `nodes.lease`; draining when it was told to end
    and has not ended yet; dead otherwise.  One that ended as it should is not listed.

    Exit status 0, also for an empty list; 2 if the store is out of reach.
    """
    from config.bootstrap import open_store
    from config.settings import load

    settings = load(config)
    store = open_store(settings)
    try:
        found = store.nodes.list()
    finally:
        store.close()
    if as_json:
        say_json([told(one, standing(one, alive=one.alive(settings.nodes.lease))) for one in found])
        return
    say_table(
        ("node", "host", "pid", "version", "layout", "started", "seen", "state", "duties"),
        [
            (
                one.id,
                one.host,
                str(one.pid),
                one.version,
                one.layout,
                moment(one.started_at),
                moment(one.seen_at),
                standing(one, alive=one.alive(settings.nodes.lease)),
                ", ".join(one.duties),
            )
            for one in found
        ],
        none="no node is known: no broker serves this store",
    )


def standing(node: Node, *, alive: bool) -> str:
    """Return in a word how it is with a node."""
    if not alive:
        return "dead"
    return "draining" if node.draining else "alive"


def told(node: Node, state: str) -> dict[str, object]:
    """Return a node as it stands in JSON."""
    return {
        "id": node.id,
        "host": node.host,
        "pid": node.pid,
        "version": node.version,
        "layout": node.layout,
        "started_at": node.started_at,
        "seen_at": node.seen_at,
        "silent": node.silent.total_seconds(),
        "state": state,
        "duties": list(node.duties),
    }
