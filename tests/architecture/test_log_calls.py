"""What may be handed to the log: no exception's own words, but those of an exception that says what it is for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("broker", "routing", "schemas", "adapters", "config")
SPEAK = {"debug", "info", "warning", "error", "exception", "critical", "log"}
# The broker's own errors: their words are ours (broker/errors.py).
OURS = {
    "BrokerError", "Rejection", "Malformed", "TooLarge", "Unavailable", "NotYet", "Refused", "ConfigError",
    "_Contradicted",
}  # fmt: skip


def caught(tree: ast.AST) -> Iterator[tuple[str, bool, ast.ExceptHandler]]:
    """Every `except … as name`, and whether all that it catches is ours."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.name:
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            ours = all(
                isinstance(kind, ast.Name | ast.Attribute) and ast.unparse(kind).split(".")[-1] in OURS
                for kind in kinds
            )
            yield node.name, ours, node


def quotes(value: ast.expr, name: str) -> bool:
    """Whether an expression has the words of what the name stands for: `str(it)`, `f"{it}"`, `repr(it)`, `it.args`."""
    for node in ast.walk(value):
        match node:
            case ast.Call(func=ast.Name(id="str" | "repr" | "format"), args=[ast.Name(id=found)]) if found == name:
                return True
            case ast.FormattedValue(value=ast.Name(id=found)) if found == name:
                return True
            case ast.Attribute(value=ast.Name(id=found), attr="args") if found == name:
                return True
    return False


def said(tree: ast.AST) -> Iterator[str]:
    """Every call of the log that quotes an exception that may be anybody's."""
    for name, ours, handler in caught(tree):
        for call in (node for node in ast.walk(handler) if isinstance(node, ast.Call) and not ours):
            match call.func:
                case ast.Attribute(value=ast.Name(id="log" | "bound"), attr=attr) if attr in SPEAK:
                    if any(quotes(value, name) for value in (*call.args, *(it.value for it in call.keywords))):
                        yield ast.unparse(call)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_foreign_exceptions_words_go_into_the_log(package: str) -> None:
    found = {
        f"{file.relative_to(ROOT)}: {call}"
        for file in (ROOT / package).rglob("*.py")
        for call in said(ast.parse(file.read_text(encoding="utf-8")))
    }
    assert found == set()


@pytest.mark.parametrize(
    ("kind", "words", "found"),
    [
        ("Exception", "str(it)", 1),
        ("Exception", 'f"went wrong: {it}"', 1),
        ("(Unavailable, OSError)", "repr(it)", 1),
        ("Exception", "it.args", 1),
        ("errors.Unavailable", "str(it)", 0),
        ("(Unavailable, ConfigError)", "str(it)", 0),
        ("OSError", "it.strerror", 0),
        ("Exception", "type(it).__name__", 0),
    ],
)
def test_the_rule_finds_what_it_looks_for(kind: str, words: str, found: int) -> None:
    source = f"try:\n    f()\nexcept {kind} as it:\n    log.warning('a.b', reason={words})\n"
    assert len(list(said(ast.parse(source)))) == found
