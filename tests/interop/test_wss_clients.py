"""Foreign clients prove by WS-Security who they are, over TLS: zeep, node's `soap`, gSOAP.

zeep and gSOAP verify our signed answers; node's `soap` has no verifier, so xmlsec1 stands in for it
(`test_wss_xmlsec1.py`).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.testkit.certificates import Credential
from adapters.testkit.channels import receipt_for
from broker.model import Envelope, Receipt
from broker.partner import Coverage, Partners, Proof
from broker.texts import TEXTS
from tests.interop.conftest import BOX, HERE, ROOT, run
from tests.partners import Cast, a_partner
from tests.soap_serving import serving

pytestmark = pytest.mark.interop

SENDER = "urzad"


@dataclass(frozen=True)
class Guarded:
    """A box behind TLS that believes signed messages only, and a partner who has a certificate."""

    url: str
    cast: Cast
    partner: Credential
    signer: Path
    taken: list[tuple[Envelope, bytes]]

    @property
    def ca(self) -> Path:
        path = self.cast.folder / "ca.pem"
        path.write_bytes(self.cast.ca.credential.pem)
        return path

    def pem(self, credential: Credential) -> Path:
        return self.cast.write(f"sender-{credential.certificate.serial_number:x}", credential)


@pytest.fixture(params=[Coverage.HEADERS, Coverage.BODY])
def guarded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Guarded]:
    cast = Cast(tmp_path, kind="rsa-2048")
    partner, signer = cast.client("urzad"), cast.client("answers")
    taken: list[tuple[Envelope, bytes]] = []

    def accept(envelope: Envelope) -> Receipt:
        receipt = receipt_for(envelope)
        taken.append((envelope, receipt.xml))
        return receipt

    known = Partners([a_partner(SENDER, partner, sign_replies=True, covers=request.param)])
    with serving(
        accept,
        folder=tmp_path,
        clock=lambda: datetime.now(UTC),
        partners=lambda: known,
        certificate=cast.server(),
        proof=("ws-security",),
        signing_certificate=cast.write("answers", signer),
    ) as url:
        yield Guarded(url, cast, partner, cast.folder / "answers.pem", taken)


Send = Callable[[Guarded, Credential, Path, str], dict[str, Any]]


def _zeep(covers: str) -> Send:
    def send(goniec: Guarded, by: Credential, form: Path, version: str) -> dict[str, Any]:
        program = HERE / "zeep" / "submit.py"
        files = goniec.pem(by), goniec.ca, goniec.signer
        return run(["/usr/bin/python3", program, f"{goniec.url}?wsdl", form, BOX, SENDER, *files, covers, version])

    return send


def _node(covers: str) -> Send:
    def send(goniec: Guarded, by: Credential, form: Path, version: str) -> dict[str, Any]:
        port = "skrytka12" if version == "1.2" else "skrytka"
        return run(
            [
                "node",
                HERE / "node" / "submit_wss.js",
                f"{goniec.url}?wsdl",
                form,
                BOX,
                port,
                SENDER,
                goniec.pem(by),
                covers,
            ],
            NODE_PATH=ROOT / "var" / "interop" / "node_modules",
            NODE_EXTRA_CA_CERTS=goniec.ca,
        )

    return send


def _gsoap(goniec: Guarded, by: Credential, form: Path, version: str) -> dict[str, Any]:
    program = ROOT / "var" / "interop" / "gsoap" / f"submit-{version}"
    # A stranger's refusal is not signed, for nobody has asked for that; gSOAP would not even show it.
    reply = "signed" if by is goniec.partner else "unsigned"
    return run([program, goniec.url, form, BOX, SENDER, goniec.pem(by), goniec.ca, reply])


SIGNING_ALL = {"zeep": _zeep("headers"), "node": _node("headers"), "gsoap": _gsoap}
SIGNING_BODY = {"zeep": _zeep("body"), "node": _node("body")}
VERSIONS = pytest.mark.parametrize("version", ["1.1", "1.2"])


@VERSIONS
@pytest.mark.parametrize("client", sorted(SIGNING_ALL))
def test_a_client_that_signs_everything_gets_its_receipt(
    guarded: Guarded, form: Path, client: str, version: str
) -> None:
    said = SIGNING_ALL[client](guarded, guarded.partner, form, version)
    assert said.get("code") == 1, said
    ((envelope, receipt),) = guarded.taken
    assert envelope.payload == form.read_bytes()
    assert (envelope.sender, envelope.proof) == (SENDER, Proof.WS_SECURITY)
    assert envelope.once is not None
    assert base64.b64decode(said["receipt"]) == receipt
    if client != "node":
        assert said["verified"] is True


@pytest.mark.parametrize("guarded", [Coverage.BODY], indirect=True)
@VERSIONS
@pytest.mark.parametrize("client", sorted(SIGNING_BODY))
def test_a_client_that_signs_the_body_gets_through_where_that_was_agreed(
    guarded: Guarded, form: Path, client: str, version: str
) -> None:
    said = SIGNING_BODY[client](guarded, guarded.partner, form, version)
    assert said.get("code") == 1, said
    assert len(guarded.taken) == 1


@pytest.mark.parametrize("guarded", [Coverage.HEADERS], indirect=True)
@pytest.mark.parametrize("client", sorted(SIGNING_BODY))
def test_a_client_that_signs_the_body_alone_is_told_what_is_missing(guarded: Guarded, form: Path, client: str) -> None:
    said = SIGNING_BODY[client](guarded, guarded.partner, form, "1.1")
    assert said["kod"] == TEXTS["wss.header-unsigned"].number, said
    assert "IdentyfikatorPodmiotu" in said["komunikat"]
    assert not guarded.taken


@pytest.mark.parametrize("guarded", [Coverage.HEADERS], indirect=True)
@pytest.mark.parametrize("client", sorted(SIGNING_ALL))
def test_a_stranger_who_signs_is_refused(guarded: Guarded, form: Path, client: str) -> None:
    said = SIGNING_ALL[client](guarded, guarded.cast.client("stranger"), form, "1.1")
    assert said["kod"] == TEXTS["partner.unknown"].number, said
    assert not guarded.taken
