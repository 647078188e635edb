"""Foreign clients prove by WS-Security who they are, over TLS: zeep, node's `soap`, gSOAP.

zeep and gSOAP verify our signed answers; node's `soap` has no verifier, so xmlsec1 stands in for it
(`test_wss_xmlsec1.py`).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.testkit.desk import receipt_for
from broker.model import Envelope, Receipt
from broker.partner import Coverage, Partners, Proof
from broker.texts import TEXTS
from tests.interop.conftest import BOX
from tests.interop.wss_peers import SENDER, SIGNING_ALL, SIGNING_BODY, Guarded
from tests.partners import Cast, a_partner
from tests.soap_serving import serving

pytestmark = pytest.mark.interop

Taken = list[tuple[Envelope, bytes]]


@pytest.fixture
def taken() -> Taken:
    return []


@pytest.fixture(params=[Coverage.HEADERS, Coverage.BODY])
def guarded(request: pytest.FixtureRequest, tmp_path: Path, taken: Taken) -> Iterator[Guarded]:
    cast = Cast(tmp_path, kind="rsa-2048")
    partner, signer = cast.client("urzad"), cast.client("answers")

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
        yield Guarded(url, BOX, cast, partner, cast.folder / "answers.pem")


VERSIONS = pytest.mark.parametrize("version", ["1.1", "1.2"])


@VERSIONS
@pytest.mark.parametrize("client", sorted(SIGNING_ALL))
def test_a_client_that_signs_everything_gets_its_receipt(
    guarded: Guarded, taken: Taken, form: Path, client: str, version: str
) -> None:
    said = SIGNING_ALL[client](guarded, guarded.partner, form, version)
    assert said.get("code") == 1, said
    ((envelope, receipt),) = taken
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
    guarded: Guarded, taken: Taken, form: Path, client: str, version: str
) -> None:
    said = SIGNING_BODY[client](guarded, guarded.partner, form, version)
    assert said.get("code") == 1, said
    assert len(taken) == 1


@pytest.mark.parametrize("guarded", [Coverage.HEADERS], indirect=True)
@pytest.mark.parametrize("client", sorted(SIGNING_BODY))
def test_a_client_that_signs_the_body_alone_is_told_what_is_missing(
    guarded: Guarded, taken: Taken, form: Path, client: str
) -> None:
    said = SIGNING_BODY[client](guarded, guarded.partner, form, "1.1")
    assert said["kod"] == TEXTS["wss.header-unsigned"].number, said
    assert "IdentyfikatorPodmiotu" in said["komunikat"]
    assert not taken


@pytest.mark.parametrize("guarded", [Coverage.HEADERS], indirect=True)
@pytest.mark.parametrize("client", sorted(SIGNING_ALL))
def test_a_stranger_who_signs_is_refused(guarded: Guarded, taken: Taken, form: Path, client: str) -> None:
    said = SIGNING_ALL[client](guarded, guarded.cast.client("stranger"), form, "1.1")
    assert said["kod"] == TEXTS["partner.unknown"].number, said
    assert not taken
