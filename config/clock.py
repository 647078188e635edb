"""The one clock: everything that needs the moment is given this, or another in its place."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Return the moment, in UTC."""
    return datetime.now(UTC)
