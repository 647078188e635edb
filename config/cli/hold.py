"""`goniec hold`: keep the content of a submission whatever the rules say, until it is released."""

from __future__ import annotations

from pathlib import Path

import click

from broker.model import SubmissionId
from config.cli.say import as_json, configuration, end, say, say_json, shown, word


@click.command("hold")
@configuration
@as_json
@word("--reason", required=True, help="Why: it stands in the record for good.")
@click.option("--release", is_flag=True, help="Let the rules count again.")
@click.argument("submission", type=shown)
def command(config: Path, as_json: bool, reason: str, release: bool, submission: str) -> None:
    """Keep what is stored of SUBMISSION from being pruned, because a court or an auditor asks for it.

    Exit status 0 it is held (or, with --release, is no more), 1 there is no content of it (or it was not held).
    """
    from config.bootstrap import open_store
    from config.settings import load

    store = open_store(load(config))
    try:
        change = store.retention.lift if release else store.retention.hold
        done = change(SubmissionId(submission), reason)
    finally:
        store.close()
    if as_json:
        say_json({"submission": submission, "held": done and not release, "done": done})
    elif done:
        say(f"{'released' if release else 'held'}  {submission}")
    else:
        say(f"{submission} is not held" if release else f"no content is kept of {submission}: it cannot be held")
    end(done)
