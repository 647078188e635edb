"""What a second opinion costs beside our own verification, both in one run and by turns.

.venv/bin/python -m tests.benchmarks.second_opinion [--rounds 200]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapters.testkit.pki import JAN, Pki
from adapters.testkit.signer import sign, sign_on_platform
from adapters.testkit.signing.recipe import QUALIFIED
from adapters.verifiers.signxml import Signxml
from broker.evidence import Level, Stance
from broker.model import Form, FormKey, Valid
from broker.parse import Limits, Parse
from broker.verify import Anchor, TrustSnapshot, Verify
from config.demo.forms import Kind, form
from config.demo.offices import offices
from tests.builders import an_envelope

A_FORM = Form(key=FormKey(name="f", version="1"), namespace="", root="", title_pl="", title_en="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """CPU milliseconds of all threads, the median of all rounds."""

    document: str
    octets: int
    ours: float
    second: float

    @property
    def ratio(self) -> float:
        return self.second / self.ours


def documents(pki: Pki, at: datetime, *, large: int = 31_000_000) -> Iterator[tuple[str, bytes, int]]:
    """Yield name, document, and by what to divide the number of rounds."""
    letter = form(Kind.LETTER_1410, offices()[0], 1, at=at)
    yield "a letter, qualified", sign(letter, pki.person, at, QUALIFIED), 1
    yield "a letter, podpis zaufany", sign_on_platform(letter, pki.platform, JAN, at), 1
    yield "28,000 elements", sign(b"<r>" + b"<a/>" * 28_000 + b"</r>", pki.person, at, QUALIFIED), 20
    text = b"QUJD" * (large // 4 - 10_000)
    yield f"{large // 1_000_000} MB of text", sign(b"<r>" + text + b"</r>", pki.person, at, QUALIFIED), 40


def measure(rounds: int, *, large: int = 31_000_000) -> Iterator[Line]:
    """Yield the table, line by line; every document is verified and agreed with."""
    at = datetime.now(UTC)
    pki = Pki(at=at)
    levels = {pki.qualified_ca: Level.QUALIFIED, pki.platform_ca: Level.TRUSTED_PROFILE}
    trust = TrustSnapshot(
        anchors=tuple(
            Anchor(
                certificate=it.credential.certificate,
                name=str(level),
                level=level,
                platform_seal=level is Level.TRUSTED_PROFILE,
            )
            for it, level in levels.items()
        )
    )
    verify, second = Verify(trust=lambda: trust), Signxml()
    for name, document, share in documents(pki, at, large=large):
        valid = Valid(document=Parse(limits=Limits())(an_envelope(document, received_at=at)), form=A_FORM)
        took: tuple[list[float], list[float]] = ([], [])
        for _ in range(max(rounds // share, 3)):
            report = _timed(took[0], verify, valid).report
            assert _timed(took[1], second, document, report.signatures).stance is Stance.AGREES
        ours, theirs = (statistics.median(it) * 1e3 for it in took)
        yield Line(document=name, octets=len(document), ours=ours, second=theirs)


def _timed(into: list[float], call: Callable[..., Any], *args: Any) -> Any:
    begun = time.process_time()  # of all threads: a long document is read in one of its own
    found = call(*args)
    into.append(time.process_time() - begun)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    head = "| document | kB | our own verification, CPU ms | second opinion, CPU ms | ratio |"
    sys.stdout.write(f"{head}\n|---|---|---|---|---|\n")
    for it in measure(parser.parse_args().rounds):
        sys.stdout.write(
            f"| {it.document} | {it.octets // 1000} | {it.ours:.2f} | {it.second:.2f} | {it.ratio:.1f} |\n"
        )


if __name__ == "__main__":
    main()
