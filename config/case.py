"""What is known of one submission, as the files of an evidence container (docs/reference/evidence-container.md).

What is written here is a function of what the store keeps, the cache of evidence and the trust of the moment; whoever
reads it may never have heard of Goniec, so every file is in a form that has a name of its own, and README.txt says the
rest.  Files are made one after the other, so that no more than one is held at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from adapters.archive.writing import Part
from adapters.trust.kept import KeptEvidence, Said
from broker import parse
from broker.deadlines import Evidence
from broker.errors import Rejection
from broker.evidence_xml import to_xml
from broker.model import SubmissionId
from broker.ports import Record
from broker.upo import moment
from broker.verify import TrustSnapshot, certificate, written
from broker.verify.fault import Fault
from broker.verify.names import DS, SIGNATURE
from config.case_readme import readme

XML: Final = "text/xml"
JSON: Final = "application/json"
PEM: Final = "application/x-pem-file"
_TYPES: Final = {"crl": "application/pkix-crl", "ocsp": "application/ocsp-response"}
_SIGNATURES: Final = 50  # whose certificates are put out of a document
_CERTIFICATES: Final = 10  # of each


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a case is told with, beside the record of it."""

    document: Callable[[SubmissionId], bytes | None]
    proof: Callable[[SubmissionId], bytes | None]  # from the journal, JSON
    late: Callable[[SubmissionId], Sequence[Evidence]]  # what did not happen in time
    evidence: KeptEvidence
    trust: TrustSnapshot
    limits: parse.Limits
    environment: str
    maker: str  # name and version of the program


def files(record: Record, around: Around, at: datetime) -> Iterator[Part]:
    """Yield the files of a container, in their order; `at` is the moment of the export."""
    present: list[str] = []
    told = _Told()
    for part in _files(record, around, at, told):
        present.append(part.name)
        yield part
    words = readme(
        record,
        present=present,
        missing=told.missing,
        gone=list(dict.fromkeys(told.gone)),
        later=told.later,
        maker=around.maker,
        at=moment(at),
    )
    yield Part(name="README.txt", media_type="text/plain; charset=UTF-8", content=words.encode())


@dataclass(slots=True)
class _Told:
    """What README.txt must say about the others."""

    missing: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)


def _files(record: Record, around: Around, at: datetime, told: _Told) -> Iterator[Part]:
    it = record.submission
    chains = {"seal": next(iter(_chains(record.receipt.xml, around.limits)), [])}
    document = around.document(it.id)
    if document is None:
        told.missing.append("document.xml")
    else:
        beside = enumerate(_chains(document, around.limits), start=1)
        chains |= {f"signature-{number}": chain for number, chain in beside}
        yield Part(name="document.xml", media_type=XML, content=document)
        del document  # the largest by far: it is not held while the others are made
    yield Part(name="receipt.xml", media_type=XML, content=record.receipt.xml)
    if record.stamped:
        yield Part(name="receipt-stamped.xml", media_type=XML, content=record.stamped)
    yield from _late(around.late(it.id))
    yield from _reports(record, told)
    signatures = [one for report in (record.report, record.later_report) for one in _signatures(report)]
    yield from _certificates(chains | {"anchors": _anchors(signatures, around.trust)})
    yield from _revocation(signatures, around.evidence, told)
    deliveries = {"deliveries": record.deliveries, "events": record.events}
    yield Part(name="deliveries.json", media_type=JSON, content=_json(deliveries))
    proof = around.proof(it.id)
    if proof:
        yield Part(name="journal-proof.json", media_type=JSON, content=proof)
    else:
        told.missing.append("journal-proof.json")
    yield Part(name="submission.json", media_type=JSON, content=_json(_submission(record, around, at, told)))


def _late(found: Sequence[Evidence]) -> Iterator[Part]:
    for one in found:
        if one.xml:  # what is owed has not been sealed yet
            yield Part(name=f"late-{one.stage}.xml", media_type=XML, content=one.xml)


