"""The classes of asn1crypto, made ready before there are threads.

asn1crypto completes a class when the first value of it is made, and while one thread is at it the class lacks half of
its fields for all others: they would take a sound certificate for one that cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator

from asn1crypto import core


def make_ready() -> None:
    """Make a value of every class that is loaded; `Choice` alone is no class of values."""
    for kind in _below(core.Asn1Value):
        if kind is not core.Choice:
            kind()


def _below(kind: type) -> Iterator[type]:
    one: type
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)
