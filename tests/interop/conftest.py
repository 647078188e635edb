"""What the tests with foreign peers stand on: a box that is served, and the peers' programs.

The peers are set up by `scripts/interop`; without them these tests fail and say so, they are never skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.testkit.desk import receipt_for
from broker.errors import Unroutable
from broker.model import Envelope, Receipt
from tests.soap_serving import serving

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BOX = "/town/SEKAP"


@dataclass(frozen=True)
class Goniec:
    """A served box: where its description is, a box that exists, and what has been submitted to it so far."""

    wsdl_url: str
    box: str
    submitted: Callable[[], Sequence[bytes]]
    receipts: Callable[[], Sequence[bytes]]  # the UPPs given for them, in the same order


@pytest.fixture
def goniec() -> Iterator[Goniec]:
    """A SOAP channel in front of an intake that takes everything for one box."""
    taken: list[tuple[bytes, bytes]] = []

    def accept(envelope: Envelope) -> Receipt:
        if envelope.to.box != BOX:
            raise Unroutable("route.unknown-box", facts={"box": envelope.to.box})
        receipt = receipt_for(envelope)
        taken.append((envelope.payload, receipt.xml))
        return receipt

    with serving(accept) as url:
        yield Goniec(
            wsdl_url=f"{url}?wsdl",
            box=BOX,
            submitted=lambda: [document for document, _ in taken],
            receipts=lambda: [receipt for _, receipt in taken],
        )


@pytest.fixture
def form(tmp_path: Path) -> Path:
    """A document that a careless client would change: a BOM, mixed line ends, trailing newlines."""
    file = tmp_path / "pismo.xml"
    file.write_bytes(
        b"\xef\xbb\xbf<?xml version='1.0'?>\r\n<pismo>za\xc5\xbc\xc3\xb3\xc5\x82\xc4\x87\n</pismo>\r\n\n\n"
    )
    return file


Run = Callable[..., dict[str, Any]]


def run(command: Sequence[object], **environment: object) -> dict[str, Any]:
    """Run a peer's program and return the JSON that it printed."""
    words = list(map(str, command))
    if shutil.which(words[0]) is None:
        pytest.fail(f"{words[0]} is missing: set the peers up with `make interop`")
    done = subprocess.run(
        words,
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        cwd=HERE,
    )
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
    said = json.loads(done.stdout)
    assert isinstance(said, dict)
    return said


@pytest.fixture
def php() -> Run:
    """Runs PHP's SoapClient; returns what it printed."""
    return lambda *arguments: run(["php", HERE / "php" / "submit.php", *arguments])


@pytest.fixture
def node() -> Run:
    """Runs node's `soap`; returns what it printed."""
    modules = ROOT / "var" / "interop" / "node_modules"
    return lambda *arguments: run(["node", HERE / "node" / "submit.js", *arguments], NODE_PATH=modules)
