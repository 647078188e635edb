"""Nobody takes another's share: connections, messages under way, and bytes, by address and by partner."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog.testing
from hypothesis import given
from hypothesis import strategies as st

from adapters.channels.soap.shares import Holder, Line, Lines, Memory, holder, place, sort_of
from adapters.testkit.box import Box, Submission
from adapters.testkit.certificates import Credential
from adapters.testkit.desk import Desk, always, receipt_for
from adapters.wire.notes import PER_MINUTE, Notes
from adapters.wire.soap import SOAP11
from broker.errors import Unavailable
from broker.model import Envelope, Receipt
from broker.parse import Limits
from broker.partner import Partners
from tests.partners import Cast, a_partner, signed
from tests.soap_serving import serving

PATIENCE = 30.0


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Cast:
    made = Cast(tmp_path_factory.mktemp("shares"))
    made.server()
    return made


@pytest.fixture(scope="module")
def portal(cast: Cast) -> Credential:
    return cast.client("portal")


@pytest.fixture(scope="module")
def notary(cast: Cast) -> Credential:
    return cast.client("notary")


@pytest.fixture
def desk() -> Desk:
    return Desk()


Serve = Callable[..., str]


@pytest.fixture
def serve(cast: Cast, desk: Desk, portal: Credential, notary: Credential) -> Iterator[Serve]:
    """Serves for portal, which may have two connections, and notary, which may have any number."""
    with ExitStack() as ends:

        def start(**settings: Any) -> str:
            partners = Partners([a_partner("portal", portal, connections=2), a_partner("notary", notary)])
            own = {
                "certificate": "server.pem",
                "proof": ["tls", "ws-security"],
                "folder": cast.folder,
                "partners": lambda: partners,
                "clock": lambda: datetime.now(UTC),
            }
            return ends.enter_context(serving(desk, **{**own, **settings}))

        yield start


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """Connections that are closed when the test ends."""
    opened: list[Any] = []
    yield opened
    for one in opened:
        one.close()


def dial(url: str, context: ssl.SSLContext | None = None, source: str = "127.0.0.1") -> socket.socket:
    parts = urlsplit(url)
    line = socket.create_connection((parts.hostname or "", parts.port or 0), PATIENCE, (source, 0))
    try:
        return line if context is None else context.wrap_socket(line, server_hostname="127.0.0.1")
    except BaseException:
        line.close()
        raise


def over(line: socket.socket, envelope: bytes) -> http.client.HTTPResponse:
    """Send a message over an open connection."""
    head = f"POST /skrytka HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: {len(envelope)}\r\n\r\n"
    with suppress(ConnectionError):
        line.sendall(head.encode() + envelope)
    response = http.client.HTTPResponse(line)
    response.begin()
    response.body = response.read()  # type: ignore[attr-defined]
    return response


def first_word(lines: list[socket.socket]) -> bytes:
    """How the first answer begins, whichever connection gets it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for line in lines:
            line.settimeout(0.05)
            with suppress(TimeoutError):
                return line.recv(12)
    raise AssertionError


def cut_off(line: socket.socket) -> bool:
    try:
        return line.recv(1) == b""
    except OSError:
        return True


def letter(sender: str) -> bytes:
    return Submission(sender=sender).envelope(SOAP11)


def gate(desk: Desk) -> tuple[Event, Callable[[int], None]]:
    """Hold every message at the desk until the event is set; the function waits until so many are there."""
    go_on = Event()

    def hold(envelope: Envelope) -> Receipt:
        assert go_on.wait(PATIENCE)
        return receipt_for(envelope)

    desk.answer = hold

    def arrived(count: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while len(desk.envelopes) < count:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return go_on, arrived


# ── partners ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_partner_over_its_connections_is_told_to_come_later_and_no_other_is(
    *, serve: Serve, cast: Cast, portal: Credential, notary: Credential, lines: list[Any]
) -> None:
    url = serve()
    for _ in range(2):
        lines.append(dial(url, cast.context(portal)))
        assert over(lines[-1], letter("portal")).status == 200
    lines.append(dial(url, cast.context(portal)))
    refused = http.client.HTTPResponse(lines[-1])
    refused.begin()
    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    assert cut_off(lines[-1])
    for _ in range(5):
        lines.append(dial(url, cast.context(notary)))
        assert over(lines[-1], letter("notary")).status == 200
    assert [over(line, letter("portal")).status for line in lines[:2]] == [200, 200]
    lines[0].close()
    deadline = time.monotonic() + PATIENCE
    while Box(url=url, tls=cast.context(portal)).submit(Submission(sender="portal")).status != 200:
        assert time.monotonic() < deadline


