"""What one document costs, as it was measured: the one place from which the simulation and the documents take it.

    python -m tests.benchmarks.scaling

prints the same figures of the machine that it runs on.  Those below are of two cores of a virtual machine (EPYC) with
much other work on them (load 12 to 14), on 22 November 2026, Python 3.11.7, PostgreSQL 15: CPU times, not wall times,
wherever there is a choice.  See docs/explanation/scaling.md.  Seconds and octets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BATCH: Final = 500  # events that the journal chains at once: `[journal] most`
RESTS: Final = 10  # times as long as a batch took is it until the next: config/journal.py
WORKED: Final = 0.8  # of the time it does so: four seconds of every five, likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Of one node and one store."""

    document: float  # CPU of a node for a small document, all threads, from request to receipt: the process's own clock
    octet: float  # CPU of a node for each octet more: the slope between documents of 9 kB and of 5 MB
    handover: float  # CPU of a node for a delivery of a small document: likewise
    handover_octet: float  # and for each octet more
    later: float  # CPU of a node for saying "try later": SOAP, HTTP and find, of docs/reference/performance.md
    transaction: float  # of the store, for one with nothing in it: where the line through groups of 1 and 16 begins
    acceptance: float  # and for each acceptance in it: the line's slope
    acceptance_octet: float  # and for each octet of its content, the reading at the delivery included
    claim: float  # and for each claim, with what is read for it; on PostgreSQL 1.7 ms of it for 2,500 offices
    record: float  # and for each outcome
    flush: float  # that a transaction waits while the store works on others: a flush of 4 kB on the busy disk
    batch: float  # of whoever chains the journal, for a batch
    token: float  # of a PKCS#11 token for a signature: a receipt's time in SoftHSM less that by a file, RSA-2048

    def intake(self, octets: int) -> float:
        """Return a node's CPU time for a document until its receipt."""
        return self.document + self.octet * octets

    def delivery(self, octets: int) -> float:
        """Return a node's CPU time for handing it over."""
        return self.handover + self.handover_octet * octets

    def accept(self, octets: int) -> float:
        """Return what its acceptance adds to a transaction."""
        return self.acceptance + self.acceptance_octet * octets


SQLITE: Final = Costs(
    document=9.1e-3,
    octet=30e-9,
    handover=3.4e-3,
    handover_octet=16e-9,
    later=1.4e-3,
    transaction=1.1e-3,
    acceptance=0.2e-3,
    acceptance_octet=4e-9,
    claim=0.1e-3,
    record=0.05e-3,
    flush=0.0,
    batch=53e-3,
    token=3.5e-3,
)
"""One file: whoever writes holds all of it until it is flushed, so `flush` is part of `transaction`: wall times, of a
minute in which the machine had less to do.  `acceptance_octet` is that of a disk that writes 250 MB a second, assumed.
"""

POSTGRES: Final = Costs(
    document=8.6e-3,
    octet=30e-9,
    handover=4.4e-3,
    handover_octet=16e-9,
    later=1.4e-3,
    transaction=1.3e-3,
    acceptance=0.72e-3,
    acceptance_octet=46e-9,
    claim=2.4e-3,
    record=0.29e-3,
    flush=4e-3,
    batch=87e-3,
    token=3.5e-3,
)
"""The store's figures are CPU of the server's processes, reads included: its cores are the lanes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What PostgreSQL writes and keeps for a document: octets."""

    report: int  # beside a document in `content`: its report and the row; by the look of one, not measured
    proof: int  # of the tables that stay: the million's 4.3 kB, and a receipt of 5.8 kB instead of 0.6
    indexes: int  # of all indexes: the million's (docs/reference/performance.md)
    log: int  # of its log for a small document's whole life, in a store of 20,000 right after a checkpoint; 10 kB in none
    log_octet: float  # for each octet of the document: the slope between documents of 9 kB and of 5 MB
    events: float  # in the journal: accepted, claimed, acknowledged


KEPT: Final = Kept(report=3_000, proof=8_000, indexes=1_000, log=34_000, log_octet=1.08, events=3.0)
