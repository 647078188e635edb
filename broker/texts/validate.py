"""What stage validate says when it says no."""

from __future__ import annotations

from broker.texts.text import Text

TEXTS: dict[str, Text] = {}
