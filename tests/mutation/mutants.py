"""What the mutants are: mutmut's own, written into a copy of the tree, each with its difference from the original.

mutmut leaves out what has a decorator.  Those that only wrap (`lru_cache`, `property`) are applied by an assignment
below the function instead, which means the same, so that no function of ours is left out.
"""

from __future__ import annotations

import difflib
import fnmatch
import textwrap
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import libcst as cst
from mutmut.mutation.diff_apply import find_top_level_function_or_method
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.utils.format_utils import get_mutant_name, mangled_name_from_mutant_name, parse_mutant_key

_KEPT = ("staticmethod", "classmethod")  # mutmut takes these as they are


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one function, as mutmut makes it."""

    name: str  # as the trampoline knows it
    file: str
    function: str  # with its class: `_Judge.path`
    was: str  # the changed lines, without their common indentation
    became: str

    @property
    def reached_as(self) -> str:
        """The name under which the trampoline records that a test got there."""
        return mangled_name_from_mutant_name(self.name)

    @property
    def change(self) -> tuple[str, str, str, str]:
        """What it is by the source, whatever else changed there since."""
        return self.file, self.function, self.was, self.became

    def fits(self, file: str, function: str) -> bool:
        """Whether this is in the file and in one of the functions that the patterns name."""
        return self.file == file and fnmatch.fnmatchcase(self.function, function)

    def __str__(self) -> str:
        changed = textwrap.indent(self.was, "    - ") + "\n" + textwrap.indent(self.became, "    + ")
        return f"{self.file} {self.function}\n{changed}"


class What(StrEnum):
    """What may become of a mutant."""

    KILLED = "killed"  # a test failed
    LOOPED = "looped"  # the tests did not come to an end: killed, too
    SURVIVED = "survived"
    UNREACHED = "unreached"  # no test calls the function


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a mutant, and the test that killed it."""

    mutant: Mutant
    what: What
    test: str = ""


def write(root: Path, file: str) -> list[Mutant]:
    """Put all mutants into the file of a copied tree; return them."""
    path = root / file
    mutated = mutate_file_contents(file, _undecorated(path.read_text(encoding="utf-8")))
    path.write_text(mutated.code, encoding="utf-8")
    module = cst.parse_module(mutated.code)
    originals: dict[str, list[str]] = {}
    mutants = []
    for name in mutated.mutant_names:
        key = mangled_name_from_mutant_name(name)
        if key not in originals:
            originals[key] = _lines(module, f"{key}__mutmut_orig")
        was, became = _difference(originals[key], _lines(module, name))
        function, owner = parse_mutant_key(key)
        of = f"{owner}.{function}" if owner else function
        full = get_mutant_name(Path(file), name)
        mutants.append(Mutant(full, file, of, was, became))
    return mutants


def _lines(module: cst.Module, name: str) -> list[str]:
    function = find_top_level_function_or_method(module, name)
    if function is None:
        raise LookupError(name)
    plain = function.with_changes(name=cst.Name("_"), leading_lines=())
    return module.code_for_node(plain).splitlines()


def _difference(original: list[str], mutant: list[str]) -> tuple[str, str]:
    changed = [line for line in difflib.ndiff(original, mutant) if line[0] in "-+"]
    parts = ("\n".join(line[2:] for line in changed if line[0] == sign) for sign in "-+")
    was, became = (textwrap.dedent(part) for part in parts)
    return was, became


def _undecorated(source: str) -> str:
    module = cst.parse_module(source)
    return module.visit(_Undecorate()).code


class _Undecorate(cst.CSTTransformer):
    def leave_FunctionDef(  # noqa: N802 (libcst's name)
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef | cst.FlattenSentinel[cst.BaseStatement]:
        wraps = [it.decorator for it in updated_node.decorators]
        if not wraps or any(isinstance(it, cst.Name) and it.value in _KEPT for it in wraps):
            return updated_node
        value: cst.BaseExpression = updated_node.name
        for wrap in reversed(wraps):
            value = cst.Call(func=wrap, args=[cst.Arg(value)])
        target = cst.AssignTarget(updated_node.name)
        after = cst.SimpleStatementLine([cst.Assign([target], value)])
        return cst.FlattenSentinel([updated_node.with_changes(decorators=()), after])
