"""All hostile documents, by name."""

from __future__ import annotations

from tests.hostile.crafted_shapes import CRAFTED
from tests.hostile.shapes import SHAPES
from tests.hostile.signed_shapes import SIGNED

EVERY = {**SHAPES, **SIGNED, **CRAFTED}
