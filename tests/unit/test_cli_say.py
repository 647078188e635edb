"""What commands say is fit for a terminal, for a pipe and for a program, whoever wrote it."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import ConfigError, Rejection, Unavailable
from config import settings
from config.cli import say
from config.cli.main import COMMANDS, _Lazy, goniec
from config.cli.offline import written_moment
from tests.commands import run

EXAMPLE = Path(settings.__file__).parent / "example"
ANYTHING = st.text(st.characters(codec=None), max_size=60)


@given(ANYTHING)
def test_what_is_shown_is_one_line_that_moves_no_cursor_and_can_be_written(text):
    told = say.shown(text)
    assert len(told.splitlines()) <= 1
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", told)
    told.encode()


@given(st.dictionaries(ANYTHING, ANYTHING, max_size=3), st.booleans())
def test_json_says_the_same_value_and_moves_no_cursor(value, line):
    @click.command()
    def command():
        say.say_json(value, line=line)

    said = CliRunner().invoke(command).stdout
    assert json.loads(said) == value
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", said)
    assert said.count("\n") == 1 or not line


def test_a_table_in_a_pipe_has_one_line_a_row_and_is_never_cut():
    @click.command()
    def command():
        say.say_table(("a", "b"), [("[bold]x[/nonsense]", "y" * 500), ("two\nlines", "\x1b[2J")])

    head, first, second = CliRunner().invoke(command).stdout.splitlines()
    assert head.split() == ["a", "b"]
    assert first == f"[bold]x[/nonsense]  {'y' * 500}"
    assert second.split() == ["two\\u000alines", "\\u001b[2J"]


def test_a_table_without_rows_is_words_and_no_head_alone():
    @click.command()
    def command():
        say.say_table(("a", "b"), iter(()), none="nothing is there")
        say.say_table(("a", "b"), [])

    assert CliRunner().invoke(command).stdout == "nothing is there\nnone\n"


def test_a_long_table_is_said_while_it_is_read_with_one_head_and_nothing_cut(monkeypatch):
    monkeypatch.setattr(say, "_PAGE", 3)
    read = []

    def rows():
        for number in range(10):
            read.append((number, sys.stdout.getvalue().count("\n") if number else 0))
            yield "x" * number, "end"

    with redirect_stdout(StringIO()) as out:
        say.say_table(("a", "b"), rows())
    head, *lines = out.getvalue().splitlines()
    assert head.split() == ["a", "b"]
    assert [line.split() for line in lines] == [["x" * number, "end"] if number else ["end"] for number in range(10)]
    assert [said for _, said in read] == [0, 0, 0, 4, 4, 4, 7, 7, 7, 10]


@given(st.dictionaries(ANYTHING, ANYTHING | st.lists(st.dictionaries(ANYTHING, ANYTHING, max_size=2)), max_size=3))
def test_an_object_is_said_row_by_row_as_it_is_said_at_once(value):
    members = [(name, iter(it) if isinstance(it, list) else it) for name, it in value.items()]
    with redirect_stdout(StringIO()) as by_row:
        say.say_json_members(members or [("", 0)])
    with redirect_stdout(StringIO()) as at_once:
        say.say_json(value or {"": 0})
    assert by_row.getvalue() == at_once.getvalue()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["list"], "no submissions"),
        (["list", "--refusals"], "no refusals"),
        (["nodes"], "no node is known: no broker serves this store"),
        (["prune", "--dry-run"], "nothing would be removed"),
        (["quarantine"], "nothing waits for an operator"),
        (["reconcile", "--since", "2026-01-01"], "nothing was sent"),
    ],
)
def test_a_list_of_nothing_says_so_in_words(tmp_path, words, told):
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    assert run(*words, "-c", tmp_path / "goniec.toml").stdout == f"{told}\n"


@pytest.mark.parametrize(("statuses", "status"), [([0, 0], 0), ([0, 2], 2), ([0, 2, 1], 1), ([1, 0], 1), ([], 2)])
def test_no_outweighs_cannot_tell_which_outweighs_yes(statuses, status):
    assert say.worst(statuses) == status


def on_a_terminal(script: str, **environment: str) -> bytes:
    """Run Python with its standard output on a terminal; return all that came."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=its, stderr=its, env={**os.environ, "TERM": "xterm", **environment}
    )
    os.close(its)
    said = b""
    try:
        while piece := os.read(ours, 65536):
            said += piece
    except OSError:  # Linux's way to say that the other side has closed
        pass
    finally:
        os.close(ours)
    assert process.wait(60) == 0
    return said


