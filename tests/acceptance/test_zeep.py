"""zeep puts a signed form into a whole broker, by our description and by the public one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zeep
from zeep.transports import Transport

PUBLIC = Path(__file__).parents[2].parent / "shared" / "data" / "epuap-wsdl" / "skrytka.wsdl"
DESCRIPTIONS = ["ours", *(["the public one"] if PUBLIC.exists() else [])]


@pytest.fixture
def transport() -> Iterator[Transport]:
    made = Transport(timeout=60, operation_timeout=60)
    yield made
    made.session.close()


@pytest.mark.parametrize("description", DESCRIPTIONS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_zeep_gets_a_receipt_and_the_office_gets_the_document(
    town: Any, transport: Transport, description: str
) -> None:
    document = town.letter(2, mark=True) + b"\r\n\n\n"
    url = town.site.box.url
    client = zeep.Client(f"{url}?wsdl" if description == "ours" else str(PUBLIC), transport=transport)
    service = client.create_service("{http://ws.epuap.gov.pl/skrytka/}skrytkaBinding", url)
    headers = {
        "podmiot": "urzad-zeep",
        "adresSkrytki": town.office.box,
        "adresOdpowiedzi": "/urzad-zeep/odpowiedzi",
        "czyProbne": False,
        "daneDodatkowe": b"",
    }
    answer = service.nadaj(nazwaPliku="pismo.xml", typPliku="text/xml", zawartosc=document, _soapheaders=headers)
    town.settle()
    (handed,) = town.dms.received
    assert answer.status.kod == 1
    assert answer.zalacznik.zawartosc == handed.receipt
    assert handed.document == document
