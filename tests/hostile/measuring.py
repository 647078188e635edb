"""What a document costs the stages: CPU time and memory, each time in a process of its own.

A process that has compiled the forms and read the trust forks for every document, so that nothing is remembered of
the one before, and what was used is the document's alone.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

from broker.errors import Rejection, Unavailable
from broker.model import Address
from tests.builders import an_envelope
from tests.corpus.world import AT, World

BOX = "/corpus/any"
STAGES = ("parse", "validate", "verify", "route", "admit")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one document: milliseconds of CPU in each stage, and MB of memory beyond what the process had."""

    code: str  # "" if it went through
    stages: dict[str, float]
    memory: float
    answer: int  # octets of what is said to the sender

    @property
    def cpu(self) -> float:
        return sum(self.stages.values())


def cost(world: World, document: bytes, times: int = 3) -> Cost:
    """Return the least of so many tries."""
    gc.collect()
    gc.freeze()  # or the first full collection in a child would copy everything that it shares with its parent
    return min((_once(world, document) for _ in range(times)), key=lambda it: it.cpu)


def _once(world: World, document: bytes) -> Cost:
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(there, json.dumps(_measured(world, document)).encode())
        finally:
            os._exit(0)
    os.close(there)
    with os.fdopen(here, "rb") as pipe:
        found = json.loads(pipe.read())
    os.waitpid(child, 0)
    return Cost(**found)


def _measured(world: World, document: bytes) -> dict[str, object]:
    intake = world.broker.intake
    value: object = an_envelope(document, received_at=AT, to=Address(box=BOX))
    before = _resident()
    stages: dict[str, float] = {}
    code, answer = "", 0
    for name in STAGES:
        start = time.process_time()
        try:
            value = getattr(intake, name)(value)
        except Rejection as no:
            code = no.code
            answer = len(no.place) + sum(map(len, no.facts.values())) + sum(len(it.message) for it in no.flaws)
        except Unavailable:
            code = "unavailable"
        stages[name] = round((time.process_time() - start) * 1e3, 1)
        if code:
            break
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"code": code, "stages": stages, "memory": round(most - before, 1), "answer": answer}


def spent(pid: int) -> float:
    """Return the seconds of CPU that a process has used so far; they are counted in hundredths (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
