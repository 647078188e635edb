"""`goniec validate`: whether documents are what the schemas of their forms say."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from config.cli.offline import document, files, forms, found, jsonl, moment
from config.cli.say import as_json, end, say_json


@click.command("validate")
@as_json
@jsonl
@forms
@files
def command(as_json: bool, jsonl: bool, folders: tuple[Path, ...], files: tuple[Path, ...]) -> None:
    """Check documents (or all files of a folder) against the schemas of their forms.

    The code of each is ok, malformed, too-large, unknown-form or invalid.  Exit status 1 if any is not ok.
    """
    from broker.parse import Limits
    from broker.validate import Validate
    from config.sources import load_catalogue

    stage, now, limits = Validate(catalogue=load_catalogue(folders)), moment(None), Limits()
    answers = []
    for file in found(files):
        answer = _answer(file, lambda it: stage(document(it, now, limits)))
        answers.append(answer)
        if jsonl:
            say_json(answer, line=True)
        elif not as_json:
            click.echo(f"{answer['code']:12}  {file}")
            for flaw in answer["errors"]:
                click.echo(f"{'':14}line {flaw['line']}  {flaw['path']}  {flaw['message']}")
    if as_json:
        say_json(answers)
    end(all(answer["code"] == "ok" for answer in answers))


def _answer(file: Path, check: Any) -> dict[str, Any]:
    """Return {"file", "code", "errors": [{"path", "line", "message"}]} for one file."""
    from broker.errors import Invalid, Malformed, Rejection, TooLarge, UnknownForm
    from broker.texts import explain

    codes = {Malformed: "malformed", TooLarge: "too-large", UnknownForm: "unknown-form", Invalid: "invalid"}
    try:
        check(file)
    except Rejection as no:
        flaws = [asdict(flaw) for flaw in no.flaws]
        whole = {"path": no.place, "line": _line(no.place), "message": explain(no)}
        return {"file": str(file), "code": codes[type(no)], "errors": flaws or [whole]}
    return {"file": str(file), "code": "ok", "errors": []}


def _line(place: str) -> int:
    """Return the line that a place names ("line 3, column 7"), 0 if it names none."""
    words = place.replace(",", " ").split()
    return int(words[words.index("line") + 1]) if "line" in words[:-1] else 0
