"""The shape of one entry of the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A code's number and its words: what happened, and what the sender can do about it.

    `words`, by the name of a fact, say what its values are called, in Polish and in English; others stand as they are.
    """

    number: int
    pl: str
    en: str
    hint_pl: str = ""
    hint_en: str = ""
    words: Mapping[str, Mapping[str, tuple[str, str]]] = field(default_factory=dict)
