"""Where a campaign is fought: engines, three nodes, offices, proxies between them, and what can be done to each."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import psycopg
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from adapters.stores import migrate
from adapters.testkit.certificates import distinguished, key
from adapters.testkit.dms import MockDms
from adapters.testkit.dms_amqp import MockAmqpDms
from adapters.testkit.pki import Pki
from adapters.testkit.proxy import Proxy
from config.demo.offices import offices
from config.demo.site import STARTING, Site, answers, free_port
from tests.conftest import engines, settings_of
from tests.crash.campaign.books import Shelves

LEASE = 3.0  # seconds
DEADLINE = 2.0  # of a call to an office
PATIENT = {
    "lease": LEASE,
    "first_wait": 0.2,
    "longest_wait": 2,
    "poll": 0.2,
    "crashes": 100_000,  # a process that is killed over and over is not its documents' fault
    "patience": "P30D",
}
PRELOADED = ("/usr/lib/fiu/fiu_run_preload.so", "/usr/lib/fiu/fiu_posix_preload.so")
QUEUE = "in"


@dataclass
class Machine:
    """A node: `goniec serve` with a configuration, a clock and a disk of its own."""

    site: Site
    bugs: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def clock(self) -> Path:
        return self.site.folder / "clock"

    def start(self) -> None:
        """Start it; it answers some time later."""
        if not self.clock.exists():
            self.clock.write_text("0")
        command = [sys.executable, "-m", "tests.crash.campaign.node", str(self.clock)]
        command += [*(f"bug:{bug}" for bug in self.bugs), "serve", "--config", str(self.site.configuration)]
        about = {
            **os.environ,
            "LD_PRELOAD": " ".join(PRELOADED),
            "FIU_CTRL_FIFO": str(self.site.folder / "fiu"),
        }
        with (self.site.folder / "stderr.txt").open("ab") as said:
            self.process = subprocess.Popen(command, stdout=said, stderr=said, env=about)
        self.starts += 1

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.alive:
            self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.ended()

    def stop(self) -> int:
        """Let it drain; return its exit status."""
        self.signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        assert self.process is not None
        return self.process.wait(90)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + STARTING.total_seconds()
        while not answers(self.site.port):
            if not self.alive or time.monotonic() > deadline:
                said = (self.site.folder / "stderr.txt").read_text(errors="replace")
                raise AssertionError(f"a node did not come up: {said[-2000:]}")
            time.sleep(0.05)

    def fail(self, *points: str, error: int) -> None:
        """Let calls of the C library fail from now on; without points, none any more."""
        for point in points:
            self._tell(f"enable name=posix/io/{point},failinfo={error}")

    def heal(self, *points: str) -> None:
        for point in points:
            self._tell(f"disable name=posix/io/{point}")

    def _tell(self, what: str) -> None:
        """Order libfiu, as fiu-ctrl does: one line in, one line out."""
        if self.process is None or not self.alive:
            return
        base = f"{self.site.folder / 'fiu'}-{self.process.pid}"
        with contextlib.suppress(OSError):  # it has died meanwhile
            order = os.open(f"{base}.in", os.O_WRONLY | os.O_NONBLOCK)
            os.write(order, f"{what}\n".encode())
            os.close(order)
            answer = os.open(f"{base}.out", os.O_RDONLY | os.O_NONBLOCK)
            os.close(answer)


class Postgres:
    """A PostgreSQL of the campaign's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.start()
        self.server = settings_of(folder)["GONIEC_TEST_POSTGRES"].replace("+psycopg", "")
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute("CREATE DATABASE campaign")
        self.url = f"{self.server.rpartition('/')[0]}/campaign"

    def start(self) -> None:
        engines("up", "--dir", str(self.folder), "--only", "postgres")

    def kill(self) -> None:
        engines("kill", "postgres", "--dir", str(self.folder))

    def cut(self) -> None:
        """End every connection of the nodes."""
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = 'campaign' AND pid <> pg_backend_pid()"
            )