def test_a_partner_without_a_number_of_its_own_takes_a_quarter_of_the_places_and_no_other_is_kept_out(
    *, serve: Serve, cast: Cast, portal: Credential, notary: Credential, lines: list[Any]
) -> None:
    url = serve(connections=8)
    for _ in range(2):
        lines.append(dial(url, cast.context(notary)))
        assert over(lines[-1], letter("notary")).status == 200
    for _ in range(8):
        lines.append(dial(url, cast.context(notary)))
        refused = http.client.HTTPResponse(lines[-1])
        refused.begin()
        assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    assert Box(url=url, tls=cast.context(portal)).submit(Submission(sender="portal")).status == 200


def test_the_connections_of_a_partner_are_counted_together_whichever_certificate_it_shows(
    *, serve: Serve, cast: Cast, portal: Credential, lines: list[Any]
) -> None:
    renewed = cast.client("portal-renewed")
    partners = Partners([a_partner("portal", portal, renewed, connections=2)])
    url = serve(partners=lambda: partners)
    for credential, sent in ((portal, b""), (renewed, b""), (renewed, b"503"), (portal, b"503")):
        lines.append(dial(url, cast.context(credential)))
        if sent:
            assert lines[-1].recv(12)[-3:] == sent
        else:
            assert over(lines[-1], letter("portal")).status == 200
    signed_alone = dial(url, cast.context())
    lines.append(signed_alone)
    assert over(signed_alone, signed(letter("portal"), portal, datetime.now(UTC))).headers["Connection"] == "close"


def test_a_partner_known_by_its_signature_alone_has_the_same_share(
    *, serve: Serve, cast: Cast, desk: Desk, portal: Credential, notary: Credential
) -> None:
    url = serve()
    go_on, arrived = gate(desk)
    box = Box(url=url, tls=cast.context())

    def post(credential: Credential, sender: str) -> Any:
        return box.post(signed(letter(sender), credential, datetime.now(UTC)), "text/xml")

    with ThreadPoolExecutor(8) as pool:
        first = [pool.submit(post, portal, "portal") for _ in range(2)]
        arrived(2)
        reply = post(portal, "portal")
        assert (reply.status, reply.number(), reply.headers["retry-after"]) == (503, 900, "5")
        others = [pool.submit(post, notary, "notary") for _ in range(3)]
        arrived(5)
        go_on.set()
        assert {one.result().status for one in (*first, *others)} == {200}
    assert post(portal, "portal").status == 200


def test_the_connections_of_a_partner_known_by_its_signature_are_counted_once_it_is_known(
    *, serve: Serve, cast: Cast, portal: Credential, lines: list[Any]
) -> None:
    url = serve(connections_per_address=4)
    closes = []
    for _ in range(3):
        lines.append(dial(url, cast.context()))
        answer = over(lines[-1], signed(letter("portal"), portal, datetime.now(UTC)))
        assert answer.status == 200
        closes.append(answer.headers["Connection"] == "close")
    assert closes == [False, False, True]
    assert cut_off(lines[2])


# ── strangers ────────────────────────────────────────────────────────────────────────────────────────────


def test_one_address_has_its_share_until_it_is_proven_who_is_there(
    *, serve: Serve, cast: Cast, notary: Credential, lines: list[Any]
) -> None:
    url = serve(connections_per_address=3)
    for _ in range(3):
        lines.append(dial(url, cast.context(notary)))  # proven: not counted for the address
        assert over(lines[-1], letter("notary")).status == 200
    lines.extend(dial(url, cast.context()) for _ in range(3))
    with pytest.raises(OSError, match=r"reset|EOF|closed"):
        dial(url, cast.context()).close()
    lines.append(dial(url, cast.context(), source="127.0.0.2"))
    assert [over(line, letter("notary")).status for line in lines[:3]] == [200, 200, 200]


def test_when_all_places_are_taken_the_longest_unproven_gives_up_his(
    *, serve: Serve, cast: Cast, portal: Credential, lines: list[Any]
) -> None:
    url = serve(connections=5)
    proven = dial(url, cast.context(portal))
    lines.append(proven)
    assert over(proven, letter("portal")).status == 200
    for _ in range(4):
        lines.append(dial(url, cast.context()))
        lines[-1].sendall(b"POST /skrytka HTTP/1.1\r\n")
    for _ in range(3):
        assert Box(url=url, tls=cast.context(portal)).submit(Submission(sender="portal")).status == 200
    assert cut_off(lines[1])
    assert over(proven, letter("portal")).status == 200


