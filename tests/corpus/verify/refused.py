"""Documents that must be refused, one line of the closed list each; the key is `<reason>--<what is wrong>`.

What they have in common is in `recipes.py`; the files beside this one fill the table, a family each.
"""

from __future__ import annotations

from tests.corpus.verify import chains, keys, mathematics, prefixes, properties, referring, spellings, structure
from tests.corpus.verify.chains import below, maze
from tests.corpus.verify.recipes import REFUSED

FAMILIES = (structure, referring, spellings, prefixes, mathematics, keys, properties, chains)

__all__ = ["FAMILIES", "REFUSED", "below", "maze"]
