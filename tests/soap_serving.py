"""A SOAP channel on a free loopback port, served in a thread for as long as a `with` lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

from adapters.channels.soap import KIND, SoapChannel, SoapSettings
from adapters.wire.kind import Surroundings
from adapters.wire.listening import Listen, opened
from broker.parse import Limits
from broker.partner import NOBODY, Partners
from broker.ports import Accept, Clock
from broker.reconcile import NO_INQUIRIES, Inquiries
from tests.builders import NOON

SCHEMAS = Path(__file__).parents[1] / "schemas"


def a_channel(
    *,
    limits: Limits | None = None,
    clock: Clock | None = None,
    folder: Path | None = None,
    partners: Callable[[], Partners] = lambda: NOBODY,
    seals: Callable[[], bytes] = lambda: b"",
    inquiries: Inquiries = NO_INQUIRIES,
    opening: Listen = opened,
    environment: str = "test",
    exposed: Callable[[Path], Sequence[str]] = lambda _file: (),
    **settings: Any,
) -> SoapChannel:
    ids = count()
    around = Surroundings(
        name="boxes",
        folder=folder or Path(),
        clock=clock or (lambda: NOON),
        ids=lambda: str(next(ids)),
        text=lambda path: (SCHEMAS / path).read_bytes(),
        limits=limits or Limits(),
        partners=partners,
        seals=seals,
        inquiries=inquiries,
        listen=opening,
        environment=environment,
        exposed=exposed,
    )
    channel = KIND.make(SoapSettings(**{"listen": "127.0.0.1:0", **settings}), around)
    assert isinstance(channel, SoapChannel)
    return channel


@contextmanager
def serving(accept: Accept, channel: SoapChannel | None = None, **about: Any) -> Iterator[str]:
    """Serve, and give the address of the box service."""
    channel = channel or a_channel(**about)
    host, port = channel.bind()
    scheme = "https" if channel._tls else "http"
    stop = Event()
    server = Thread(target=channel.serve, args=(accept, stop), name="soap")
    server.start()
    try:
        assert channel.ready.wait(30)
        yield f"{scheme}://{host}:{port}/skrytka"
    finally:
        stop.set()
        server.join(60)
    assert not server.is_alive()