def test_what_is_being_worked_on_is_not_given_up(
    *, serve: Serve, cast: Cast, desk: Desk, notary: Credential, portal: Credential, lines: list[Any]
) -> None:
    url = serve(connections=3)
    go_on, arrived = gate(desk)
    box = Box(url=url, tls=cast.context())
    with ThreadPoolExecutor(2) as pool:
        working = [
            pool.submit(box.post, signed(letter("notary"), notary, datetime.now(UTC)), "text/xml") for _ in range(2)
        ]
        arrived(2)
        lines.extend(dial(url, cast.context()) for _ in range(4))
        go_on.set()
        assert [one.result().status for one in working] == [200, 200]


def test_bytes_of_strangers_never_take_the_room_of_a_proven_partner(
    *, serve: Serve, cast: Cast, notary: Credential, lines: list[Any]
) -> None:
    """Two strangers would hold 760 kB of 1,000; they get 500 together, so one is asked to come later."""
    url = serve(buffered=1_000_000, limits=Limits(payload=100_000))
    head = b"POST /skrytka HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 390000\r\n\r\n"
    for source in ("127.0.0.2", "127.0.0.3"):
        lines.append(dial(url, cast.context(), source))
        lines[-1].sendall(head + b"x" * 380_000)
    assert first_word(lines) == b"HTTP/1.1 503"
    letter = Submission(sender="notary", document=b"y" * 90_000, headers=b"<!--" + b"z" * 180_000 + b"-->")
    assert Box(url=url, tls=cast.context(notary)).submit(letter).status == 200


def test_that_strangers_were_put_off_is_told_a_few_times_a_minute_and_of_partners_every_time(
    *, serve: Serve, cast: Cast, desk: Desk, notary: Credential, lines: list[Any]
) -> None:
    url = serve(buffered=1_000_000, limits=Limits(payload=100_000))
    stranger, known = Box(url=url, tls=cast.context()), Box(url=url, tls=cast.context(notary))
    large = Submission(sender="notary", document=b"y" * 50_000)
    desk.answer = always(Unavailable("the store is away"))
    deadline = time.monotonic() + PATIENCE
    while stranger.submit(large).status != 503:  # until all that is held has come; this one is told, too
        assert time.monotonic() < deadline
        lines.append(dial(url, cast.context()))
        with suppress(OSError):
            lines[-1].sendall(b"POST /skrytka HTTP/1.1\r\nHost: x\r\nContent-Length: 390000\r\n\r\n" + b"x" * 380_000)
    with structlog.testing.capture_logs() as logs:
        for number in range(PER_MINUTE + 5):
            assert stranger.submit(large).status == 503
            if number % 8 == 0:
                assert known.submit(large).status == 503
    told = [(one["reason"], one["partner"], one["counted"]) for one in logs if one["event"] == "soap.unavailable"]
    strangers = [counted for reason, partner, counted in told if not partner]
    assert strangers == sorted(strangers)
    assert len(strangers) == PER_MINUTE + 5
    assert 0 < strangers.count(False) < PER_MINUTE
    assert [one for one in told if one[1]] == [("the store is away", "notary", False)] * 4


# ── the counting itself ──────────────────────────────────────────────────────────────────────────────────

PLACES, HOLDERS = ("a", "b", "c"), ("p", "q")


@given(
    most=st.integers(1, 6),
    per_place=st.integers(1, 3),
    cap=st.integers(0, 2),
    alone=st.booleans(),
    steps=st.lists(st.tuples(st.sampled_from(["enter", "prove", "leave", "work"]), st.integers(0, 11))),
)
def test_no_script_of_connections_goes_over_a_cap_or_loses_count(
    *, most: int, per_place: int, cap: int, alone: bool, steps: list[tuple[str, int]]
) -> None:
    cut: set[int] = set()
    made = [Line(place=PLACES[i % 3], cut=lambda i=i: cut.add(i)) for i in range(12)]  # type: ignore[misc]
    lines = Lines(most, per_place, believed=False)
    inside: set[int] = set()
    part = cap or max(1, most * 3 // 4 if alone else most // 4)
    for step, i in steps:
        if step == "enter" and i not in inside and not made[i].holder:
            if lines.enter(made[i]):
                inside.add(i)
        elif step == "prove":
            lines.prove(made[i], Holder(name=HOLDERS[i % 2], connections=cap, alone=alone))
        elif step == "leave":
            lines.leave(made[i])
            inside.discard(i)
        elif step == "work":
            made[i].working = not made[i].working
        assert not any(made[i].working or made[i].holder for i in cut & inside)
        inside -= cut
        cut.clear()
        assert len(lines) == len(inside) <= most
        strangers = Counter(made[i].place for i in inside if not made[i].holder)
        holders = Counter(it.name for i in inside if (it := made[i].holder))
        assert all(count <= per_place for count in strangers.values())
        assert all(count <= part for count in holders.values())
        assert (dict(lines._places), dict(lines._held)) == (dict(strangers), dict(holders))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 400))), st.sampled_from([100, 300]))
