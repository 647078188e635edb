"""A whole broker in one folder: keys, tables, configuration, and the process that serves.

For the demo, and for tests that want the real thing: what runs is `goniec serve`, started, stopped and killed as
an operator (or a power cut) would.
"""

from __future__ import annotations

import http.client
import json
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from adapters.testkit.box import Box
from adapters.testkit.pki import Pki
from broker.errors import Unavailable
from config.demo.offices import DemoOffice, boxes_csv, routing_csv
from config.settings import Settings, load

STARTING = timedelta(seconds=60)
STOPPING = timedelta(seconds=90)

# What a signature below each of the test PKI's CAs is worth.
_ANCHORS = (
    ("qualified-ca.pem", "qualified", False),
    ("platform-ca.pem", "trusted-profile", True),
    ("local-ca.pem", "local", False),
)


@dataclass(frozen=True, kw_only=True)
class Site:
    """What stands in the folder.  `ways` is how each office is reached: the keys of its `[offices.<id>]` table."""

    folder: Path
    offices: Sequence[DemoOffice]
    ways: Mapping[str, Mapping[str, Any]]
    pki: Pki
    port: int
    store: str = "sqlite:///goniec.sqlite"
    boxes: bytes = b""  # lines for boxes.csv beyond those of the offices
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # further tables, by dotted name
    workers: int = 1

    @property
    def configuration(self) -> Path:
        """The configuration's file."""
        return self.folder / "goniec.toml"

    @property
    def log(self) -> Path:
        """The log's file."""
        return self.folder / "log.jsonl"

    @property
    def settings(self) -> Settings:
        """The configuration, read back."""
        return load(self.configuration)

    @property
    def box(self) -> Box:
        """The way in, as a partner uses it."""
        return Box(url=f"http://127.0.0.1:{self.port}/skrytka")

    def write(self) -> Self:
        """Write keys, tables and configuration."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pki.write(self.folder / "pki")
        (self.folder / "boxes.csv").write_bytes(boxes_csv(self.offices) + self.boxes)
        (self.folder / "routing.csv").write_bytes(routing_csv(self.offices))
        self.configuration.write_text(self._toml(), encoding="utf-8")
        return self

    def _toml(self) -> str:
        tables: dict[str, Mapping[str, Any]] = {
            "store": {"kind": "sql", "url": self.store},
            "seal": {"kind": "pem", "file": "pki/seal.bundle.pem"},
            "log": {"file": "log.jsonl"},
            "channels.soap": {"kind": "soap", "listen": f"127.0.0.1:{self.port}"},
            **self.sections,
            **{f"offices.{_quoted(name)}": way for name, way in self.ways.items()},
        }
        lines = ['environment = "test"', f"workers = {self.workers}"]
        for name, table in tables.items():
            lines += ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in table.items())]
        for file, level, platform_seal in _ANCHORS:
            lines += ["", "[[trust.anchors]]", f"name = {_quoted(file.removesuffix('.pem'))}"]
            lines += [f"file = {_quoted(f'pki/{file}')}", f"level = {_quoted(level)}"]
            lines += ["platform_seal = true"] if platform_seal else []
        return "\n".join(lines) + "\n"

    def start(self) -> Serving:
        """Start the broker as a process of its own, and return when it answers; raise Unavailable."""
        serving = Serving(self)
        try:
            serving.wait_until_ready()
        except BaseException:
            serving.kill()
            raise
        return serving


class Serving:
    """A broker's process.  As a context manager it is stopped at the end, as `goniec serve` is meant to be."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._errors = (site.folder / "stderr.txt").open("ab")
        command = [sys.executable, "-m", "config.cli", "serve", "--config", str(site.configuration)]
        self.process = subprocess.Popen(command, stdout=self._errors, stderr=self._errors)  # noqa: S603 - our own words

    @property
    def workers(self) -> tuple[int, ...]:
        """The processes that serve, if this one only watches over them."""
        return children(self.process.pid)

    def wait_until_ready(self) -> None:
        """Wait for the way in to answer; raise Unavailable with what the process said if it does not."""
        deadline = time.monotonic() + STARTING.total_seconds()
        while not answers(self.site.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = (self.site.folder / "stderr.txt").read_text(encoding="utf-8", errors="replace")
                raise Unavailable(f"the broker did not come up: {said[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> int:
        """Ask the process to stop, as systemd would; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self._ended(STOPPING.total_seconds())

    def kill(self) -> None:
        """End the process at once: nothing of it runs any more code."""
        self.process.kill()
        self._ended(STOPPING.total_seconds())

    def _ended(self, patience: float) -> int:
        try:
            return self.process.wait(patience)
        finally:
            self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
        self._errors.close()


def children(pid: int) -> tuple[int, ...]:
    """Return the processes that a process has started and that have not ended (proc(5)); none if it is gone."""
    try:
        return tuple(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()))
    except (FileNotFoundError, ProcessLookupError):
        return ()


def free_port() -> int:
    """Return a loopback port that is free and that no outgoing connection will take meanwhile."""
    # Ports for outgoing connections come from 32768 upwards (ip_local_port_range).
    for port in random.SystemRandom().sample(range(15_000, 32_000), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Unavailable("no free port on loopback")


def answers(port: int) -> bool:
    """Tell whether a broker answers on this loopback port."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        line.request("GET", "/healthz")
        return line.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        line.close()


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _value(value: Any) -> str:
    """Write a value as TOML: for text, numbers, truth and lists JSON and TOML agree."""
    return json.dumps(value, ensure_ascii=False)