COLOURED = "from config.cli import say; say.say('yes', say.YES)"
TABLE = "from config.cli import say; say.say_table(('a',), [('[/markup] \\x1b[2J',)])"
BARS = "from config.cli import say; print(*say.with_bar([1, 2, 3], 'counting', quiet={}), sep='-')"


def test_colour_is_for_terminals_and_can_be_declined():
    assert b"\x1b[32myes" in on_a_terminal(COLOURED)
    assert b"\x1b" not in on_a_terminal(COLOURED, NO_COLOR="1")
    piped = subprocess.run([sys.executable, "-c", COLOURED], capture_output=True, check=True)
    assert piped.stdout == b"yes\n"


def test_a_table_on_a_terminal_obeys_neither_markup_nor_controls_of_strangers():
    said = on_a_terminal(TABLE)
    assert b"[/markup] \\u001b[2J" in said
    assert b"\x1b[2J" not in said


@pytest.mark.parametrize(("quiet", "shown"), [(True, True), (False, False)])
def test_a_progress_bar_shows_on_a_terminal_unless_answers_are_written_there(quiet, shown):
    said = on_a_terminal(BARS.format(quiet))
    assert (b"counting" in said) == shown
    assert b"1-2-3" in said


def test_no_bar_goes_into_a_pipe():
    done = subprocess.run([sys.executable, "-c", BARS.format(True)], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"1-2-3\n", b"")


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (ConfigError(["one", "two"]), 2, "goniec: one\ngoniec: two\n"),
        (Unavailable("the store is away"), 2, "goniec: the store is away\n"),
        (Rejection("parse.dtd", place="line 1"), 1, "goniec: parse.dtd at line 1: "),
        (PermissionError(13, "Permission denied", "secret.xml"), 2, "goniec: secret.xml: Permission denied\n"),
        (OSError(98, "Address already in use"), 2, "goniec: Address already in use\n"),
        (KeyboardInterrupt(), 2, "goniec: interrupted\n"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_an_error_of_ours_becomes_words_and_a_status(error, status, words, monkeypatch):
    @click.command("failing")
    def failing():
        raise error

    monkeypatch.setattr(_Lazy, "get_command", lambda *_: failing)
    done = run("failing", status=status)
    assert done.stdout == ""
    assert done.stderr.startswith(words)


def test_a_bug_keeps_its_traceback(monkeypatch):
    @click.command("failing")
    def failing():
        raise ZeroDivisionError

    monkeypatch.setattr(_Lazy, "get_command", lambda *_: failing)
    with pytest.raises(ZeroDivisionError):
        run("failing")


@pytest.mark.parametrize(
    "words",
    [
        *([name] for name in COMMANDS if name not in {"receipt", "pki", "trust", "journal"}),
        ["receipt", "verify"],
        ["receipt", "bundle"],
        ["pki", "dev"],
        ["trust", "lists"],
        *(["journal", name] for name in ("verify", "export", "head", "check-proof")),
    ],
)
def test_every_command_takes_json_and_its_help_tells_its_statuses(words):
    told = " ".join(run(*words, "--help").stdout.split())
    assert "--json" in told
    assert "xit status" in told


@pytest.mark.parametrize("words", [["nonsense"], ["verify"], ["verify", "no-such-file"], ["list", "--most", "0"]])
def test_wrong_use_is_told_with_status_2(words):
    assert "Usage:" in run(*words, status=2).stderr


def test_a_moment_may_be_written_with_z_with_an_offset_or_as_a_day():
    same = {written_moment(text) for text in ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01")}
    assert len(same) == 1
    for wrong in ("yesterday", "", "0001-01-01T00:00:00+14:00"):
        with pytest.raises(click.BadParameter):
            written_moment(wrong)


def test_the_group_names_every_command():
    told = CliRunner().invoke(goniec, ["--help"]).stdout
    assert all(re.search(rf"^  {name} ", told, re.MULTILINE) for name in COMMANDS)
