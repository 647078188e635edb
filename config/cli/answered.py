"""`goniec answered`: an operator's word that an office has answered a document."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from broker.model import SubmissionId
from config.cli.say import as_json, complain, configuration, end, say, say_json, shown, word


@click.command("answered")
@configuration
@as_json
@word("--reason", required=True, help="How you know: it stands in the record for good.")
@click.argument("submission", type=shown)
def command(config: Path, as_json: bool, reason: str, submission: str) -> None:
    """Say that the office has answered SUBMISSION, by a way that the broker does not see.

    An answer that comes through the broker, in reply to it and into its sender's box, is seen by itself.
    Exit status 0 if an answer was watched for, 1 if not.
    """
    from config.bootstrap import open_store
    from config.settings import load

    with closing(open_store(load(config))) as store:
        done = store.watch.answered(SubmissionId(submission), reason)
    if as_json:
        say_json({"submission": submission, "answered": done})
    elif done:
        say(f"answered  {submission}")
    else:
        complain(f"no answer to {submission} is watched for")
    end(done)