def _reports(record: Record, told: _Told) -> Iterator[Part]:
    if not record.report:
        told.missing.append("verification-report.json")
    for name, report in (("report", record.report), ("report-later", record.later_report)):
        if report:
            yield Part(name=f"verification-{name}.json", media_type=JSON, content=report)
            yield Part(name=f"verification-{name}.xml", media_type=XML, content=to_xml(report))


def _submission(record: Record, around: Around, at: datetime, told: _Told) -> dict[str, Any]:
    given = record.receipt
    about = {"id": given.id, "kind": given.kind, "issued_at": given.issued_at}
    return {
        "submission": asdict(record.submission),
        "receipt": {**about, "sha256": sha256(given.xml).hexdigest()},
        "export": {
            "at": at,
            "by": around.maker,
            "environment": around.environment,
            "missing": told.missing,
            "revocation_not_kept": list(dict.fromkeys(told.gone)),
            "revocation_later": told.later,
        },
    }


# ── certificates ─────────────────────────────────────────────────────────────────────────────────────────


def _chains(xml: bytes, limits: parse.Limits) -> list[list[x509.Certificate]]:
    try:
        root = parse.read(xml, limits)
    except Rejection:  # it was let in under other caps: its certificates are in it all the same
        return []
    return [_beside(one) for _, one in zip(range(_SIGNATURES), root.iter(SIGNATURE), strict=False)]


def _beside(signature: etree._Element) -> list[x509.Certificate]:
    found = []
    held = signature.iterfind(f"{DS}KeyInfo/{DS}X509Data/{DS}X509Certificate")
    for _, element in zip(range(_CERTIFICATES), held, strict=False):
        try:
            found.append(certificate.load(written.octets(element) or b"").x509)
        except Fault:  # the report says that it cannot be read
            continue
    return found


def _certificates(chains: Mapping[str, Sequence[x509.Certificate]]) -> Iterator[Part]:
    for name, chain in chains.items():
        if chain:
            pem = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
            yield Part(name=f"certificates/{name}.pem", media_type=PEM, content=pem)


def _signatures(report: bytes | None) -> list[dict[str, Any]]:
    """Return what a report says of each signature, of those that countersign and of the stamps on them.

    One of an earlier version says less.
    """
    return _with_others(json.loads(report).get("signatures", ())) if report else []


def _with_others(signatures: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        each
        for one in signatures
        for each in (one, *one.get("time_stamps", ()), *_with_others(one.get("counter_signatures", ())))
    ]


def _anchors(signatures: Sequence[dict[str, Any]], trust: TrustSnapshot) -> list[x509.Certificate]:
    """Return those whom the broker trusts, or knows as authorities between, and that the reports' paths name."""
    named = {subject for one in signatures for subject in one.get("path", ())}
    known = [*(one.certificate for one in trust.anchors), *trust.intermediates]
    return list(dict.fromkeys(one for one in known if one.subject.rfc4514_string() in named))


# ── revocation ───────────────────────────────────────────────────────────────────────────────────────────


def _revocation(signatures: Sequence[dict[str, Any]], evidence: KeptEvidence, told: _Told) -> Iterator[Part]:
    """Yield the evidence that reports name; where it is kept no more, what was said last about the certificate."""
    done: set[str] = set()
    for status in (status for one in signatures for status in one.get("revocation", ())):
        digest = status["digest"]
        exact = evidence.exactly(digest, status["certificate"]) if digest else ()
        if digest and not exact:
            told.gone.append(digest)
        for part in map(_evidence, exact or evidence.lately(status["certificate"])):
            if part.name not in done:
                done.add(part.name)
                told.later += [] if exact else [part.name]
                yield part


def _evidence(said: Said) -> Part:
    return Part(name=f"revocation/{said.sha256}.{said.kind}", media_type=_TYPES[said.kind], content=said.octets)


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────


def _plain(value: Any) -> Any:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else asdict(value)


def _json(value: Any) -> bytes:
    return json.dumps(value, default=_plain, ensure_ascii=False, indent=2).encode() + b"\n"
