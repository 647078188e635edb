"""Hostile connections against the whole channel, over real TLS: what they cost, and that honest clients are served.

The server is a process of its own, so its memory is the channel's.  Times are told, not judged (machines differ);
what is judged is that everybody honest is served, that everything hostile is refused by its code or cut off, and
that memory stays under the ceiling of docs/explanation/limits.md.  `make hostile` runs the full size; `-s` shows
what was measured.
"""

from __future__ import annotations

import json
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from adapters.testkit.box import Box, Submission
from adapters.wire import mtom, soap
from adapters.wire.base64_text import encode
from adapters.wire.soap import SOAP11
from tests.hostile.attackers import Attack
from tests.hostile.firing import fire, message
from tests.hostile.measuring import spent
from tests.partners import Cast

ROOT = Path(__file__).parents[2]
CEILING = 1_200  # MB, of the channel with the default settings (docs/explanation/limits.md)
LETTER = Submission(sender="portal", document=b"<letter>" + b"x" * 2_000 + b"</letter>")
SIZES = [400, pytest.param(10_000, marks=pytest.mark.slow)]


@dataclass(frozen=True, kw_only=True)
class Served:
    """A channel in a process of its own, and how an honest partner reaches it."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path
    honest: ssl.SSLContext
    stranger: ssl.SSLContext
    scheme: str = "https"

    @property
    def box(self) -> Box:
        return Box(url=f"{self.scheme}://127.0.0.1:{self.port}/skrytka", tls=self.honest)

    @property
    def memory(self) -> int:
        """The most that was ever resident, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) // 1_000


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    with ExitStack() as ends:

        def start(**settings: object) -> Served:
            cast = Cast(tmp_path)
            cast.server()
            portal = cast.client("portal")
            (tmp_path / "portal.crt").write_bytes(portal.pem)
            command = [sys.executable, "-m", "tests.hostile.serving", str(tmp_path), json.dumps(settings)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
            ends.callback(process.communicate, timeout=120)  # closes its standard input, and waits
            assert process.stdout is not None
            served = Served(
                process=process,
                port=int(process.stdout.readline()),
                folder=tmp_path,
                honest=cast.context(portal),
                stranger=cast.context(),
                scheme="http" if "certificate" in settings else "https",
            )
            assert served.box.submit(LETTER).status == 200
            return served

        yield start


def told(**measured: object) -> None:
    print(" ".join(f"{name}={value}" for name, value in measured.items()))  # noqa: T201 - the report of the test


def latencies(served: Served, enough: Callable[[int], bool]) -> tuple[list[float], list[float]]:
    """Be an honest partner: return the seconds that each message took on a new connection, and on a kept one."""
    fresh, kept = [], []
    line = served.box.dial()
    envelope = LETTER.envelope(SOAP11)
    while not enough(len(fresh)):
        start = time.perf_counter()
        assert served.box.submit(LETTER).status == 200
        fresh.append(time.perf_counter() - start)
        start = time.perf_counter()
        line.request("POST", "/skrytka", envelope, {"Content-Type": "text/xml"})
        response = line.getresponse()
        response.read()
        assert response.status == 200
        kept.append(time.perf_counter() - start)
    line.close()
    return fresh, kept


def middle(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1_000


@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", SIZES)
def test_honest_clients_are_served_while_thousands_of_slow_connections_are_open(
    serve: Callable[..., Served], count: int
) -> None:
    served = serve(connections=min(1_000, count // 2), patience=5)
    before = latencies(served, lambda done: done >= 30)
    stop = Event()
    with (
        Attack(port=served.port, tls=served.stranger, count=count) as attack,
        ThreadPoolExecutor(1) as honest,
    ):
        during = honest.submit(latencies, served, lambda _done: stop.is_set())
        came = attack.all_came.wait(500)
        time.sleep(2)
        stop.set()
        while_attacked = during.result(60)
    assert came
    told(
        connections=count,
        refused=attack.refused,
        cut_off=sum(attack.cut.values()),
        served=len(while_attacked[0]) + len(while_attacked[1]),
        fresh_ms=f"{middle(before[0]):.1f}→{middle(while_attacked[0]):.1f}",
        kept_ms=f"{middle(before[1]):.1f}→{middle(while_attacked[1]):.1f}",
        ratio=f"{middle(while_attacked[1]) / middle(before[1]):.1f}",
        slowest_ms=f"{max(*while_attacked[0], *while_attacked[1]) * 1_000:.0f}",
        memory_mb=served.memory,
    )
    assert len(while_attacked[0]) >= 10
    assert served.memory < CEILING
    assert served.box.submit(LETTER).status == 200


# ── one request that is too much ─────────────────────────────────────────────────────────────────────────

Pieces = Iterable[bytes]


def endless(total: int) -> Pieces:
    """A body of so many bytes, announced."""
    yield b"POST /skrytka HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % total
    for _ in range(total // 1_000_000):
        yield b"x" * 1_000_000


def endless_chunks(total: int) -> Pieces:
    """A body of so many bytes that nobody announced."""
    yield b"POST /skrytka HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
    for _ in range(total // 1_000_000):
        yield b"f4240\r\n" + b"<x:Body>" + b"x" * 999_992 + b"\r\n"
    yield b"0\r\n\r\n"


def many_fields(count: int) -> Pieces:
    """A head of so many fields."""
    yield b"POST /skrytka HTTP/1.1\r\nHost: x\r\n"
    for at in range(0, count, 1_000):
        yield b"".join(b"X-%d: y\r\n" % number for number in range(at, at + 1_000))
    yield b"\r\n"


def many_parts(count: int) -> Pieces:
    kind, body = mtom.pack(SOAP11, LETTER.envelope(SOAP11), {f"p{number}": b"x" for number in range(count)})
    return message(kind, body)


def long_part_head() -> Pieces:
    kind, body = LETTER.package(SOAP11)
    return message(
        kind, body.replace(b"Content-ID: <document", b"X: " + b"y" * 20_000_000 + b"\r\nContent-ID: <document")
    )


def not_base64(size: int) -> Pieces:
    """As much Base64 as a message may hold, with one character at its end that is none."""
    return message("text/xml", soap.write(SOAP11, LETTER.body(b"QUJD" * (size // 4) + b"*"), LETTER.header_blocks()))


def base64_of_base64(size: int) -> Pieces:
    """DaneDodatkowe that unpacks into far more than it may."""
    extras = b"<DaneDodatkowe>" + b"<a/>" * (size // 4) + b"</DaneDodatkowe>"
    return message("text/xml", Submission(sender="portal", extras=extras).envelope(SOAP11))


def inlined(size: int, count: int = 2) -> Pieces:
    """`nadajAny` whose parts, so large together, grow by a third when they are put into the XML."""
    include = b'<f><x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:%d"/></f>'
    document = b"<a>" + b"".join(include % number for number in range(count)) + b"</a>"
    submission = Submission(sender="portal", any=True, document=document)
    parts = {str(number): b"x" * (size // count) for number in range(count)}
    return message(*mtom.pack(SOAP11, submission.envelope(SOAP11), parts))


def again_and_again(times: int) -> Pieces:
    """`nadajAny` that includes one part so often: it would be a thousand times as large as it came."""
    include = b'<f><x:Include href="cid:p"/></f>' * times
    document = b'<a xmlns:x="http://www.w3.org/2004/08/xop/include">' + include + b"</a>"
    submission = Submission(sender="portal", any=True, document=document)
    return message(*mtom.pack(SOAP11, submission.envelope(SOAP11), {"p": b"x" * 30_000_000}))


def endless_part(total: int) -> Pieces:
    """One part of so many bytes, in a body that nobody announced the length of."""
    kind, body = LETTER.package(SOAP11)
    begun = body[: body.rindex(b"<letter>")]
    yield (
        f"POST /skrytka HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        + b"%x\r\n%s\r\n" % (len(begun), begun)
    )
    for _ in range(total // 1_000_000):
        yield b"f4240\r\n" + b"x" * 1_000_000 + b"\r\n"


def endless_extension(total: int) -> Pieces:
    """A chunk whose size is followed by so many bytes that say nothing."""
    yield b"POST /skrytka HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n1;"
    for _ in range(total // 1_000_000):
        yield b"x" * 1_000_000


def large_header(size: int) -> Pieces:
    """An envelope whose Header is as large as a document may be."""
    block = b'<x:X xmlns:x="urn:x">' + b"y" * size + b"</x:X>"
    return message("text/xml", Submission(sender="portal", headers=block).envelope(SOAP11))


def base64_part(size: int) -> Pieces:
    """An MTOM part that is itself in Base64, of something in Base64."""
    kind, body = LETTER.package(SOAP11)
    head, mark, _ = body.rpartition(b"\r\n\r\n<letter>")
    head = head.replace(
        b"Transfer-Encoding: binary\r\nContent-ID: <document", b"Transfer-Encoding: base64\r\nContent-ID: <document"
    )
    assert mark
    boundary = body[: body.index(b"\r\n")]
    return message(kind, head + b"\r\n\r\n" + encode(encode(b"x" * size)) + b"\r\n" + boundary + b"--\r\n")


BOMBS: dict[str, tuple[Callable[[], Pieces], set[str]]] = {
    # what → its bytes, and what the sender may be told: a code, or an HTTP status where there is no SOAP yet
    "a body of 1 GB, announced": (partial(endless, 10**9), {"soap.too-large"}),
    "a body of 1 GB, in chunks": (partial(endless_chunks, 10**9), {"soap.too-large"}),
    "a chunk's extension of 1 GB": (partial(endless_extension, 10**9), {"soap.http"}),
    "a part of 1 GB": (partial(endless_part, 10**9), {"soap.part-too-large"}),
    "a million header fields": (partial(many_fields, 10**6), {"soap.http"}),
    "more header fields than may be": (partial(many_fields, 1_000), {"soap.fields"}),
    "ten thousand parts": (partial(many_parts, 10_000), {"soap.too-many-parts"}),
    "the head of a part without end": (long_part_head, {"soap.multipart"}),
    "Base64 that is none, 40 MB": (partial(not_base64, 40_000_000), {"soap.base64"}),
    "extras that unpack to 180 kB": (partial(base64_of_base64, 180_000), {"parse.too-large"}),
    "a Header of 40 MB": (partial(large_header, 40_000_000), {"soap.header-too-large"}),
    "a part that is included 10,000 times": (partial(again_and_again, 10_000), {"soap.part"}),
    "parts that grow in the XML": (partial(inlined, 42_000_000), {"200"}),
    "Base64 in Base64": (partial(base64_part, 24_000_000), {"200"}),
}


@pytest.mark.timeout(300)
def test_what_is_too_much_is_refused_by_its_code_within_the_ceiling(serve: Callable[..., Served]) -> None:
    """One after the other, alone and while an honest partner sends; a refusal before the end may reach a sender as a cut."""
    served = serve()
    for what, (pieces, _) in BOMBS.items():
        ready, before = list(pieces()) if "GB" not in what else pieces(), spent(served.process.pid)
        shot = fire(served.box, ready)
        told(alone=repr(what), **shot.told, cpu_ms=f"{(spent(served.process.pid) - before) * 1e3:.0f}")
    stop = Event()
    answers = {}
    with ThreadPoolExecutor(1) as honest:
        during = honest.submit(latencies, served, lambda _done: stop.is_set())
        for what, (pieces, _) in BOMBS.items():
            shot = fire(served.box, pieces())
            answers[what] = shot.answer
            told(what=repr(what), **shot.told, memory_mb=served.memory)
        stop.set()
        fresh, kept = during.result(60)
    told(served=len(fresh) + len(kept), slowest_ms=f"{max(*fresh, *kept) * 1_000:.0f}")
    early = {what for what in BOMBS if "1 GB" in what} | {"a million header fields"}
    for what, answer in answers.items():
        assert answer in BOMBS[what][1] | ({"cut off"} if what in early else set()), what
    assert served.memory < CEILING


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_memory_stays_under_its_ceiling_when_many_send_the_most_at_once(serve: Callable[..., Served]) -> None:
    """Sixteen messages that cost the most; who is asked to come later comes later."""
    served = serve()
    body = b"".join(inlined(43_000_000))

    def insist(_: int) -> str:
        while (answer := fire(served.box, [body]).answer) in {"503", "900", "cut off"}:
            time.sleep(0.5)
        return answer

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(insist, range(16)))
    told(memory_mb=served.memory)
    assert set(answers) == {"200"}
    assert served.memory < CEILING


@pytest.mark.slow
def test_what_tls_costs(serve: Callable[..., Served]) -> None:
    """Messages a second on one kept connection, and on new ones, over TLS and plain."""
    rates = {}
    for name, settings in {"tls": {}, "plain": {"certificate": None, "proof": []}}.items():
        fresh, kept = latencies(serve(**settings), lambda done: done >= 300)
        rates[name] = 1 / statistics.mean(fresh), 1 / statistics.mean(kept)
    told(
        kept_per_second={name: round(kept) for name, (_, kept) in rates.items()},
        new_per_second={name: round(fresh) for name, (fresh, _) in rates.items()},
        kept_ratio=f"{rates['tls'][1] / rates['plain'][1]:.2f}",
        new_ratio=f"{rates['tls'][0] / rates['plain'][0]:.2f}",
    )
    assert min(min(pair) for pair in rates.values()) > 0
