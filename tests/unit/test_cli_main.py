"""The command line's frame: every command is there, says what its group says, and help imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from config.cli.main import COMMANDS, goniec


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_there_and_bears_its_name(name):
    command = goniec.get_command(click.Context(goniec), name)
    assert command.name == name
    assert command.help


def test_help_imports_nothing_heavy():
    script = (
        "import sys\nfrom config.cli.main import goniec\n"
        "goniec(['--help'], standalone_mode=False)\n"
        "print([m for m in ('lxml', 'zeep', 'sqlalchemy', 'rich', 'pika', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
