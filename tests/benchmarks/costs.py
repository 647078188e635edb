"""What one document costs, as it was measured: the one place from which the simulation and the documents take it.

    python -m tests.benchmarks.scaling

prints the same figures of the machine that it runs on.  Those below are of two cores of a virtual machine (EPYC), on
22 November 2026, Python 3.11.7, PostgreSQL 15; see docs/explanation/scaling.md.  Seconds and octets.
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
    octet: float  # CPU of a node for each octet more: the slope between documents of 5 kB and of 30 MB
    handover: float  # CPU of a node for a delivery of a small document: likewise
    handover_octet: float  # and for each octet more
    later: float  # CPU of a node for saying "try later": what of a document is done before (SOAP, HTTP, find)
    transaction: float  # of the store, for a transaction with nothing in it: where a line meets groups of 1 to 32
    acceptance: float  # and for each acceptance in it: the line's slope
    acceptance_octet: float  # and for each octet of its content
    claim: float  # and for each claim, with what is read for it
    record: float  # and for each outcome
    flush: float  # that a transaction waits while the store works on others: wall less CPU of one with nothing in it
    batch: float  # of whoever chains the journal, for a batch
    token: float  # of a PKCS#11 token for a signature (SoftHSM, RSA-2048)

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
    document=8e-3,
    octet=12e-9,
    handover=2.9e-3,
    handover_octet=6e-9,
    later=1.5e-3,
    transaction=1.2e-3,
    acceptance=0.3e-3,
    acceptance_octet=4e-9,
    claim=0.3e-3,
    record=0.3e-3,
    flush=0.0,
    batch=30e-3,
    token=0.4e-3,
)
"""One file: whoever writes holds all of it until it is flushed, so `flush` is part of `transaction`."""

POSTGRES: Final = Costs(
    document=9e-3,
    octet=12e-9,
    handover=3.5e-3,
    handover_octet=6e-9,
    later=1.5e-3,
    transaction=0.5e-3,
    acceptance=1.0e-3,
    acceptance_octet=8e-9,
    claim=0.5e-3,
    record=0.4e-3,
    flush=2e-3,
    batch=30e-3,
    token=0.4e-3,
)
"""The store's figures are CPU of the server's processes: its cores are the lanes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What PostgreSQL writes and keeps for a document: octets."""

    report: int  # beside a document in `content`: its report, row and index
    proof: int  # of the tables that stay
    indexes: int  # of all indexes that stay
    log: int  # of its log for a small document's whole life, chained
    log_octet: float  # for each octet of the document
    events: float  # in the journal: accepted, claimed, acknowledged


KEPT: Final = Kept(report=3_000, proof=8_000, indexes=1_500, log=25_000, log_octet=1.1, events=3.0)
