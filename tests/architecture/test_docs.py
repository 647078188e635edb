"""What the documents say is so: generated pages, links, commands with their options, codes, events of the log."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from broker.states import OUTCOMES
from broker.texts import TEXTS
from config.cli.main import goniec

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGES = ("broker", "adapters", "routing", "schemas", "config")

# Where a stage's name is put together with something, and what it can be put together with.
REFUSING = ("parse", "validate", "verify", "route", "admit", "intake")
PUT_TOGETHER = {
    "{no.stage}.refused": {f"{stage}.refused" for stage in REFUSING},
    "delivery.{outcome.event}": {f"delivery.{event}" for event in OUTCOMES},
}


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose_and_code(page: Path) -> Iterator[str]:
    """Every span of code and every line of a block of code."""
    inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("```"):
            inside = not inside
        elif inside:
            yield line.strip()
        else:
            yield from re.findall(r"`([^`]+)`", line)


# ── generated pages ──────────────────────────────────────────────────────────────────────────────────────


def test_pages_made_from_the_program_are_up_to_date():
    script = [sys.executable, str(ROOT / "scripts" / "reference"), "--check"]
    told = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.stdout == "", "run .venv/bin/python scripts/reference"
    assert told.returncode == 0, told.stderr


# ── links ────────────────────────────────────────────────────────────────────────────────────────────────


def local_links(page: Path) -> list[tuple[Path, str]]:
    """Every relative link of a page, as the file and the heading to which it leads; without a heading empty."""
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    local = [link.partition("#") for link in links if "://" not in link]
    return [((page.parent / file).resolve() if file else page, heading) for file, _, heading in local]


@cache
def headings(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    blocks = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", blocks, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_relative_link_leads_to_a_file_and_a_heading_of_it(page):
    links = local_links(page)
    assert [str(file) for file, _ in links if not file.exists()] == []
    assert [f"{file}#{it}" for file, it in links if it and file.suffix == ".md" and it not in headings(file)] == []


def test_every_page_stands_in_an_index():
    indexes = [ROOT / "docs" / "README.md", ROOT / "docs" / "decisions" / "README.md"]
    listed = {file for index in indexes for file, _ in local_links(index)}
    assert sorted(named(page) for page in {*(ROOT / "docs").rglob("*.md")} - listed - {*indexes}) == []


def test_every_page_can_be_reached_from_the_readme():
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix not in {".md", ""}:
            continue
        seen.add(page)
        if page.is_dir():
            todo += page.glob("*.md")
            continue
        todo += [file for file, _ in local_links(page)]
    assert sorted(named(page) for page in (ROOT / "docs").rglob("*.md") if page not in seen) == []


# ── commands ─────────────────────────────────────────────────────────────────────────────────────────────

CALL = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?goniec (?P<rest>.+)$")


def calls() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        if page.name == "cli.md":
            continue  # made from the commands
        for line in prose_and_code(page):
            match = CALL.match(line)
            if match:
                found.append((named(page), re.split(r"\s(?:#|\||>|2>|&)", match["rest"])[0]))
    return found


def unknown(rest: str) -> str:
    """What of a call the command line does not know; empty if it knows all of it."""
    command: click.Command = goniec
    context = click.Context(goniec)
    words = rest.split()
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        each = words.pop(0)
        below = command.get_command(context, each) if re.fullmatch(r"[a-z-]+", each) else None
        if below is None:
            return each
        command = below
    options = {"--help", *(name for one in command.params for name in (*one.opts, *one.secondary_opts))}
    given = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    return " ".join(word for word in given if word not in options)


@pytest.mark.parametrize(("page", "rest"), sorted(set(calls())))
def test_every_command_that_a_page_names_exists_with_its_options(page, rest):
    assert unknown(rest) == ""


def test_the_pages_name_every_command():
    told = {rest.split()[0] for _, rest in calls()}
    assert sorted(set(goniec.list_commands(click.Context(goniec))) - told) == []


# ── codes and events ─────────────────────────────────────────────────────────────────────────────────────

STAGES = sorted({code.partition(".")[0] for code in TEXTS})
CODE = re.compile(rf"(?:{'|'.join(STAGES)})\.[a-z0-9]+(?:-[a-z0-9]+)*")
FILES = {"md", "py", "xsd", "wsdl", "toml", "csv", "xml"}


def events() -> set[str]:
    """Every event that the source writes into the log."""
    found: set[str] = set()
    for file in (file for package in PACKAGES for file in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            speaker = node.func.value
            if not isinstance(speaker, ast.Name) or speaker.id not in {"log", "bound"}:
                continue
            if node.func.attr not in {"debug", "info", "warning", "error", "exception", "log"}:
                continue
            said = node.args[1 if node.func.attr == "log" else 0]
            if isinstance(said, ast.Constant):
                found.add(said.value)
            else:
                found |= PUT_TOGETHER[ast.unparse(said)[2:-1]]
    return found


def listed() -> set[str]:
    """Every event that the reference lists."""
    page = (ROOT / "docs" / "reference" / "log-events.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `([a-z.-]+)` \|", page.partition("## In the store")[0], re.MULTILINE))


def stored() -> set[str]:
    """Every event that is written into the store, as the reference lists it."""
    page = (ROOT / "docs" / "reference" / "log-events.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `([a-z.-]+)` \|", page.partition("## In the store")[2], re.MULTILINE))


def test_the_reference_lists_exactly_the_events_of_the_log():
    assert listed() == events()


def test_every_code_that_a_page_names_exists():
    told = events() | stored()
    wrong = {
        (named(page), word)
        for page in PAGES
        for word in prose_and_code(page)
        if CODE.fullmatch(word)
        and word not in TEXTS
        and word not in told
        and word.partition(".")[2] not in FILES
        and not (ROOT / word.replace(".", "/")).with_suffix(".py").exists()
        and not (ROOT / word.replace(".", "/")).is_dir()
    }
    assert wrong == set()
