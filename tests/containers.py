"""Makers of evidence containers for tests: a store in memory with real receipts, and an exporter on it."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from functools import partial
from pathlib import Path

from adapters.stores import MemoryStore
from adapters.testkit.stores.values import ACKNOWLEDGED, LEASE, limits
from adapters.testkit.tsa import Tsa
from adapters.trust.kept import KeptEvidence
from broker.evidence import UNSIGNED, to_json
from broker.journal_head import unsealed
from broker.model import Acceptance, SubmissionId
from broker.parse import Limits
from broker.ports import Filter
from broker.stamped import to_stamp, with_stamp
from broker.verify import TrustSnapshot, anchors
from config.case import Around
from config.export import Exporter
from config.export_check import Trusted
from config.journal import proof_of
from tests.builders import a_delivery
from tests.receipts import ISSUED, PKI, TRUST, a_registrar, a_seal, an_admitted, its_submission

AT = ISSUED + timedelta(minutes=10)
TSA = Tsa.of(PKI.local_ca, AT + timedelta(minutes=1))
STAMPS = TrustSnapshot(anchors=anchors(PKI.local_ca.credential.pem))
TRUSTED = Trusted(seals=TRUST, stamps=STAMPS)
LETTER = "<pismo>zażółć gęślą jaźń</pismo>\r\n".encode()
PLAIN = (
    *("document.xml", "receipt.xml", "verification-report.json", "verification-report.xml", "certificates/seal.pem"),
    *("deliveries.json", "journal-proof.json", "submission.json", "README.txt"),
)
"""The names of what is in the container of an unsigned document, in their order."""


def a_store(clock=lambda: AT):
    return MemoryStore(clock)


def a_case(
    store, document=LETTER, *, report=UNSIGNED, number=1, stamped=False, recheck=False, asked=False, seal=None, **about
):
    """Put a document into a store, as intake would; return its acceptance.  `asked`: the office is to answer it."""
    admitted = an_admitted(b"<letter/>")
    submission = its_submission(
        admitted,
        **{
            "id": SubmissionId(f"case-{number}"),
            "digest": hashlib.sha256(document).hexdigest(),
            "size": len(document),
            "accepted_at": ISSUED,
            **about,
        },
    )
    of_document = an_admitted(document)
    registrar = a_registrar(seal or a_seal(), ids=lambda: f"receipt-{number}")
    acceptance = Acceptance(
        submission=submission,
        document=document,
        receipt=registrar.upp(of_document, submission, ISSUED),
        report=to_json(report),
        deliveries=(a_delivery(submission),),
        recheck=recheck,
        awaits_answer=asked,
    )
    store.accept(acceptance)
    if stamped:
        receipt = acceptance.receipt
        store.stamp(receipt.id, with_stamp(receipt.xml, TSA.token(to_stamp(receipt.xml))), AT)
    return acceptance


def deliver(store):
    """Have the offices of all cases take them."""
    offices = {one.office for record in store.list(Filter(trials=True)) for one in record.deliveries}
    store.enrol([limits(one) for one in offices])
    for claim in store.claim(LEASE, 100):
        store.record(claim, ACKNOWLEDGED)


def chain_journal(store, seal=None):
    """Chain and seal all events that are there."""
    while (batch := store.journal.chain(100)) is not None:
        store.journal.keep_sealed(batch.number, (seal or a_seal()).seal(unsealed(batch)))


def an_exporter(store, *, seal=None, stamp=None, cache=Path("/nowhere"), trust=TRUST, proof=True, document=None):
    around = Around(
        document=document or store.document,
        proof=partial(proof_of, store) if proof else lambda _: None,
        late=store.watch.evidence,
        evidence=KeptEvidence(cache),
        trust=trust,
        limits=Limits(),
        environment="test",
        maker="Goniec 1.2.3",
    )
    return Exporter(store=store, seal=seal or a_seal(), stamp=stamp, around=around, clock=lambda: AT, who=lambda: 1000)
