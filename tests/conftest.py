"""Fixtures for the whole suite: real engines, and a place of one's own in them.

PostgreSQL and RabbitMQ are taken from GONIEC_TEST_POSTGRES and GONIEC_TEST_RABBITMQ, else from `scripts/engines
up` if that was run and they still stand, else they are started for this test run and ended with it.  Under xdist
all workers share them, so a test takes a database of its own (`postgres_database`) and names its queues uniquely
(`queue_name`).  Only a test that breaks an engine takes one of its own (`private_rabbitmq`).
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import HealthCheck, settings

ENGINES = Path(__file__).resolve().parent.parent / "scripts" / "engines"
SHARED = ENGINES.parent.parent / "var" / "engines"
RUN = "GONIEC_TEST_ENGINES"  # the folder of this run's engines: set by the first process, inherited by workers

# How long an example takes says what else the machine does, and nothing of the code.
settings.register_profile("untimed", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def engines(*words: str) -> None:
    """Run `scripts/engines`; what it prints shows up with the test that asked."""
    subprocess.run([sys.executable, str(ENGINES), *words], check=True)


def settings_of(folder: Path) -> dict[str, str]:
    file = folder / "env"
    lines = file.read_text().splitlines() if file.exists() else []
    return dict(line.removeprefix("export ").split("=", 1) for line in lines)


def listens(url: str) -> bool:
    """Whether somebody is at the URL's port: the file of `scripts/engines up` outlives a machine that went down."""
    at = urlsplit(url)
    with socket.socket() as asking:
        return asking.connect_ex((at.hostname, at.port)) == 0


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[RUN] = tempfile.mkdtemp(prefix="goniec-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and RUN in os.environ:
        folder = Path(os.environ.pop(RUN))
        engines("down", "--dir", str(folder))
        for left in folder.iterdir():
            left.unlink()
        folder.rmdir()


def url_of(engine: str, variable: str) -> str:
    if given := os.environ.get(variable):
        return given
    if (standing := settings_of(SHARED).get(variable)) and listens(standing):
        return standing
    folder = Path(os.environ[RUN])
    engines("up", "--dir", str(folder), "--only", engine)
    return settings_of(folder)[variable]


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """A PostgreSQL where databases may be made and dropped, as an SQLAlchemy URL."""
    return url_of("postgres", "GONIEC_TEST_POSTGRES")


@pytest.fixture(scope="session")
def rabbitmq_url() -> str:
    """A RabbitMQ that all tests share."""
    return url_of("rabbitmq", "GONIEC_TEST_RABBITMQ")


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database, dropped after the test."""
    name = f"test_{secrets.token_hex(8)}"
    server = postgres_url.replace("+psycopg", "")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield f"{postgres_url.rpartition('/')[0]}/{name}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def queue_name() -> Callable[[str], str]:
    """Makes names of queues and exchanges that no other test uses."""
    mark = secrets.token_hex(6)
    return lambda purpose: f"test.{mark}.{purpose}"


@dataclass(frozen=True, slots=True)
class PrivateRabbitMQ:
    """A node that a test may kill and start again; port and data stay the same."""

    folder: Path
    url: str

    def kill(self) -> None:
        engines("kill", "rabbitmq", "--dir", str(self.folder))

    def start(self) -> None:
        engines("up", "--dir", str(self.folder), "--only", "rabbitmq")


@pytest.fixture(scope="module")
def private_rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRabbitMQ]:
    folder = tmp_path_factory.mktemp("rabbitmq")
    try:
        engines("up", "--dir", str(folder), "--only", "rabbitmq")
        yield PrivateRabbitMQ(folder, settings_of(folder)["GONIEC_TEST_RABBITMQ"])
    finally:
        engines("down", "--dir", str(folder))
