"""The names that XML from outside brings along, and how to keep them from filling up a thread.

libxml2 never forgets a name (of an element, attribute, prefix or namespace) that a thread has met: it keeps them in
a dictionary of the thread, and once that is full (tried: after some 300 MB of names) the thread can read nothing
that has a new name, whoever sent it.  So a long text, and any that brings more new names than its thread has room
for, is parsed in a thread of its own, and the names die with that.  Honest forms share a few hundred names.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeVar

from lxml import etree

from broker.errors import Unavailable

Result = TypeVar("Result")

# A text over so many characters is not searched for names: the search would take longer than a thread's start.
_OWN_THREAD: Final = 256 * 1024
# Bytes of new names that a thread takes up before it parses strangers apart.
_ROOM_FOR_NAMES: Final = 4_000_000
# What libxml2 may take for a name, and somewhat more.  Every alternative starts at a sign that it cannot run over.
_NAMES: Final = re.compile(
    r"""\sxmlns[^\s=<>"']*+\s*+=\s*+(?:"[^"<]*+|'[^'<]*+)|<\??[^\s<>/"'=!?]++|\s[^\s<>/"'=]++\s*+="""
)
# Text that cannot hold a name, however broken the tags around it are: it would be read as one only inside a value that
# a quote ends.  Passing over it (Base64, mostly) saves most of the search.
_TEXT: Final = re.compile(r""">[^<>"']{32,}+<""")


class _Vocabulary(threading.local):
    """The names that this thread's libxml2 dictionary holds, and how many more bytes of them it may take."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.room = _ROOM_FOR_NAMES

    def has_room_for(self, text: str) -> bool:
        """Take up the names of the text and return True, or leave everything as it is and return False."""
        if len(text) > _OWN_THREAD:
            return False
        names = set(_NAMES.findall(_TEXT.sub("><", text))) - self.names
        needed = sum(64 + len(name) for name in names)
        if needed > self.room:
            return False
        self.room -= needed
        self.names |= names
        return True


VOCABULARY = _Vocabulary()


def over(root: etree._Element, size: int, work: Callable[[], Result]) -> Result:
    """Do work that copies a document of `size` octets, or parts of it: here if its names are welcome here, else apart.

    lxml's copies take the names into the dictionary of the thread that copies, wherever the document was parsed.
    """
    if size <= _OWN_THREAD and VOCABULARY.has_room_for(etree.tostring(root.getroottree(), encoding="unicode")):
        return work()
    return apart(work)


def apart(work: Callable[[], Result]) -> Result:
    """Do the work in a thread of its own, so that the names it meets die with that thread; return its result.

    A tree that it returns may be used by the caller's thread: it keeps its dictionary alive.
    """
    done: Future[Result] = Future()

    def do() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again by the caller, whatever it is
            done.set_exception(error)

    try:
        threading.Thread(target=do, name="parse-apart").start()
    except RuntimeError as error:
        raise Unavailable("no thread to parse in") from error
    return done.result()
