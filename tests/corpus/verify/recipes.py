"""Documents that must be refused: how one is described, and the table that all of them are entered in.

The mathematics of each is right as far as that can be: only the badness in its name is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from adapters.testkit.certificates import Credential
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import EXCLUSIVE, QUALIFIED, Recipe
from adapters.testkit.signing.template import reference
from tests.corpus.verify.scene import AT, FORM, PKI

Maker = Callable[[], bytes]
REFUSED: dict[str, tuple[str, Maker]] = {}
"""By the name of the document: the code it must give, and its maker."""


FAMILY: dict[str, str] = {}
"""By the name of the document: which family it belongs to."""


@dataclass(frozen=True, slots=True)
class Family:
    """What enters documents into the table under the name of a family."""

    name: str

    def __call__(self, code: str, maker: Maker, why: str) -> None:
        """Enter one: the reason without its stage, how it is made, and what is wrong with it in a few words."""
        name = f"{code}--{why}"
        assert name not in REFUSED, name
        REFUSED[name] = (f"verify.{code}", maker)
        FAMILY[name] = self.name


def signed(recipe: Recipe = QUALIFIED, form: bytes = FORM, by: Credential = PKI.person, **changes: object) -> bytes:
    if len(by.chain) <= 1:  # the anchor itself need not be shown: half the size of a document that is kept
        changes = {"certificates": "own", **changes}
    return sign(form, by, AT, recipe, **changes)


def rewritten(old: str, new: str, recipe: Recipe = QUALIFIED, **changes: object) -> Maker:
    """Change the signature before it is computed: a regular expression and what it becomes, once."""

    def rewrite(text: str) -> str:
        changed, times = re.subn(old, new, text, count=1, flags=re.DOTALL)
        assert times, old
        return changed

    return partial(signed, recipe, rewrite=rewrite, **changes)


def edited(old: str, new: str, recipe: Recipe = QUALIFIED, **changes: object) -> Maker:
    """Change the document after it was signed."""

    def edit() -> bytes:
        changed, times = re.subn(old, new, signed(recipe, **changes).decode(), count=1, flags=re.DOTALL)
        assert times, old
        return changed.encode()

    return edit


def doubled(pattern: str, recipe: Recipe = QUALIFIED) -> Maker:
    return rewritten(f"({pattern})", r"\1\1", recipe)


def also(uri: str, transforms: tuple[str, ...] = (EXCLUSIVE,)) -> Maker:
    return partial(signed, extra_references=(reference(uri, transforms, "sha256"),))


def transform(uri: str, content: str = "") -> Maker:
    """One more transform before the others, of the Reference to the form."""
    added = f'<ds:Transforms><ds:Transform Algorithm="{uri}">{content}</ds:Transform>'
    return rewritten("<ds:Transforms>", added)