class Rabbit:
    """A RabbitMQ of the campaign's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.start()
        self.url = settings_of(folder)["GONIEC_TEST_RABBITMQ"]

    def start(self) -> None:
        engines("up", "--dir", str(self.folder), "--only", "rabbitmq")

    def kill(self) -> None:
        engines("kill", "rabbitmq", "--dir", str(self.folder))


def through(proxy: Proxy, url: str) -> str:
    """Return the address with the proxy in the place of the server."""
    parts = urlsplit(url)
    who = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{who}@127.0.0.1:{proxy.port}" if who else f"127.0.0.1:{proxy.port}"))


class Certificates:
    """An office's server certificate, which can be swapped for one that has expired."""

    def __init__(self, folder: Path, pki: Pki) -> None:
        now = datetime.now(UTC)
        self.good, self.expired = folder / "office.pem", folder / "office-expired.pem"
        # Valid on whichever day the nodes' clocks have jumped to.
        self._write(self.good, pki, now - timedelta(days=1), now + timedelta(days=30))
        self._write(self.expired, pki, now - timedelta(days=9), now - timedelta(days=1))
        self.ca = folder / "office-ca.pem"
        self.ca.write_bytes(pki.local_ca.credential.pem)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.show(self.good)

    def show(self, file: Path) -> None:
        self.context.load_cert_chain(file)

    def _write(self, file: Path, pki: Pki, since: datetime, until: datetime) -> None:
        made = pki.local_ca.issue(
            distinguished(common_name="office"),
            key("the office's server", "ec-256"),
            not_before=since,
            not_after=until,
            usage=("digital_signature",),
            extras=[
                (x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False),
                (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            ],
        )
        file.write_bytes(made.pem + made.key_pem)


class Field:
    """Everything; a context manager.  `engine` is "sqlite", or "postgresql" with RabbitMQ beside it."""

    def __init__(
        self, folder: Path, engine: str, seed: int, *, nodes: int = 3, workers: int = 1, bugs: tuple[str, ...] = ()
    ) -> None:
        """`nodes`: processes with an address each; `workers`: of each, behind its address."""
        self.folder, self.engine = folder, engine
        self.chance = random.Random(f"campaign-{seed}")
        self.ends = ExitStack()
        self.pki = Pki(at=datetime.now(UTC))
        self.shelves = Shelves()
        self.postgres: Postgres | None = None
        self.rabbit: Rabbit | None = None
        self.store_proxies: list[Proxy] = []
        self.rabbit_proxies: list[Proxy] = []
        self._nodes, self._workers, self._bugs = nodes, workers, bugs
        self.machines: list[Machine] = []

    def __enter__(self) -> Self:
        try:
            self._set_up()
        except BaseException:
            self.ends.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.ends.close()

    def _set_up(self) -> None:
        chosen = offices()[:3]
        self.offices = chosen
        self.dms = self.ends.enter_context(MockDms())
        self.dms.records = self.shelves
        self.certificates = Certificates(self.folder, self.pki)
        self.tls_dms = self.ends.enter_context(MockDms(tls=self.certificates.context))
        self.tls_dms.records = self.shelves
        url = f"sqlite:///{self.folder}/goniec.sqlite"
        if self.engine == "postgresql":
            self.postgres = self._engine("postgres", Postgres)
            self.rabbit = self._engine("rabbitmq", Rabbit)
            url = self.postgres.url
        migrate(url)
        queue = None
        if self.rabbit is not None:
            queue = self.ends.enter_context(MockAmqpDms(self.rabbit.url, "office", office=chosen[2].id))
            queue.records = self.shelves
        for number in range(self._nodes):
            self.machines.append(self._machine(number, url))
        self.ends.callback(lambda: [machine.kill() for machine in self.machines if machine.alive])
        for machine in self.machines:
            machine.start()
        for machine in self.machines:
            machine.wait_until_ready()

    def _engine(self, name: str, make: Any) -> Any:
        folder = self.folder / name
        folder.mkdir()
        self.ends.callback(lambda: engines("down", "--dir", str(folder)))
        return make(folder)

    def _machine(self, number: int, url: str) -> Machine:
        """Lay out a node; on PostgreSQL and RabbitMQ it sees both through proxies of its own."""
        folder = self.folder / f"node-{number}"
        sections: dict[str, Mapping[str, Any]] = {"delivery": PATIENT, "journal": {"every": 1}}
        ways: dict[str, Mapping[str, Any]] = {
            self.offices[0].id: {
                "kind": "soap",
                "url": self.dms.url(self.offices[0].id),
                "deadline": DEADLINE,
                "cooling": 0.5,
                "in_flight": 8,
            },
            self.offices[1].id: {
                "kind": "soap",
                "url": self.tls_dms.url(self.offices[1].id),
                "ca": str(self.certificates.ca),
                "deadline": DEADLINE,
                "cooling": 0.5,
                "in_flight": 8,
            },
        }
        ways[self.offices[2].id] = {**ways[self.offices[0].id], "url": self.dms.url(self.offices[2].id)}
        if self.postgres is not None and self.rabbit is not None:
            self.store_proxies.append(self._proxy(url))
            self.rabbit_proxies.append(self._proxy(self.rabbit.url))
            url = through(self.store_proxies[-1], url)
            rabbit = through(self.rabbit_proxies[-1], self.rabbit.url)
            ways[self.offices[2].id] = {
                "kind": "amqp",
                "url": rabbit,
                "routing_key": "office",
                "cooling": 0.5,
                "in_flight": 8,
            }
            sections["channels.amqp"] = {
                "kind": "amqp",
                "url": rabbit,
                "queue": QUEUE,
                "first_wait": 0.2,
                "longest_wait": 1,
            }
        site = Site(
            folder=folder,
            offices=self.offices,
            ways=ways,
            pki=self.pki,
            port=free_port(),
            store=url,
            sections=sections,
            workers=self._workers,
        )
        return Machine(site.write(), self._bugs)

    def _proxy(self, url: str) -> Proxy:
        parts = urlsplit(url)
        return self.ends.enter_context(Proxy(parts.hostname or "", parts.port or 0))

    @property
    def box(self) -> Any:
        """The way in of a node, whichever."""
        return self.chance.choice(self.machines).site.box

    @contextlib.contextmanager
    def directly(self) -> Iterator[Site]:
        """Yield a site that reaches the store past all proxies, for the audit."""
        first = self.machines[0].site
        if self.postgres is None:
            yield first
            return
        folder = self.folder / "audit"
        shutil.rmtree(folder, ignore_errors=True)
        yield Site(
            folder=folder,
            offices=first.offices,
            ways=first.ways,
            pki=self.pki,
            port=first.port,
            store=self.postgres.url,
        ).write()
