"""What a sealed receipt proves: judged from its own octets, the seal's anchors, and the document if it is there.

The seal covers the receipt and its own properties, but no XML signature covers all of itself: the value, and the
elements that hold its parts together, are free.  A receipt of ours has these in exactly one form (`_HULL`), and
here that form is demanded, so that no octet of the canonical receipt can change and still be accepted.  What
software may do to a receipt without touching these octets (quotes, entities, comments, line ends) is accepted
and told, for the bytes are then no longer the ones that were issued.

One door is open: a time-stamped copy (`broker/stamped.py`) is judged by its parts, the time-stamp and the receipt
without it.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from lxml import etree

from broker import stamped, upo
from broker.errors import Rejection
from broker.evidence import Indication, Report
from broker.lines import line
from broker.model import ReceiptKind
from broker.parse import Limits, read
from broker.verify import TrustSnapshot, certificate, examine, signature_value, timestamp, written
from broker.verify.fault import Fault
from broker.verify.names import DS

DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>\n'
"""What stands before the canonical octets in a receipt as it is issued."""

SCHEMAS: Final = MappingProxyType(
    {upo.NAMESPACE: "receipts/upo.xsd", upo.NEGATIVE_NAMESPACE: "receipts/dowod-negatywny.xsd"}
)
"""Of each kind of proof, by its namespace: the path of its schema below `schemas/`."""

LIMITS: Final = Limits(payload=1_000_000, elements=2_000, depth=30)
"""Caps on a receipt: ours have some 6,000 bytes."""

_SKEW: Final = timedelta(minutes=5)  # by which the broker's clock and an authority's may disagree
_SIGNATURE: Final = "{http://www.w3.org/2000/09/xmldsig#}Signature"


def _inside(tag: str) -> str:
    """Match whatever one element holds, but no second element of its name.

    Not possessive: inside a group that is captured, Python before 3.11.5 gets that wrong (Debian 12 has 3.11.2).
    """
    return rf"(?:(?!</?{tag}[ >]).)*"


_HULL: Final = re.compile(
    '<ds:Signature xmlns:ds="http://www[.]w3[.]org/2000/09/xmldsig#" Id="(?P<id>[A-Za-z0-9]+)">'
    rf"<ds:SignedInfo>(?P<info>{_inside('ds:SignedInfo')})</ds:SignedInfo>"
    "<ds:SignatureValue>[A-Za-z0-9+/]+={0,2}</ds:SignatureValue>"
    rf'<ds:KeyInfo Id="(?P<key>[A-Za-z0-9]+)">{_inside("ds:KeyInfo")}</ds:KeyInfo>'
    "<ds:Object>"
    '<xades:QualifyingProperties xmlns:xades="http://uri[.]etsi[.]org/01903/v1[.]3[.]2#" Target="#(?P=id)">'
    rf'<xades:SignedProperties Id="(?P=id)-[A-Za-z0-9]+">{_inside("xades:SignedProperties")}</xades:SignedProperties>'
    "</xades:QualifyingProperties></ds:Object></ds:Signature>",
    re.DOTALL,
)
"""A signature as the seal writes it, in canonical octets.

Its References cover SignedProperties and KeyInfo; that the value is written as Base64 must be is the verifier's rule.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptCheck:
    """What was found.  Values are read from the canonical octets; they mean nothing unless `verdict` is PASSED."""

    verdict: Indication
    code: str = ""  # why not PASSED: a code of `broker.texts`
    place: str = ""
    kind: ReceiptKind | None = None
    facts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # by element or kind of information
    notes: tuple[str, ...] = ()  # codes of what its reader must know, e.g. `receipt.trial`
    document: bool | None = None  # whether the document is the one receipted; None when there was none to compare
    report: Report | None = None  # on the seal
    stamped_at: datetime | None = None  # the moment by which a time-stamping authority had seen the seal
    stamped_by: str = ""

    @property
    def holds(self) -> bool:
        """Whether the receipt proves what it says."""
        return self.verdict is Indication.PASSED


