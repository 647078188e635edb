"""`goniec validate`: whether documents are what the schemas of their forms say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from config.cli.offline import document, files, forms, found, jsonl, moment, octets
from config.cli.say import CANNOT_TELL, NO, YES, as_json, say, say_json, with_bar, worst


@click.command("validate")
@as_json
@jsonl
@forms
@files
def command(as_json: bool, jsonl: bool, folders: tuple[Path, ...], files: tuple[Path, ...]) -> None:
    """Check documents (or all files below a folder) against the schemas of their forms.

    The code of each is ok, malformed, too-large, unknown-form or invalid.  Exit status 0 if all are ok, 1 if any is
    not, 2 if a file cannot be read.
    """
    from broker.parse import Limits
    from broker.validate import Validate
    from config.sources import load_catalogue

    stage, now, limits = Validate(catalogue=load_catalogue(folders)), moment(None), Limits()
    answers, statuses = [], []
    for file in with_bar(found(files), "validating", quiet=as_json):
        payload = octets(file)
        if payload is None:
            statuses.append(CANNOT_TELL)
            continue
        answer = _answer(file, payload, lambda it, content: stage(document(it, content, now, limits)))
        status = YES if answer["code"] == "ok" else NO
        answers.append(answer)
        statuses.append(status)
        if jsonl:
            say_json(answer, line=True)
        elif not as_json:
            say(f"{answer['code']:12}  {file}", status)
            for flaw in answer["errors"]:
                say("  ".join(filter(None, [" " * 12, _where(flaw), flaw["message"]])))
    if as_json:
        say_json(answers)
    raise SystemExit(worst(statuses))


def _answer(file: Path, payload: bytes, check: Callable[[Path, bytes], object]) -> dict[str, Any]:
    """Return {"file", "code", "errors": [{"path", "line", "message"}]} for one file."""
    from broker.errors import Invalid, Malformed, Rejection, TooLarge, UnknownForm
    from broker.texts import explain

    codes = {Malformed: "malformed", TooLarge: "too-large", UnknownForm: "unknown-form", Invalid: "invalid"}
    try:
        check(file, payload)
    except Rejection as no:
        flaws = [asdict(flaw) for flaw in no.flaws]
        whole = {"path": no.place, "line": _line(no.place), "message": explain(no)}
        return {"file": str(file), "code": codes[type(no)], "errors": flaws or [whole]}
    return {"file": str(file), "code": "ok", "errors": []}


def _where(flaw: Mapping[str, Any]) -> str:
    """Return where a flaw is, as far as that is known; a place that begins with its line says it itself."""
    from broker.lines import line

    path: str = flaw["path"]
    return path if path.startswith("line ") or not flaw["line"] else f"line {line(flaw['line'])}  {path}"


def _line(place: str) -> int:
    """Return the line that a place names ("line 3, column 7"; of "65535+" the first), 0 if it names none."""
    words = place.replace(",", " ").split()
    return int(words[words.index("line") + 1].rstrip("+")) if "line" in words[:-1] else 0
