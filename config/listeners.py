"""Listening sockets that outlive who listens on them: shared by workers, or handed over by the system.

Whoever asks gets a duplicate, so that he can close it and ask again.  A connection that nobody has taken yet waits in
the socket, not in a process: when one process goes and another comes, it is not lost.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Final, Self

from adapters.wire.listening import BACKLOG, opened, resolved

_FIRST: Final = 3  # the number of the first descriptor that is handed over: sd_listen_fds(3)

Address = tuple[str, int]


class Listeners:
    """The sockets of this process, by where they listen.

    Without `keep` only those are here that were handed over, and whoever asks for another gets one of his own.  With
    it, what is asked for stays open for the workers that will be forked.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self._keep = keep
        self._kept: dict[Address, socket.socket] = {}
        self._wanted: set[Address] = set()
        self._handed: frozenset[Address] = frozenset()

    @classmethod
    def handed_over(cls, environment: MutableMapping[str, str], *, keep: bool = False) -> Self:
        """Take the sockets that systemd has opened for this process (sd_listen_fds(3)), and the words about them."""
        made = cls(keep=keep)
        mine = environment.pop("LISTEN_PID", "") == str(os.getpid())
        number = environment.pop("LISTEN_FDS", "")
        environment.pop("LISTEN_FDNAMES", None)
        for descriptor in range(_FIRST, _FIRST + int(number)) if mine and number.isdigit() else ():
            os.set_inheritable(descriptor, False)
            taken = socket.socket(fileno=descriptor)
            taken.listen(BACKLOG)
            taken.setblocking(False)
            host, port = taken.getsockname()[:2]
            made._kept[host, port] = taken
        made._handed = frozenset(made._kept)
        return made

    def __call__(self, host: str, port: int) -> socket.socket:
        """Return a listening socket; raise Unavailable if there is none and none can be opened."""
        address = host, port  # as it was asked for: port 0 is any, but always the same
        if port and address not in self._kept:
            _, found = resolved(host, port)
            address = str(found[0]), port
        if address not in self._kept:
            new = opened(host, port)
            if not self._keep:
                return new
            self._kept[address] = new
        self._wanted.add(address)
        return self._kept[address].dup()

    @contextmanager
    def anew(self) -> Iterator[Collection[Address]]:
        """Yield what is asked for from here on, see `keep_only`; if that fails, all is again as it was before."""
        kept = set(self._kept)
        self._wanted = set()
        try:
            yield self._wanted
        except BaseException:
            self.keep_only(kept)
            raise

    def keep_only(self, wanted: Collection[Address]) -> None:
        """Close all others in this process.

        Those that were handed over stay: the system has them open, and gives no second one when they are wanted again.
        """
        for address in self._kept.keys() - set(wanted) - self._handed:
            self._kept.pop(address).close()

    def close(self) -> None:
        """Close all of them in this process; duplicates, and other processes', stay as they are."""
        while self._kept:
            _, one = self._kept.popitem()
            one.close()