def check(
    receipt: bytes,
    *,
    schema: bytes,
    trust: TrustSnapshot,
    stamps: TrustSnapshot | None = None,
    at: datetime | None = None,
    document: bytes | None = None,
) -> ReceiptCheck:
    """Judge a receipt, or the time-stamped copy of one, and whether it is the one for `document`.

    `schema` is the text of the schema that `schema_of` names; `trust` holds the anchors of the broker's seals, `stamps`
    those of time-stamping authorities.  The seal's certificate is judged as of the time-stamp; without one that can be
    judged as of the moment when the receipt says that it was made, which proves that moment by the broker's word
    alone; and never as of later than `at`, which without a time-stamp is the moment itself.  Raises nothing of its own.
    """
    try:
        root = read(receipt, LIMITS)
    except Rejection as no:
        return ReceiptCheck(verdict=Indication.FAILED, code=no.code, place=no.place)
    fault = _breaks(root, schema)
    if fault:
        return ReceiptCheck(verdict=Indication.FAILED, code="receipt.schema", place=fault)
    try:
        octets = etree.tostring(root, method="c14n", exclusive=True, with_comments=False)
        plain = read(octets, LIMITS)  # comments are out of it: they cannot cut a value in two
        parts = stamped.apart(octets)
        if parts is not None:
            root, plain = _without_stamp(root, octets, parts[0])
    except (
        etree.C14NError,
        Rejection,
        ValueError,
    ):  # a namespace that is a relative URI; text that grows when spelt out
        return ReceiptCheck(verdict=Indication.FAILED, code="receipt.form")
    kind, facts = _facts(plain)
    found = ReceiptCheck(verdict=Indication.PASSED, kind=kind, facts=facts, notes=_notes(facts, receipt, octets))
    if parts is not None:
        found = _judge_stamp(found, plain, parts[1], stamps)
    found = _judge_seal(found, root, plain, trust, at)
    return found if document is None else _compare(found, document)


def schema_of(receipt: bytes) -> str:
    """Return the path of the schema that this receipt or evidence claims to obey; by default that of receipts."""
    try:
        namespace = etree.QName(read(receipt, LIMITS)).namespace
    except Rejection:
        namespace = None
    return SCHEMAS.get(namespace or "", SCHEMAS[upo.NAMESPACE])


def _without_stamp(root: etree._Element, octets: bytes, bare: bytes) -> tuple[etree._Element, etree._Element]:
    """Return the receipt of a copy, as it was issued; raise ValueError if more than the copy's root stands there."""
    if etree.tostring(root.getroottree(), method="c14n", exclusive=True, with_comments=False) != octets:
        raise ValueError("instructions outside the root")
    return read(bare, LIMITS), read(bare, LIMITS)


def _judge_stamp(
    found: ReceiptCheck, plain: etree._Element, token: bytes, stamps: TrustSnapshot | None
) -> ReceiptCheck:
    """Judge the time-stamp; one that nobody can judge takes nothing from the receipt."""
    if stamps is None:
        return replace(found, notes=(*found.notes, "receipt.stamp-not-judged"))
    try:
        said = timestamp.verify(token, stamped.octets(plain), stamps)
    except Fault as fault:
        return replace(found, verdict=fault.indication, code="receipt.stamp", place=fault.code)
    except ValueError:  # no signature value, or several
        return replace(found, verdict=Indication.FAILED, code="receipt.form", place="ds:SignatureValue")
    made = _moment(found.facts["made"])
    if made is not None and said.at < made - _SKEW:
        return replace(found, verdict=Indication.INDETERMINATE, code="receipt.stamp-order")
    return replace(found, stamped_at=said.at, stamped_by=said.by)


