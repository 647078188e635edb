"""Makers of receipts for tests: an admitted document, a registrar with a real seal, the anchors to check it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from lxml import etree

from adapters.seals.pkcs12 import FileSeal
from adapters.testkit.pki import Pki
from broker.evidence import UNSIGNED
from broker.model import Admitted, Document, Form, FormKey, OfficeId, Routed, Target, Valid, Verified
from broker.parse import Limits, read
from broker.receipt import Registrar
from broker.verify import TrustSnapshot, anchors
from tests.builders import a_submission, an_envelope

ENTRY = datetime(2026, 1, 1, 12, 0, 0, 5999, tzinfo=UTC)
ISSUED = datetime(2026, 1, 1, 12, 0, 1, 250000, tzinfo=UTC)
PKI = Pki(at=ISSUED)
SCHEMA = (Path(__file__).parents[1] / "schemas/receipts/upo.xsd").read_bytes()
TRUST = TrustSnapshot(anchors=anchors(PKI.seal_ca.credential.pem))
FORM = Form(key=FormKey(name="pismo-ogolne", version="1410"), namespace="urn:f", root="D", title_pl="", title_en="")
POS = "{http://crd.gov.pl/xml/schematy/UPO/2008/05/09/}"


def a_seal(credential=PKI.seal):
    return FileSeal(credential.key, (credential.certificate, *credential.chain), lambda: ISSUED)


class Plain:
    """A seal that leaves its mark off: for tests of what is written, not of how it is sealed."""

    def seal(self, unsigned):
        return unsigned


def a_registrar(seal=None, **about):
    return Registrar(**{"seal": seal or Plain(), "ids": lambda: "receipt-1", "environment": "test", **about})


def an_admitted(payload=b"<letter/>", *, report=UNSIGNED, office_name="Urząd Miasta", box="/town/SEKAP", **about):
    envelope = an_envelope(payload, received_at=ENTRY, **about)
    tree = read(b"<letter/>", Limits())
    valid = Valid(document=Document(envelope=envelope, root=tree, form=tree), form=FORM)
    target = Target(row="boxes:1", office=OfficeId("town-hall"), office_name=office_name, box=box)
    return Admitted(routed=Routed(verified=Verified(valid=valid, report=report, content=b""), target=target))


def its_submission(admitted, **about):
    envelope = admitted.envelope
    return a_submission(
        **{
            "digest": envelope.digest,
            "sender": envelope.sender,
            "received_at": envelope.received_at,
            "trial": envelope.trial,
            **about,
        }
    )


def a_upp(payload=b"<letter/>", *, seal=None, **about):
    """A sealed UPP, as bytes."""
    admitted = an_admitted(payload, **about)
    return a_registrar(seal or a_seal()).upp(admitted, its_submission(admitted), ISSUED).xml


def obeys_schema(xml):
    return etree.XMLSchema(read(SCHEMA, Limits())).validate(read(xml, Limits()))
