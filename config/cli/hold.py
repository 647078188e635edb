"""`goniec hold`: keep the content of a submission whatever the rules say, until it is released."""

from __future__ import annotations

from pathlib import Path

import click

from config.cli.named import by_any_id, the_one
from config.cli.say import as_json, configuration, end, say, say_json
from config.cli.say import word as a_word


@click.command("hold")
@configuration
@as_json
@a_word("--reason", required=True, help="Why: it stands in the record for good.")
@click.option("--release", is_flag=True, help="Let the rules count again.")
@by_any_id
def command(config: Path, as_json: bool, reason: str, release: bool, word: str) -> None:
    """Keep what is stored of a submission from being pruned, because a court or an auditor asks for it.

    ID is the submission's, a delivery's, a receipt's, or the SHA-256 of the document.
    Exit status 0 it is held (or, with --release, is no more), 1 there is no such submission, or no content of it (or
    it was not held), 2 the store is out of reach or many submissions have this document.
    """
    from config.bootstrap import open_store
    from config.settings import load

    store = open_store(load(config))
    try:
        change = store.retention.lift if release else store.retention.hold
        submission = the_one(store.copies, word)
        done = change(submission, reason)
    finally:
        store.close()
    if as_json:
        say_json({"submission": submission, "held": done and not release, "done": done})
    elif done:
        say(f"{'released' if release else 'held'}  {submission}")
    else:
        say(f"{submission} is not held" if release else f"no content is kept of {submission}: it cannot be held")
    end(done)
