"""A listening socket, as whoever takes connections asks for one.

Which one he gets is his surroundings' matter: one of his own, one that all workers of a machine share, or one that the
system opened before the process began.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final

from broker.errors import Unavailable

Listen = Callable[[str, int], socket.socket]
"""Return a socket that listens at this address and port, which is the caller's to close; raise Unavailable.

It does not block: whether it does is one for all who share it, and one who waits in `accept` for a connection that
another has taken would wait for the next.
"""

BACKLOG: Final = 1_024  # connections that wait to be taken


def resolved(host: str, port: int) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    """Return the family and the address that a name stands for; raise Unavailable."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror}") from error
    except UnicodeError as error:  # a label that is empty or too long for a name (RFC 1035 §2.3.4)
        raise Unavailable(f"cannot listen on {host}:{port}: no machine can have this name") from error
    return family, address


def opened(host: str, port: int) -> socket.socket:
    """Return a new listening socket; raise Unavailable."""
    family, address = resolved(host, port)
    listening = socket.socket(
        family, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # asyncio turns Nagle off where it sees TCP
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listening
