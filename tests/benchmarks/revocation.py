"""Intake's latency while a CA's responder hangs, against when it answers: measured in turns, in one broker.

    .venv/bin/python -m tests.benchmarks.revocation

Before each turn a document of a signer comes whom nobody knows, so that in every other turn somebody hangs on the
responder.  What is measured are documents of a known signer, one after the other; and how soon the unknown one is
told to try later.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from adapters.testkit.box import Reply, Submission
from adapters.testkit.certificates import QC_PERSON, Credential, statements_of
from adapters.testkit.pki import JAN, Pki
from adapters.testkit.responders import Manner, Revocation
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from config import clock
from config.demo.forms import Kind, form
from config.demo.offices import DemoOffice, offices
from config.demo.site import Site, free_port

WITHIN = 1.10
"""The ratio of the medians that is promised."""

WARMING = 30.0  # seconds until the responder must have been asked


@dataclass(slots=True)
class Latencies:
    """Seconds, while the responder answers and while it hangs: of accepted documents, and of strangers' answers."""

    answering: list[float] = field(default_factory=list)
    hanging: list[float] = field(default_factory=list)
    told_answering: list[float] = field(default_factory=list)
    told_hanging: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How much longer a document takes while it hangs: 1 is not at all."""
        return statistics.median(self.hanging) / statistics.median(self.answering)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signers:
    """Makes letters to an office, by people whose certificates name a CA's services."""

    pki: Pki
    service: Revocation
    office: DemoOffice

    def person(self) -> Credential:
        extras = [statements_of(QC_PERSON), *self.service.extras(crl=False)]
        return self.pki.personal(self.pki.qualified_ca, JAN, extras=extras)

    def letter(self, signer: Credential, number: int) -> bytes:
        return sign(form(Kind.LETTER_1410, self.office, number), signer, clock.now(), QUALIFIED)


def in_turns(signers: Signers, put: Callable[[bytes], Reply], *, turns: int, each: int) -> Latencies:
    """Measure `turns` of both kinds, of `each` documents."""
    known, found = signers.person(), Latencies()
    _warm(signers, put, known)
    numbers = iter(range(1, 10**9))
    for turn in range(2 * turns):
        hangs = turn % 2 == 1
        letters = [signers.letter(known, next(numbers)) for _ in range(each)]
        stranger = signers.letter(signers.person(), next(numbers))
        signers.service.ocsp.behave(Manner.HANG if hangs else Manner.GOOD)
        asked = signers.service.ocsp.requests
        (found.told_hanging if hangs else found.told_answering).extend(_timed(put, [stranger], 503))
        _wait(lambda before=asked: signers.service.ocsp.requests > before, "nobody asks the responder")
        (found.hanging if hangs else found.answering).extend(_timed(put, letters, 200))
    signers.service.ocsp.behave(Manner.GOOD)
    return found


def _warm(signers: Signers, put: Callable[[bytes], Reply], known: Credential) -> None:
    letter = signers.letter(known, 0)
    _wait(lambda: put(letter).status == 200, "the known signer is not accepted")


def _wait(done: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + WARMING
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(otherwise)
        time.sleep(0.01)


def _timed(put: Callable[[bytes], Reply], letters: Sequence[bytes], status: int) -> Iterator[float]:
    for letter in letters:
        begin = time.perf_counter()
        reply = put(letter)
        took = time.perf_counter() - begin
        if reply.status != status:
            raise ValueError(f"answered {reply.status}, not {status}")
        yield took


@contextmanager
def broker(folder: Path) -> Iterator[tuple[Signers, Callable[[bytes], Reply]]]:
    """Serve a broker whose citizens' CA can be told to hang."""
    pki, office = Pki(at=clock.now()), offices()[0]
    with ExitStack() as ends:
        service = ends.enter_context(Revocation(pki.qualified_ca, clock=clock.now, life=timedelta(hours=10)))
        site = Site(
            folder=folder,
            offices=[office],
            ways={office.id: {"kind": "directory", "folder": "out"}},
            pki=pki,
            port=free_port(),
            sections={"trust": {"revocation": "require", "hosts": service.hosts, "fetch_deadline": 5}},
        ).write()
        ends.enter_context(site.start())
        signers = Signers(pki=pki, service=service, office=office)
        yield signers, lambda letter: site.box.submit(Submission(document=letter, box=office.box))


def main() -> int:
    """Print both medians and their ratio; return 1 if it is more than promised."""
    with tempfile.TemporaryDirectory(prefix="goniec-revocation-") as folder, broker(Path(folder)) as (signers, put):
        found = in_turns(signers, put, turns=20, each=25)
    for what, times in (
        ("accepted, responder answers", found.answering),
        ("accepted, responder hangs", found.hanging),
        ("unknown signer told to try later, responder answers", found.told_answering),
        ("unknown signer told to try later, responder hangs", found.told_hanging),
    ):
        print(f"{what}: median {1000 * statistics.median(times):.1f} ms of {len(times)}")  # noqa: T201
    print(f"ratio while it hangs: {found.ratio:.3f} (promised: at most {WITHIN})")  # noqa: T201
    return 0 if found.ratio <= WITHIN else 1


if __name__ == "__main__":
    sys.exit(main())
