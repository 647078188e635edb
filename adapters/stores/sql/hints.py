"""How nodes on one PostgreSQL wake each other: NOTIFY and LISTEN, on one connection that is kept for it.

A hint and no more: a node that hears nothing is late by its polling.  It is sent after the commit that made something
due, in a transaction of its own, because PostgreSQL takes one lock for all commits that notify and holds it over the
flush; so nobody who waits for a receipt waits for it.  Many announcements that come together are one.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from threading import Event
from typing import Any, Final

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from adapters.stores.sql.errors import unavailable

log = structlog.get_logger(__name__)

_CHANNEL: Final = "goniec_due"
_LOOK: Final = 0.5  # seconds after which it is looked whether to stop
_GAP: Final = 0.05  # seconds between two announcements
_AGAIN: Final = 2.0  # seconds before a connection that broke is made anew


class Hints:
    """One node's ear and voice; `engine` opens its connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._bell: socket.socket | None = None  # while somebody listens: what wakes that thread

    def announce(self) -> None:
        """Have the thread that listens tell the others; nothing if nobody listens."""
        bell = self._bell
        if bell is not None:
            with suppress(OSError):  # full: it has been rung and not yet heard; or closed just now
                bell.send(b"!")

    def listen(self, ring: Callable[[], None], stop: Event) -> None:
        """Call `ring` when another node announces something, until `stop` is set."""
        ours, bell = socket.socketpair()
        deaf = False
        with ours, bell:
            bell.setblocking(False)
            self._bell = bell
            try:
                while not stop.is_set():
                    try:
                        with closing(self._connect()) as connection:
                            if deaf:
                                log.info("nodes.hears-again")
                            deaf = False
                            ring()  # what was said while nobody listened
                            self._hear(connection, ours, ring, stop)
                    except (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error, OSError) as error:
                        if not deaf:
                            log.warning("nodes.deaf", reason=unavailable(error).reason)
                        deaf = True
                        stop.wait(_AGAIN)
                    except Exception:  # a bug here must not make the node deaf for ever
                        log.exception("nodes.bug")
                        deaf = True
                        stop.wait(_AGAIN)
            finally:
                self._bell = None

    def _connect(self) -> Any:
        """Return a connection of psycopg's that listens, and is nobody else's."""
        opened = self._engine.raw_connection()
        connection: Any = opened.driver_connection
        opened.detach()
        connection.autocommit = True
        # A hint is worth no flush: it need not outlive the server.
        connection.execute("SET synchronous_commit = off")
        connection.execute(f"LISTEN {_CHANNEL}")
        return connection

    @staticmethod
    def _hear(connection: Any, bell: socket.socket, ring: Callable[[], None], stop: Event) -> None:
        """Take turns: pass on what others say, and say what this node has to say."""
        ours, heard = connection.info.backend_pid, Event()
        connection.add_notify_handler(lambda said: heard.set() if said.pid != ours else None)
        with selectors.DefaultSelector() as either:  # not select(2): it knows no descriptor above 1023
            either.register(connection.fileno(), selectors.EVENT_READ)
            either.register(bell, selectors.EVENT_READ)
            while not stop.is_set():
                ready = [key.fileobj for key, _ in either.select(_LOOK)]
                if bell in ready:
                    bell.recv(4096)
                    connection.execute(f"NOTIFY {_CHANNEL}")
                    stop.wait(_GAP)
                elif ready:
                    connection.execute("SELECT 1")  # what has come is told with the answer to any statement
                if heard.is_set():
                    heard.clear()
                    ring()
