"""What an evidence container proves, offline: its seal and its files, the receipt for the document, the journal.

The container is judged first, then what is in it: a receipt under a seal of its own, and a proof from the journal.
Whoever it is from, no octet of it is believed before its digest was.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from adapters.archive.opened import Opened, opened
from broker import journal_proof, proof
from broker.evidence import Indication
from broker.proof import ReceiptCheck
from broker.sealed_files import SealCheck
from broker.verify import TrustSnapshot
from config import packaged

_DOCUMENT: Final = 256_000_000  # octets: eight times the default cap on what comes in
_SMALL: Final = 64_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCheck:
    """What was found: of the container, of the receipt in it, and of the proof from the journal."""

    container: SealCheck  # with the verdict on all of it
    receipt: ReceiptCheck | None = None
    journal: journal_proof.ProofCheck | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """Whom to believe: the broker's seals, and time-stamping authorities (None: nobody)."""

    seals: TrustSnapshot
    stamps: TrustSnapshot | None = None


def check(file: Path, trusted: Trusted) -> CaseCheck:
    """Judge a container and what is in it; raise OSError if the file cannot be read."""
    with opened(file, trusted.seals, trusted.stamps) as container:
        found = CaseCheck(container=container.check)
        if container.check.verdict is Indication.FAILED:
            return found
        try:
            return _contents(found, container, trusted)
        except ValueError as wrong:  # a file of the case that is far larger than any such is
            broken = replace(found.container, verdict=Indication.FAILED, code="container.zip", place=str(wrong))
            return replace(found, container=broken)


def _contents(found: CaseCheck, container: Opened, trusted: Trusted) -> CaseCheck:
    document = container.content("document.xml", _DOCUMENT)
    if document is None:
        found = _noted(found, "container.no-document")
    plain = container.content("receipt.xml", _SMALL) or b""
    copy = container.content("receipt-stamped.xml", _SMALL)
    judged = [_receipt(one, document, trusted) for one in (plain, copy) if one is not None]
    found = replace(found, receipt=judged[-1])
    for one in judged:
        if not one.holds:
            return _worse(found, one.verdict, "container.receipt", one.code)
    if judged[0].facts != judged[-1].facts:
        return _worse(found, Indication.FAILED, "container.receipt", "receipt-stamped.xml")
    return _journal(found, container, trusted, plain, document)


def _receipt(receipt: bytes, document: bytes | None, trusted: Trusted) -> ReceiptCheck:
    schema = packaged.text("receipts/upo.xsd")
    return proof.check(receipt, schema=schema, trust=trusted.seals, stamps=trusted.stamps, document=document)


def _journal(
    found: CaseCheck, container: Opened, trusted: Trusted, receipt: bytes, document: bytes | None
) -> CaseCheck:
    told = container.content("journal-proof.json", _SMALL)
    if told is None:
        return _noted(found, "container.no-journal")
    judged = journal_proof.check(told, trust=trusted.seals, stamps=trusted.stamps, document=document, receipt=receipt)
    found = replace(found, journal=judged)
    if judged.verdict is Indication.FAILED:
        return _worse(found, Indication.FAILED, "container.journal", judged.reason)
    if judged.submission != _own_id(container.content("submission.json", _SMALL)):
        return _worse(found, Indication.FAILED, "container.journal", "the proof is of another submission")
    return _noted(found, "container.journal-open") if judged.verdict is not Indication.PASSED else found


def _own_id(submission: bytes | None) -> str | None:
    """Return the submission that submission.json is about; nobody's seal need be on it, so it may be anything."""
    try:
        return str(json.loads(submission or b"")["submission"]["id"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _noted(found: CaseCheck, code: str) -> CaseCheck:
    return replace(found, container=replace(found.container, notes=(*found.container.notes, code)))


def _worse(found: CaseCheck, verdict: Indication, code: str, place: str) -> CaseCheck:
    """Lower the verdict on all of it, unless it is as low already: then the first reason stands."""
    if found.container.verdict is Indication.FAILED or found.container.verdict is verdict:
        return found
    return replace(found, container=replace(found.container, verdict=verdict, code=code, place=place))
