"""Which rule of RFC 5280 §6 a path breaks: in a closed list of our own, out of what pyhanko-certvalidator says.

The library tells by sentences alone.  Each is pinned by a test, so that a new version of it that says it otherwise is
seen at once; until then what is not understood is called `other`, and is refused all the same.
"""

from __future__ import annotations

from typing import Final

OTHER: Final = "other"

_SAID: Final = (
    ("could not be verified", "signature"),
    ("do not match the constraints on the public key", "signature"),
    ("namespace of the issuing authority", "names"),
    ("set of policies", "policy"),
    ("policy graph", "policy"),
    ("is not a CA", "no-authority"),
    ("maximum path length", "too-long"),
    ("not allowed to sign certificates", "may-not-issue"),
    ("unsupported critical extension", "critical-extension"),
)

REASONS: Final = frozenset({OTHER, *(reason for _, reason in _SAID)})


def broken(said: str) -> str:
    """Return which rule is broken, one of `REASONS`."""
    return next((reason for words, reason in _SAID if words in said), OTHER)
