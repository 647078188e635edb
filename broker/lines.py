"""The lines of a document, as far as libxml2 knows them: for places, and for the facts of texts."""

from __future__ import annotations

from typing import Final

_UNKNOWN: Final = 65_535
"""libxml2 has 16 bits for the line of a node; of those further down it gives that of some text nearby."""


def line(number: int | None) -> str:
    """Return a line as it is told: "12", or "65535+" for that one and all that are further down."""
    return f"{_UNKNOWN}+" if (number or 0) >= _UNKNOWN else str(number)
