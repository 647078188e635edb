"""The shape of one entry of the table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A code's number and its words: what happened, and what the sender can do about it."""

    number: int
    pl: str
    en: str
    hint_pl: str = ""
    hint_en: str = ""
