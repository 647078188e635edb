"""Foreign clients that sign by WS-Security put a form into a whole broker over TLS; the office gets it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.testkit.dms import MockDms
from adapters.testkit.pki import Pki
from broker.texts import TEXTS
from config.demo.offices import offices
from config.demo.site import Site, free_port
from tests.acceptance.conftest import QUICK, Town
from tests.interop.wss_peers import SENDER, SIGNING_ALL, SIGNING_BODY, Guarded
from tests.partners import Cast

pytestmark = pytest.mark.interop


@dataclass(frozen=True)
class Whole:
    """A broker with a guarded way in beside the plain one, and a signed form for its office."""

    town: Town
    way: Guarded
    letter: Path


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    cast = Cast(tmp_path, kind="rsa-2048")
    partner = cast.client(SENDER)
    cast.write("partner", partner)
    signer = cast.write("answers", cast.client("answers"))
    plain, guarded = (f"127.0.0.1:{free_port()}" for _ in range(2))
    answers = {"kind": "soap", "signing_certificate": signer.name}
    believing = {**answers, "listen": plain}
    proving = {**answers, "listen": guarded, "proof": ["ws-security"], "certificate": cast.server().name}
    known = {"certificates": ["partner.pem"], "sign_replies": True}
    (office,) = offices()[:1]
    with MockDms(folder=tmp_path / "offices") as dms:
        site = Site(
            folder=tmp_path,
            offices=[office],
            ways={office.id: {"kind": "soap", "url": dms.url(office.id), "cooling": 0.5}},
            pki=Pki(at=datetime.now(UTC)),
            port=int(plain.rpartition(":")[2]),
            sections={
                "delivery": QUICK,
                "channels.soap": believing,
                "channels.partners": proving,
                f"partners.{SENDER}": known,
            },
        ).write()
        with site.start() as serving:
            town = Town(site=site, dms=dms, serving=serving)
            letter = tmp_path / "pismo.xml"
            letter.write_bytes(town.letter(1, mark=True) + b"\r\n\n\n")
            way = Guarded(url=f"https://{guarded}/skrytka", box=office.box, cast=cast, partner=partner, signer=signer)
            yield Whole(town, way, letter)


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("client", sorted(SIGNING_ALL))
def test_the_sender_gets_a_receipt_and_the_office_the_document(whole: Whole, client: str, version: str) -> None:
    said = SIGNING_ALL[client](whole.way, whole.way.partner, whole.letter, version)
    assert said.get("code") == 1, said
    assert client == "node" or said["verified"] is True
    whole.town.settle()
    (handed,) = whole.town.dms.received
    assert handed.document == whole.letter.read_bytes()
    assert handed.receipt == base64.b64decode(said["receipt"])


def test_a_stranger_and_an_unsigned_header_are_refused(whole: Whole) -> None:
    strange = SIGNING_ALL["node"](whole.way, whole.way.cast.client("stranger"), whole.letter, "1.1")
    assert strange["kod"] == TEXTS["partner.unknown"].number, strange
    short = SIGNING_BODY["node"](whole.way, whole.way.partner, whole.letter, "1.1")
    assert short["kod"] == TEXTS["wss.header-unsigned"].number, short
    whole.town.settle()
    assert not whole.town.dms.received