def test_memory_is_never_promised_twice(wants: list[tuple[int, int]], one: int) -> None:
    memory = Memory(1_000, one, believed=False)
    lines = [Line(place=place, cut=list) for place in "abc"]
    lines.extend(Line(place="d", cut=list, holder=Holder(name=name)) for name in "apq")
    taken: list[tuple[Any, int]] = []
    held = Counter[Any]()
    for i, count in wants:
        with suppress(Unavailable):
            taken.append((memory.take(lines[i], count), count))
            held[taken[-1][0]] += count
    assert held.total() <= 1_000
    assert sum(held[False, place] for place in "abc") <= 500
    assert all(count <= max(250, one) for count in held.values())
    for whose, count in taken:
        memory.give(whose, count)
    assert not memory._held
    assert not memory._sums.total()


def refused(memory: Memory, line: Line, count: int) -> bool:
    try:
        memory.take(line, count)
    except Unavailable:
        return True
    return False


def test_one_partner_and_all_strangers_together_leave_a_quarter_to_the_others() -> None:
    town, portal = (Line(place="d", cut=list, holder=Holder(name=name)) for name in ("town", "portal"))
    memory = Memory(1_000, 100, believed=False)
    assert [refused(memory, town, 50) for _ in range(6)] == [False] * 5 + [True]
    assert [refused(memory, Line(place=place, cut=list), 250) for place in "abc"] == [False, False, True]
    assert [refused(memory, portal, 50) for _ in range(6)] == [False] * 5 + [True]


def test_who_is_alone_has_three_quarters_and_who_may_have_little_has_one_message() -> None:
    alone = Line(place="d", cut=list, holder=Holder(name="portal", alone=True))
    memory = Memory(1_000, 100, believed=False)
    assert [refused(memory, alone, 50) for _ in range(16)] == [False] * 15 + [True]
    small = Memory(1_000, 600, believed=False)
    town = Line(place="d", cut=list, holder=Holder(name="town"))
    assert [refused(small, town, 300) for _ in range(3)] == [False, False, True]


def test_where_senders_are_believed_only_the_total_counts() -> None:
    memory = Memory(1_000, 100, believed=True)
    assert [refused(memory, Line(place="a", cut=list), 250) for _ in range(5)] == [False] * 4 + [True]


def test_a_share_is_the_partners_or_that_of_all_who_have_the_certificate(
    portal: Credential, notary: Credential
) -> None:
    town, office = a_partner("town", portal, connections=2), a_partner("office", portal, connections=3)
    by_message = a_partner("shop")  # has no certificate to come by
    both = Partners([town, office, by_message])
    assert holder((town,), "k1", both) == holder((town,), "k2", both) == Holder(name="partner town", connections=2)
    assert holder((town, office), "k", both) == Holder(name="k", connections=5, alone=True)
    third = a_partner("notary", notary)
    assert holder((town, third), "k", Partners([town, office, third])) == Holder(name="k")
    assert holder((third,), "k", Partners([third, by_message])) == Holder(name="partner notary", alone=True)


@pytest.mark.parametrize(
    ("address", "counted_as", "said_as"),
    [
        ("127.0.0.1", "127.0.0.1", "loopback"),
        ("10.1.2.3", "10.1.2.3", "private"),
        ("8.8.8.8", "8.8.8.8", "public"),
        ("2a00:1450:4001:81b::200e", "2a00:1450:4001:81b::/64", "public"),
        ("2a00:1450:4001:81b:ffff::1", "2a00:1450:4001:81b::/64", "public"),
        ("::ffff:8.8.8.8", "8.8.8.8", "public"),
        ("::1", "::/64", "loopback"),
        ("fe80::1%eth0", "fe80::/64", "private"),
        ("?", "?", "unknown"),
    ],
)
def test_an_address_is_counted_by_its_network_and_named_by_its_sort(
    address: str, counted_as: str, said_as: str
) -> None:
    assert (place(address), sort_of(address)) == (counted_as, said_as)


def test_what_strangers_cause_is_told_a_few_times_a_minute_and_then_counted() -> None:
    now = [0.0]
    notes = Notes("boxes", lambda: now[0])
    assert [notes.may_say("knocks") for _ in range(PER_MINUTE + 7)] == [True] * PER_MINUTE + [False] * 7
    assert notes.may_say("rings")
    now[0] = 59.9
    assert notes.left_out() == {}
    now[0] = 60.0
    assert notes.left_out() == {"knocks": 7}
    assert notes.left_out() == {}
    assert notes.may_say("knocks")
