"""The judgement of one `ds:Signature`: every question in its order, every answer into the report.

The order is that of EN 319 102-1 §5.2: format, references, signing certificate, signature value, path.  A fault
ends only what cannot be asked without it, so that a sender hears of the changed text *and* of the certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Final

from lxml import etree

from broker.evidence import AWAITED, Indication, Level, SignatureReport
from broker.verify import (
    algorithms,
    explain,
    identity,
    key_info,
    moment,
    references,
    signature_value,
    signer,
    written,
)
from broker.verify.algorithms import Method, Scheme
from broker.verify.c14n import Canon, reread
from broker.verify.certificate import Certificate
from broker.verify.fault import Fault, gravest
from broker.verify.moment import Timing
from broker.verify.names import DS, SIGNED_INFO
from broker.verify.references import Covered
from broker.verify.revocation import Known
from broker.verify.shape import Layout, Signature, counter_signatures, take_apart
from broker.verify.signer import Fits, Policy, Signer
from broker.verify.standing import Inquiry, Standing
from broker.verify.trust import TrustSnapshot

_LARGEST: Final = 1_000_000  # octets of a SignedInfo; real ones have some thousand
_OTHERS: Final = 3  # keys that are tried for another than the one that is bound: so many stand above a signer's


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """What the judgement of every signature of one document has in common."""

    layout: Layout
    canon: Canon
    guesses: Canon  # for what a sender is told beyond the verdict: the verdict must not depend on what it costs
    trust: TrustSnapshot
    known: Known
    at: datetime
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """One signature: its line in the report, what it covers, and the Reference that covers the form, if one does.

    Of several the one that names the whole document: whatever their order, it covers what stands around the root too.

    `signed` are the elements inside signatures that it has signed, and those that others signed who countersign it:
    SignedInfo and SignedProperties of each that holds, or of which only evidence of revocation is missing.  `unproven`
    are the others of these signatures, each with the code by which it does not hold.
    """

    report: SignatureReport
    covered: tuple[Covered, ...]
    covering: Covered | None
    signed: tuple[etree._Element, ...]
    unproven: Mapping[etree._Element, str]


def judge(element: etree._Element, number: int, case: Case, *, of: Signature | None = None) -> Judged:
    """Judge the signature; `of` is the one that it countersigns."""
    judgement = _Judgement(element, number, case, of, timing=Timing(at=case.at), standing=Standing(at=case.at))
    judgement.run()
    return judgement.outcome()


@dataclass(slots=True)
class _Judgement:
    element: etree._Element
    number: int
    case: Case
    of: Signature | None
    timing: Timing
    standing: Standing
    faults: list[Fault] = field(default_factory=list)
    parts: Signature | None = None
    covered: tuple[Covered, ...] = ()
    signer: Signer | None = None
    counters: tuple[Judged, ...] = ()

    def run(self) -> None:
        """Ask every question."""
        try:
            self._judge()
        except Fault as fault:
            self.faults.append(fault)

    def _judge(self) -> None:
        parts = self.parts = take_apart(self.element, self.case.layout.form)
        how, octets, signed_info = self._signed_info(parts)
        self.covered = references.judge_all(
            signed_info, parts.signed_info, self.element, self.case.layout, self.case.canon
        )
        self.faults += [self._explained(it) for it in self.covered if it.fault is not None]
        self._require_unmoved()
        self._try(self._check_coverage)
        scheme, value = self._scheme_and_value(signed_info, parts)
        beside = signer.certificates(parts)
        fits = partial(signature_value.holds, scheme=scheme, value=value, signed=octets)
        by = self.signer = signer.find(parts, beside, self.covered, self.case.policy, fits)
        try:
            signature_value.check(by.key, scheme, value, octets)
        except Fault as fault:
            self._require_no_other(beside, fits)
            self.faults.append(
                self._with_hint(fault, parts, how, lambda signed: signature_value.holds(by.key, scheme, value, signed))
            )
        self._try(lambda: key_info.require(self.element, self._apart(parts), by.key))
        self.timing = moment.find(parts, self.case.at, self.case.trust, self.case.known, self.case.guesses)
        self.standing = Standing(at=self.timing.at)
        self._try(self._check_claim)
        self._try(lambda: self._believe(beside))
        self.counters = tuple(
            judge(counter, place, self.case, of=parts)
            for place, counter in enumerate(counter_signatures(self.element), start=1)
        )

    def _try(self, question: Callable[[], None]) -> None:
        """Ask, note what is wrong, and go on."""
        try:
            question()
        except Fault as fault:
            self.faults.append(fault)

    # ── what is signed ──

    def _signed_info(self, parts: Signature) -> tuple[Method, bytes, etree._Element]:
        """Return SignedInfo's canonicalisation, its octets, and the tree of these octets."""
        references.require_few(parts.signed_info)
        methods = list(parts.signed_info.iterchildren(DS + "CanonicalizationMethod"))
        if len(methods) != 1:
            raise Fault("verify.signature-malformed", "ds:SignedInfo", part="ds:SignedInfo")
        try:
            how = references.method(methods[0])
            octets = self.case.canon.element(parts.signed_info, how, comments=how.comments)
        except Fault as fault:
            raise fault.at("ds:CanonicalizationMethod") from None
        if len(octets) > _LARGEST:
            raise Fault("verify.too-costly", "ds:SignedInfo")
        root = reread(octets)
        names = [child.tag for child in root.iterchildren(etree.Element)]
        expected = [DS + "CanonicalizationMethod", DS + "SignatureMethod"]
        if root.tag != SIGNED_INFO or names[:2] != expected or set(names[2:]) - {DS + "Reference"}:
            raise Fault("verify.signature-malformed", "ds:SignedInfo", part="ds:SignedInfo")
        return how, octets, root

    def _require_unmoved(self) -> None:
        """Raise Fault if what was covered was moved into the signature, which leaves itself out.

        Then no Reference names the form, and the move is told of: not the transforms, nor the part that holds it now.
        """
        nothing = all(it.code == "verify.covers-nothing" for it in self.faults)
        if self.of is None and self.faults and nothing and not any(it.names_form for it in self.covered):
            self.faults = []
            raise Fault("verify.root-not-covered", "ds:SignedInfo")

    def _check_coverage(self) -> None:
        """Raise Fault unless a Reference covers what this signature is there for."""
        if self.of is not None:
            if all(it.target is not self.of.value for it in self.covered):
                raise Fault("verify.counter-signature-elsewhere", "ds:SignedInfo")
        elif not any(it.report.covers_form for it in self.covered):
            # If a Reference that was meant to cover it is refused, that is the reason and stands there already.
            raise Fault("verify.root-not-covered", "ds:SignedInfo")

    def _explained(self, it: Covered) -> Fault:
        fault = it.fault or Fault("verify.digest-mismatch")
        if fault.code != "verify.digest-mismatch":
            return fault
        fault.hint = explain.CHANGED
        if it.whole:
            fault.hint = explain.digest_mismatch(
                octets=it.octets,
                algorithm=algorithms.digest(it.report.digest_method),
                expected=written.decoded(it.report.expected) or b"",
                canon=self.case.guesses,
                out=it.out,
                every=self.case.layout.positions() if not self.case.layout.enveloping else (),
            )
        return fault

    # ── by whom ──

    def _scheme_and_value(self, signed_info: etree._Element, parts: Signature) -> tuple[Scheme, bytes]:
        method = signed_info.find(DS + "SignatureMethod")
        try:
            scheme = algorithms.scheme("" if method is None else method.get("Algorithm") or "")
        except Fault as fault:
            raise fault.at("ds:SignatureMethod") from None
        if method is not None and len(method):
            raise Fault("verify.transform-parameters", "ds:SignatureMethod")
        value = written.octets(parts.value)
        if value is None:
            raise Fault("verify.signature-value-malformed", "ds:SignatureValue")
        return scheme, value

    def _require_no_other(self, beside: Sequence[Certificate], fits: Fits) -> None:
        """Raise Fault if the value holds, by the key of another certificate than the one that is bound.

        Whose certificate is bound has signed nothing, and is nobody's signer (EN 319 102-1 §5.2.3.4).
        """
        own = self.signer.certificate if self.signer else None
        others = (it.key for it in beside if it is not own and it.key is not None)
        if any(fits(other) for other in islice(others, _OTHERS)):
            self.signer = None
            raise Fault("verify.signing-certificate-other", "xades:SigningCertificate")

    def _with_hint(self, fault: Fault, parts: Signature, how: Method, holds: Callable[[bytes], bool]) -> Fault:
        if fault.code == "verify.signature-value-mismatch":
            fault.hint = explain.value_mismatch(parts.signed_info, how, self.case.guesses, holds)
        return fault.at("ds:SignatureValue")

    def _check_claim(self) -> None:
        """Raise Fault if the signer claims a moment that cannot be."""
        properties = self.signer.properties if self.signer else None
        if properties is not None:
            moment.require(properties.signing_time, self.case.at, self.case.policy.window)

    def _believe(self, beside: Sequence[Certificate]) -> None:
        """Find the path, and say who signed and at which level; raise Fault."""
        own = self.signer.certificate if self.signer else None
        if own is None:  # by a key that the operator gave
            self.standing.level = Level.LOCAL if self.case.policy.path else Level.NONE
            return
        self.standing.identity = own.identity
        if not self.case.policy.path:
            return
        properties = self.signer.properties if self.signer else None
        found = self.standing = Inquiry(
            own=own,
            beside=[it for it in beside if it is not own],
            claimed=identity.claimed(properties.roles) if properties else None,
            trust=self.case.trust,
            known=self.case.known,
            entry=self.case.at,
        ).answer(self.timing)
        if found.fault is not None:
            raise found.fault.at("ds:X509Certificate")

    # ── the outcome ──

    def outcome(self) -> Judged:
        """Return the judgement."""
        fault = gravest(self.faults)
        holding = (it for it in self.covered if it.report.covers_form and it.fault is None)
        covering = min(holding, key=lambda it: it.target is not None, default=None)
        own = self.signer.certificate if self.signer else None
        properties = self.signer.properties if self.signer else None
        way = self.standing.path
        report = SignatureReport(
            id=self.element.get("Id") or f"#{self.number}",
            indication=fault.indication if fault else Indication.PASSED,
            sub_indication=fault.sub_indication if fault else None,
            code=fault.code if fault else "",
            place=fault.place if fault else "",
            hint=fault.hint if fault else self.standing.hint,
            facts=fault.facts if fault else {},
            shape=self._shape(),
            signature_method=self._method_uri(),
            references=tuple(it.report for it in self.covered),
            certificate=own.report if own else None,
            path=way.subjects if way else (),
            path_sha256=way.digests if way else (),
            anchor=way.anchor.report(self.standing.at) if way else None,
            tried=self.standing.tried,
            revocation=self.standing.revocation,
            level=Level.NONE if fault and fault.code not in AWAITED else self.standing.level,
            # Whose signature it is, a signature that failed does not tell.
            identity=None if fault and fault.indication is Indication.FAILED else self.standing.identity,
            signing_time=properties.signing_time.moment if properties and properties.signing_time else None,
            judged_at=self.standing.at,
            time_stamps=self.timing.stamps,
            extensions=self.timing.others,
            counter_signatures=tuple(it.report for it in self.counters),
        )
        return Judged(
            report=report,
            covered=self.covered,
            covering=covering,
            signed=tuple(self._signed(fault)),
            unproven=dict(self._unproven(fault)),
        )

    def _signed(self, fault: Fault | None) -> Iterator[etree._Element]:
        if self.parts is not None and (fault is None or fault.code in AWAITED):
            yield from self._own_words(self.parts)
        for counter in self.counters:
            yield from counter.signed

    def _unproven(self, fault: Fault | None) -> Iterator[tuple[etree._Element, str]]:
        if fault is not None and fault.code not in AWAITED:
            yield self.element, fault.code
        for counter in self.counters:
            yield from counter.unproven.items()

    def _own_words(self, parts: Signature) -> Iterator[etree._Element]:
        """Yield what its signer has signed inside this signature."""
        yield parts.signed_info
        # In the basic profile nothing else asks whether there are properties, and whether they are covered.
        yield from (it.target for it in self.covered if it.target is not None and it.target is parts.signed_properties)

    def _apart(self, parts: Signature) -> frozenset[etree._Element]:
        """Return what is signed in this signature, or is a signature of others: it may name other keys."""
        return frozenset({self.case.layout.form, *self._own_words(parts), *counter_signatures(self.element)})

    def _shape(self) -> str:
        if self.of is not None:
            return "counter-signature"
        if self.case.layout.enveloping:
            return "enveloping"
        by_xpath = any(algorithms.XPATH in it.report.transforms for it in self.covered)
        return "enveloped-xpath" if by_xpath else "enveloped"

    def _method_uri(self) -> str:
        method = self.element.find(f"{SIGNED_INFO}/{DS}SignatureMethod")
        return "" if method is None else method.get("Algorithm") or ""
