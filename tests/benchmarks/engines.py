"""An engine that nobody else uses, and what it takes: CPU of all its processes, its log, its tables."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.benchmarks import machine

Octets = dict[str, tuple[int, int]]
"""By table: its own octets, and those of its indexes."""

SCRIPT: Final = Path(__file__).resolve().parents[2] / "scripts" / "engines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A PostgreSQL or a RabbitMQ of one's own."""

    url: str
    pid: int

    @property
    def cpu(self) -> float:
        """The seconds of CPU time that it has taken so far, in all its processes."""
        return machine.cpu_of(self.pid)


@contextmanager
def private(name: str) -> Iterator[Engine]:
    """Start `postgres` or `rabbitmq` on a free port of loopback, and throw it away afterwards."""
    with tempfile.TemporaryDirectory(prefix="goniec-scaling-") as folder:
        words = [sys.executable, str(SCRIPT)]
        try:
            subprocess.run([*words, "up", "--dir", folder, "--only", name], check=True, stdout=subprocess.DEVNULL)
            state = json.loads((Path(folder) / "state.json").read_text(encoding="utf-8"))
            [line] = (Path(folder) / "env").read_text(encoding="utf-8").splitlines()
            yield Engine(url=line.partition("=")[2], pid=state["processes"][name]["pid"])
        finally:
            subprocess.run([*words, "down", "--dir", folder], check=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a database has taken so far: seconds of the server's CPU, octets of log (WAL), transactions."""

    cpu: float
    log: int
    transactions: int

    def since(self, before: Taken, number: int) -> Taken:
        """Return what each of `number` documents took since then; transactions in thousandths."""
        return Taken(
            cpu=(self.cpu - before.cpu) / number,
            log=(self.log - before.log) // number,
            transactions=1000 * (self.transactions - before.transactions) // number,
        )


class Database:
    """A new database of a PostgreSQL."""

    def __init__(self, server: Engine, name: str) -> None:
        self._server = server
        _ask(server.url, f"CREATE DATABASE {name}")
        self.url = f"{server.url.rpartition('/')[0]}/{name}"

    def cpu(self) -> float:
        """Return the seconds of CPU time that its server has taken so far."""
        return self._server.cpu

    def taken(self) -> Taken:
        """Read the counts.  What a session has done is seen a moment later: wait for it before and after."""
        asked = "SELECT pg_stat_clear_snapshot(), xact_commit FROM pg_stat_database WHERE datname = current_database()"
        log = "SELECT pg_current_wal_insert_lsn() - '0/0'"
        return Taken(cpu=self._server.cpu, log=int(_ask(self.url, log)[0]), transactions=int(_ask(self.url, asked)[1]))

    def octets(self) -> Octets:
        """Return the octets of each table, with its partitions, and of its indexes."""
        asked = """
            SELECT coalesce(parent.relname, one.relname), sum(pg_table_size(one.oid)), sum(pg_indexes_size(one.oid))
            FROM pg_class one LEFT JOIN pg_inherits ON inhrelid = one.oid LEFT JOIN pg_class parent ON parent.oid = inhparent
            WHERE one.relkind = 'r' AND one.relnamespace = 'public'::regnamespace GROUP BY 1
        """
        with psycopg.connect(self.url.replace("+psycopg", "")) as connection:
            return {name: (int(table), int(indexes)) for name, table, indexes in connection.execute(asked)}


def _ask(url: str, question: str) -> tuple[Any, ...]:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        told = connection.execute(question.encode())
        return (told.fetchone() or ()) if told.description else ()
