"""What adapters are given in tests: the surroundings that `config` gives them in a process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from adapters.wire.kind import Surroundings
from broker.evidence import UNSIGNED, to_json
from broker.model import DeliveryId, Parcel
from broker.parse import Limits
from tests.builders import NOON, a_receipt, a_submission

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"
_numbers = count(1)


def packaged(name: str) -> bytes:
    return (SCHEMAS / name).read_bytes()


def surroundings(folder: Path = Path("/nonexistent"), **about: Any) -> Surroundings:
    clock: Callable[[], datetime] = lambda: NOON  # noqa: E731
    return Surroundings(
        **{
            "name": "town-hall",
            "folder": folder,
            "clock": clock,
            "ids": lambda: f"id{next(_numbers):06}",
            "text": packaged,
            "limits": Limits(),
            **about,
        }
    )


def a_parcel(document: bytes = b"<letter/>", *, delivery: str = "", **about: Any) -> Parcel:
    """A parcel whose digest is true; `about` goes to the submission."""
    submission = a_submission(digest=hashlib.sha256(document).hexdigest(), size=len(document), **about)
    return Parcel(
        delivery=DeliveryId(delivery or f"d-{submission.id}"),
        submission=submission,
        document=document,
        receipt=a_receipt(submission),
        report=to_json(UNSIGNED),
    )