def _judge_seal(
    found: ReceiptCheck, root: etree._Element, plain: etree._Element, trust: TrustSnapshot, at: datetime | None
) -> ReceiptCheck:
    """Judge the seal on the receipt as it came; its hull on the canonical octets read again."""
    signatures = plain.findall(_SIGNATURE)
    if not signatures:
        return replace(found, verdict=Indication.FAILED, code="receipt.unsealed")
    if at is None or (found.stamped_at is not None and found.stamped_at < at):
        at = found.stamped_at or _moment(found.facts["made"])
    if at is None:
        return replace(found, verdict=Indication.FAILED, code="receipt.schema", place="DataWytworzeniaPoswiadczenia")
    report = examine(root, trust, at)
    found = replace(found, report=report)
    if report.indication is not Indication.PASSED:
        return replace(found, verdict=report.indication, code="receipt.seal", place=report.place)
    if len(signatures) > 1 or not _hull_is_ours(signatures[0]) or not _value_is_ours(signatures[0], report):
        return replace(found, verdict=Indication.FAILED, code="receipt.form", place="ds:Signature")
    return found


def _compare(found: ReceiptCheck, document: bytes) -> ReceiptCheck:
    """Say whether it is the receipt for this document; what the seal's judgement found stays."""
    same = found.facts.get(upo.DIGEST) == b64encode(hashlib.sha256(document).digest()).decode()
    found = replace(found, document=same)
    if same or not found.holds:
        return found
    return replace(found, verdict=Indication.FAILED, code="receipt.other-document")


def _moment(written: str) -> datetime | None:
    """Read a dateTime that the schema let through; XML Schema knows moments that Python does not (24:00, year 0)."""
    try:
        return datetime.fromisoformat(written.strip())
    except ValueError:
        return None


def _breaks(root: etree._Element, schema: bytes) -> str:
    """Return where the receipt breaks its schema, if it does; compiled anew, for a schema's log mixes threads."""
    compiled = etree.XMLSchema(read(schema, Limits()))
    if compiled.validate(root):
        return ""
    first = compiled.error_log[0]
    return first.path or f"line {line(first.line)}"


def _facts(root: etree._Element) -> tuple[ReceiptKind, Mapping[str, str]]:
    """Read what the receipt says; the two moments under names that do not depend on its kind."""
    body = next(root.iterchildren(etree.Element))  # an instruction may stand before it
    kind = ReceiptKind(etree.QName(body).localname)
    facts: dict[str, str] = {}
    for element in body.iterchildren(etree.Element):
        name = etree.QName(element).localname
        text = "".join(element.itertext())
        if name == "InformacjaUzupelniajaca":
            facts[element.get("TypInformacjiUzupelniajacej") or name] = text
        elif name in ("DataWytworzeniaPoswiadczenia", "DataUtworzeniaPoswiadczenia"):
            facts["made"] = text
        elif name in ("DataDoreczenia", "DataOdbioru", "DataOtrzymania"):
            facts["entered"] = text
        elif element.find("{*}Nazwa") is not None:
            facts[name] = element.findtext("{*}Nazwa") or ""
            facts[f"{name}/IdentyfikatorPodmiotu"] = element.findtext("{*}IdentyfikatorPodmiotu") or ""
        else:
            facts[name] = text
            facts |= {f"{name}/@{key}": str(value) for key, value in element.attrib.items()}
    return kind, MappingProxyType(facts)


def _notes(facts: Mapping[str, str], receipt: bytes, octets: bytes) -> tuple[str, ...]:
    told = {
        "receipt.rewritten": receipt != DECLARATION + octets,
        "receipt.trial": facts.get(upo.TRIAL) == "true",
        "receipt.test": facts.get(upo.ENVIRONMENT) == "test",
    }
    return tuple(code for code, holds in told.items() if holds)


def _value_is_ours(signature: etree._Element, report: Report) -> bool:
    """Whether the value is the one of its twins that the seal writes; the certificate is one of those beside it."""
    value = written.octets(signature[1]) or b""
    own = report.signatures[0].certificate
    ders = (written.octets(it) or b"" for it in signature.iter(f"{DS}X509Certificate"))
    signer = next(
        (certificate.load(der) for der in ders if own and hashlib.sha256(der).hexdigest() == own.sha256), None
    )
    return signer is not None and signer.key is not None and signature_value.lesser(signer.key, value) == value


def _hull_is_ours(signature: etree._Element) -> bool:
    octets = etree.tostring(signature, method="c14n", exclusive=True)
    match = _HULL.fullmatch(octets.decode())
    return match is not None and f' URI="#{match["key"]}">' in match["info"]
