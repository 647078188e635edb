"""The judgement of a whole document: all its signatures, and the octets that they cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from lxml import etree

from broker.evidence import AWAITED, UNSIGNED, Indication, Level, Report, SignatureReport
from broker.verify import prefixes, unsigned
from broker.verify.algorithms import INCLUSIVE
from broker.verify.c14n import Canon, reread, weight
from broker.verify.fault import Fault
from broker.verify.names import SIGNATURE
from broker.verify.references import Covered
from broker.verify.revocation import NOTHING_KNOWN, Known
from broker.verify.shape import Layout, lay_out
from broker.verify.signature import Case, Judged, judge
from broker.verify.signer import Policy
from broker.verify.trust import TrustSnapshot
from broker.vocabulary import over

_SPARE: Final = 1_000_000  # octets that even the smallest document may cost
_ONCE: Final = 1_000_000_000  # one canonicalisation, of whatever parse let through


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the signatures are worth, and the canonical octets of the form."""

    report: Report
    content: bytes


def judge_document(
    root: etree._Element,
    form: etree._Element,
    *,
    trust: TrustSnapshot,
    known: Known = NOTHING_KNOWN,
    at: datetime,
    policy: Policy,
    size: int,
) -> Judgement:
    """Judge all signatures of a document of `size` octets as of `at`.  Raises nothing of its own.

    lxml's copies leave the names of the document in the dictionary of the thread, as its parse would.
    """
    return over(
        root, size, lambda: _judge_document(root, form, trust=trust, known=known, at=at, policy=policy, size=size)
    )


def _judge_document(
    root: etree._Element,
    form: etree._Element,
    *,
    trust: TrustSnapshot,
    known: Known,
    at: datetime,
    policy: Policy,
    size: int,
) -> Judgement:
    cost = weight(root, size)
    canon = Canon(root, budget=4 * cost + _SPARE, floor=cost)
    judged: list[Judged] = []
    try:
        layout = lay_out(root)
        if layout is None:
            report = replace(UNSIGNED, revocation=trust.revocation, judged_at=at)
            return Judgement(report=report, content=_bare(root, form))
        _require_same(layout.form, form)
        guesses = Canon(root, budget=16 * size + _SPARE, floor=cost)
        case = Case(layout=layout, canon=canon, guesses=guesses, trust=trust, known=known, at=at, policy=policy)
        judged = [judge(element, number, case) for number, element in enumerate(layout.signatures, start=1)]
        report = _together([it.report for it in judged], trust, at)
        if report.indication is Indication.PASSED or report.awaits:
            covering = [it.covering for it in judged if it.covering is not None]
            signed = {element for it in judged for element in it.signed}
            unproven = {element: code for it in judged for element, code in it.unproven.items()}
            unsigned.require_nothing(layout, covering, signed, unproven)
            _require_meaning(judged, root)
            return Judgement(report=report, content=_covered(judged, layout, canon))
    except Fault as fault:
        report = Report(
            indication=fault.indication,
            sub_indication=fault.sub_indication,
            code=fault.code,
            place=fault.place,
            hint=fault.hint,
            facts=fault.facts,
            signatures=tuple(it.report for it in judged),
            revocation=trust.revocation,
            judged_at=at,
        )
    return Judgement(report=report, content=_bare(root, form))


def form_of(root: etree._Element) -> etree._Element:
    """Return the element for which a document was made, as its signature tells.

    For documents that `parse` has not seen.  One that holds no such element is itself the form: its report says why.
    """
    try:
        layout = lay_out(root)
    except Fault:
        return root
    return root if layout is None else layout.form


def _require_same(covered: etree._Element, claimed: etree._Element) -> None:
    """Raise Fault unless what went through validation is what the signature was made for."""
    if covered is not claimed:
        raise Fault("verify.enveloping-form", "ds:Object")


def _require_meaning(judged: Sequence[Judged], root: etree._Element) -> None:
    """Raise Fault if what any of the signatures covers hangs on an attribute or a prefix that it does not cover."""
    seen = set()
    for number, one in enumerate(judged, start=1):
        for place, it in enumerate(one.covered, start=1):
            what = (it.target, it.method, it.out)
            try:
                unsigned.require_no_attribute_around(it, one.covered, root)
                if what not in seen:  # its octets were made once, and so they are read once
                    seen.add(what)
                    prefixes.require_signed(it, root)
            except Fault as fault:
                raise fault.at(f"ds:Signature[{number}]/ds:Reference[{place}]") from None


def _together(reports: Sequence[SignatureReport], trust: TrustSnapshot, at: datetime) -> Report:
    """Return the report of the whole: the weakest signature decides, all must hold."""
    wrong = [it for it in reports if it.indication is not Indication.PASSED]
    # What fails decides, then what cannot be known; what can still become known comes last.
    decides = min(wrong, key=lambda it: (it.indication is not Indication.FAILED, it.code in AWAITED), default=None)
    proven = decides is None or decides.code in AWAITED
    return Report(
        indication=decides.indication if decides else Indication.PASSED,
        sub_indication=decides.sub_indication if decides else None,
        code=decides.code if decides else "",
        place=_place(decides, reports) if decides else "",
        hint=decides.hint if decides else next((it.hint for it in reports if it.hint), ""),
        facts=decides.facts if decides else {},
        level=min((it.level for it in reports), key=lambda level: level.rank) if proven else Level.NONE,
        signatures=tuple(reports),
        revocation=trust.revocation,
        judged_at=at,
    )


def _place(decides: SignatureReport, reports: Sequence[SignatureReport]) -> str:
    number = next(number for number, it in enumerate(reports, start=1) if it is decides)
    return f"ds:Signature[{number}]/{decides.place}" if decides.place else f"ds:Signature[{number}]"


def _covered(judged: Sequence[Judged], layout: Layout, canon: Canon) -> bytes:
    """Return the octets of the form that every signature covers; raise Fault.

    An enveloped form: the octets of the Reference that leaves every signature out.  An enveloping signature: the
    form out of the covered Object.
    """
    covering = [it.covering for it in judged if it.covering is not None]
    if layout.enveloping:
        return _unwrapped(covering[0], layout)
    every = layout.positions()
    exact = next((it.octets for it in covering if it.out == every), None)
    return exact if exact is not None else canon.document(covering[0].method, every)


def _unwrapped(covering: Covered, layout: Layout) -> bytes:
    if covering.target is layout.form:
        return covering.octets
    root = reread(covering.octets)
    return Canon(root, budget=_ONCE).element(next(root.iterchildren(etree.Element)), covering.method)


def _bare(root: etree._Element, form: etree._Element) -> bytes:
    """Return the canonical form, signatures left out, of a document whose signatures prove nothing."""
    canon = Canon(root, budget=_ONCE)
    try:
        if form is not root:
            return canon.element(form, INCLUSIVE)
        out = tuple(root.index(it) for it in root.iterchildren(SIGNATURE))
        return canon.document(INCLUSIVE, out, alone=True)
    except Fault:  # it has no canonical form (a relative namespace name): then as it is
        return etree.tostring(form, encoding="UTF-8", with_tail=False)
