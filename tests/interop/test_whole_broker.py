"""Foreign SOAP stacks put a signed form into a whole broker; a foreign verifier checks the receipt they get for it."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.conftest import Found, Town, found
from tests.interop.conftest import Run

__all__ = ["found"]  # a fixture of the acceptance tests: the whole broker as a process
pytestmark = pytest.mark.interop


@pytest.fixture
def town(found: Found) -> Town:
    return found(number=1)


@pytest.fixture
def letter(town: Town, tmp_path: Path) -> Path:
    """A signed form whose last bytes a careless client would trim."""
    file = tmp_path / "pismo.xml"
    file.write_bytes(town.letter(1, mark=True) + b"\r\n\n\n")
    return file


def receipt_of(said: dict[str, object], town: Town, tmp_path: Path) -> Path:
    assert said.get("code") == 1, said
    file = tmp_path / "upp.xml"
    file.write_bytes(base64.b64decode(str(said["receipt"])))
    return file


def check(said: dict[str, object], letter: Path, town: Town, tmp_path: Path) -> None:
    """The UPP verifies with xmlsec1, and the office got the very bytes that were sent."""
    receipt = receipt_of(said, town, tmp_path)
    id_attributes = [
        option
        for element in ("SignedProperties", "KeyInfo")
        for option in ("--id-attr:Id", f"{NAMESPACES[element]}:{element}")
    ]
    trusted = ["--trusted-pem", str(town.site.folder / "pki" / "seal-ca.pem")]
    done = subprocess.run(
        ["xmlsec1", "--verify", *trusted, *id_attributes, str(receipt)], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    town.settle()
    (handed,) = town.dms.received
    assert handed.document == letter.read_bytes()
    assert handed.receipt == receipt.read_bytes()


NAMESPACES = {
    "SignedProperties": "http://uri.etsi.org/01903/v1.3.2#",
    "KeyInfo": "http://www.w3.org/2000/09/xmldsig#",
}


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_php_gets_a_receipt_and_the_office_gets_the_document(
    town: Town, php: Run, letter: Path, version: str, tmp_path: Path
) -> None:
    said = php(f"{town.site.box.url}?wsdl", letter, town.office.box, version)
    check(said, letter, town, tmp_path)


@pytest.mark.parametrize("port", ["skrytka", "skrytka12"])
def test_node_gets_a_receipt_and_the_office_gets_the_document(
    town: Town, node: Run, letter: Path, port: str, tmp_path: Path
) -> None:
    said = node(f"{town.site.box.url}?wsdl", letter, town.office.box, port)
    check(said, letter, town, tmp_path)
