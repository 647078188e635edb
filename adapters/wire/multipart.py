"""A multipart body cut into its parts while it arrives, each part within a limit of its own (RFC 2046 §5.1.1).

Only where parts begin and end is found here, and what their heads say; what the parts mean is the matter of
`adapters/wire/mtom.py`.  Nothing is kept of what arrives but a part's head and the few octets that may begin a
boundary line.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from broker.errors import Malformed, Rejection, TooLarge

MOST_PARTS: Final = 64
LONGEST_HEAD: Final = 8_192  # bytes
LONGEST_ASIDE: Final = 8_192  # bytes before the first part, and after the last: they say nothing
_PADDING: Final = 200  # spaces at the end of a boundary line
# Lines that begin like a boundary and go on: RFC 2046 forbids them, some are forgiven, and each costs a look.
_MOST_ALIKE: Final = 1_000
_PIECE: Final = 65_536

_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_LINE_END: Final = re.compile(rb"--|[ \t]{0,%d}\r\n" % _PADDING)
_BEGUN: Final = re.compile(rb"-|[ \t]{0,%d}\r?" % _PADDING)
_FOLD: Final = re.compile(r"\r\n[ \t]+")
_BINARY: Final = frozenset({"binary", "8bit", "7bit", ""})

Room = Callable[[str], int]
"""How many bytes a part may have, by its Content-Transfer-Encoding: `base64`, or another that changes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part: what its head says, and where in the body its content stands."""

    identifier: str  # its Content-ID
    type: str  # its Content-Type
    encoding: str  # its Content-Transfer-Encoding: "base64" or one that changes nothing
    start: int
    end: int


class Multipart:
    """The parts of a body that is given piece by piece.

    What is wrong is told by `add` as soon as it can be known: Malformed (`soap.multipart`), TooLarge
    (`soap.part-too-large`, `soap.too-many-parts`).
    """

    def __init__(self, boundary: str, room: Room = lambda _encoding: sys.maxsize) -> None:
        """Begin; raise Malformed if there can be no such boundary."""
        if not _BOUNDARY.fullmatch(boundary):
            raise _broken("boundary")
        self._line = b"\r\n--" + boundary.encode()  # the line's end before it belongs to it, and is no content
        self._room = room
        self._kept = b"\r\n"  # octets not done with; before the first of the body, the line's end that it may lack
        self._at = -2  # where in the body they begin
        self._step: Callable[[], bool] = self._search
        self._head: tuple[str, str, str] | None = None  # of the part whose content is arriving
        self._from, self._most = 0, LONGEST_ASIDE  # where that began which is arriving, and how long it may become
        self._over: Rejection = _broken("preamble")  # what is said if it becomes longer
        self._alike = 0
        self._found: list[Part] = []

    def add(self, piece: bytes | memoryview) -> None:
        """Go on with the body."""
        self._kept += piece
        while self._step():
            pass

    def end(self) -> tuple[Part, ...]:
        """Return the parts, one or more; raise Malformed if the body has ended before they did."""
        if self._step != self._rest or not self._found:
            raise _broken("boundary")
        return tuple(self._found)

    # ── steps: each takes what it can of `_kept`, and tells whether the next may go on at once ───────────────

    def _search(self) -> bool:
        """Before the first part, and in the content of one: look for the next boundary line, and go past it."""
        found = self._kept.find(self._line)
        if found < 0:
            self._pass(len(self._kept) - len(self._line) + 1)
            return False
        self._pass(found)
        rest = self._kept[len(self._line) : len(self._line) + _PADDING + 2]
        ending = _LINE_END.match(rest)
        if ending is not None:
            self._close(last=ending[0] == b"--", line=len(self._line) + len(ending[0]))
        elif _BEGUN.fullmatch(rest):
            return False
        else:
            self._alike += 1
            if self._alike > _MOST_ALIKE:
                raise _broken("boundary")
            self._pass(2)
        return True

    def _close(self, *, last: bool, line: int) -> None:
        """At a boundary line that is so long: end the part that was open, if one was."""
        if self._head is not None:
            identifier, kind, encoding = self._head
            end = max(self._from, self._at)
            self._found.append(Part(identifier=identifier, type=kind, encoding=encoding, start=self._from, end=end))
        self._skip(line if last else line - 2)
        if last:
            self._from, self._most, self._over = self._at, LONGEST_ASIDE, _broken("epilogue")
        self._step = self._rest if last else self._begin

    def _begin(self) -> bool:
        """Read the head of a part, from the line's end before it to the empty line behind it."""
        end = self._kept.find(b"\r\n\r\n", 0, LONGEST_HEAD + 4)
        if end < 0:
            if len(self._kept) >= LONGEST_HEAD + 4:
                raise _broken("part")
            return False
        number = len(self._found) + 1
        if number > MOST_PARTS:
            raise TooLarge("soap.too-many-parts", facts={"limit": str(MOST_PARTS)})
        if self._kept.find(self._line, 0, end) >= 0:
            raise _broken("part")
        self._head = _read(self._kept[2:end])
        self._skip(end + 2)  # the line's end before the content may be that of a boundary line: then there is none
        self._from, self._most = self._at + 2, self._room(self._head[2])
        self._over = TooLarge("soap.part-too-large", place=f"part {number}", facts={"limit": str(self._most)})
        self._step = self._search
        return True

    def _rest(self) -> bool:
        """Step over what stands behind the last part."""
        self._pass(len(self._kept))
        return False

    def _pass(self, count: int) -> None:
        """Count octets to what is arriving."""
        self._skip(max(0, count))
        if self._at - self._from > self._most:
            raise self._over

    def _skip(self, count: int) -> None:
        self._at += count
        self._kept = self._kept[count:]


def cut(body: bytes, boundary: str) -> tuple[Part, ...]:
    """Return the parts of a body that is there; raise as `Multipart` does."""
    arrived, view = Multipart(boundary), memoryview(body)
    for start in range(0, len(body), _PIECE):
        arrived.add(view[start : start + _PIECE])
    return arrived.end()


def _read(octets: bytes) -> tuple[str, str, str]:
    """Return what a head says: Content-ID, Content-Type, Content-Transfer-Encoding; each "" if it is not there."""
    said: dict[str, str] = {}
    wanted = ("content-id", "content-type", "content-transfer-encoding")
    for line in _FOLD.sub(" ", octets.decode("latin-1")).split("\r\n") if octets else ():
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or (name in wanted and name in said):
            raise _broken("part")
        said[name] = value.strip()
    identifier, kind, encoding = (said.get(name, "") for name in wanted)
    encoding = encoding.lower()
    if encoding not in _BINARY and encoding != "base64":
        raise _broken("Content-Transfer-Encoding")
    return identifier.removeprefix("<").removesuffix(">"), kind, encoding


def _broken(place: str) -> Malformed:
    return Malformed("soap.multipart", place=place)
