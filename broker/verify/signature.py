"""The judgement of one `ds:Signature`: every question in its order, every answer into the report.

The order is that of EN 319 102-1 §5.2: format, references, signing certificate, signature value, path.  A fault
ends only what cannot be asked without it, so that a sender hears of the changed text *and* of the certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final

from lxml import etree

from broker.evidence import AWAITED, Identity, Indication, Level, RevocationReport, SignatureReport
from broker.verify import (
    algorithms,
    explain,
    identity,
    moment,
    path,
    references,
    revocation,
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
from broker.verify.path import Path
from broker.verify.references import Covered
from broker.verify.revocation import Known
from broker.verify.shape import Layout, Signature, counter_signatures, take_apart
from broker.verify.signer import Policy, Signer
from broker.verify.trust import REVOCATION_OFF, PublicKey, TrustSnapshot

CLAIM_NOT_BELIEVED = "verify.hint-claimed-role"
_LARGEST: Final = 1_000_000  # octets of a SignedInfo; real ones have some thousand
_OTHERS: Final = 3  # keys that are tried for a hint: so many stand above a signer's
WRONG_CERTIFICATE = "verify.hint-wrong-certificate"


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
    """One signature: its line in the report, what it covers, and the Reference that covers the form, if one does."""

    report: SignatureReport
    covered: tuple[Covered, ...]
    covering: Covered | None


def judge(element: etree._Element, number: int, case: Case, *, of: Signature | None = None) -> Judged:
    """Judge the signature; `of` is the one that it countersigns."""
    judgement = _Judgement(element, number, case, of)
    judgement.run()
    return judgement.outcome()


@dataclass(slots=True)
class _Judgement:
    element: etree._Element
    number: int
    case: Case
    of: Signature | None
    faults: list[Fault] = field(default_factory=list)
    parts: Signature | None = None
    covered: tuple[Covered, ...] = ()
    signer: Signer | None = None
    subjects: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()
    revocation: tuple[RevocationReport, ...] = ()
    level: Level = Level.NONE
    identity: Identity | None = None
    timing: Timing | None = None
    hint: str = ""
    counters: tuple[SignatureReport, ...] = ()

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
        self._try(self._check_coverage)
        scheme, value = self._scheme_and_value(signed_info, parts)
        beside = signer.certificates(parts)
        self.signer = signer.find(
            parts,
            beside,
            self.covered,
            self.case.policy,
            lambda key: signature_value.holds(key, scheme, value, octets),
        )
        try:
            signature_value.check(self.signer.key, scheme, value, octets)
        except Fault as fault:
            self.faults.append(
                self._with_hint(
                    fault, beside, how, lambda key, signed: signature_value.holds(key, scheme, value, signed)
                )
            )
        self.timing = moment.find(parts, self.case.at, self.case.trust, self.case.known, self.case.guesses)
        self._try(self._check_claim)
        self._try(lambda: self._believe(beside))
        self.counters = tuple(
            judge(counter, place, self.case, of=parts).report
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

    def _with_hint(
        self, fault: Fault, beside: Sequence[Certificate], how: Method, holds: Callable[[PublicKey, bytes], bool]
    ) -> Fault:
        parts, by = self.parts, self.signer
        if fault.code == "verify.signature-value-mismatch" and parts is not None and by is not None:
            canon = self.case.guesses
            octets = canon.element(parts.signed_info, how, comments=how.comments)
            others = (it.key for it in beside if it is not by.certificate and it.key is not None)
            if any(holds(other, octets) for other in islice(others, _OTHERS)):
                fault.hint = WRONG_CERTIFICATE
            else:
                fault.hint = explain.value_mismatch(parts.signed_info, how, canon, lambda signed: holds(by.key, signed))
        return fault.at("ds:SignatureValue")

    def _check_claim(self) -> None:
        """Raise Fault if the signer claims a moment that cannot be."""
        properties = self.signer.properties if self.signer else None
        if properties is not None:
            moment.require(properties.signing_time, self.case.at, self.case.policy.window)

    @property
    def _at(self) -> datetime:
        return self.timing.at if self.timing else self.case.at

    def _believe(self, beside: Sequence[Certificate]) -> None:
        """Find the path, and say who signed and at which level; raise Fault."""
        own = self.signer.certificate if self.signer else None
        if own is None:  # by a key that the operator gave
            self.level = Level.LOCAL if self.case.policy.path else Level.NONE
            return
        self.identity = own.identity
        if not self.case.policy.path:
            return
        try:
            found = path.find(own, [it for it in beside if it is not own], self.case.trust, self._at)
            self.subjects = found.subjects
            self._rank(found)
            self._check_revocation(found)  # last: when only its evidence is missing, all else is established
        except Fault as fault:
            self.tried = fault.tried
            fault = self.timing.excuse(fault) if self.timing else fault
            raise fault.at("ds:X509Certificate") from None

    def _rank(self, found: Path) -> None:
        """Say at which level, and who signed where a platform's seal says it."""
        properties = self.signer.properties if self.signer else None
        person = identity.claimed(properties.roles) if properties else None
        if person is not None and found.anchor.platform_seal:
            self.identity, self.level = person, Level.TRUSTED_PROFILE
            return
        if person is not None:
            self.hint = CLAIM_NOT_BELIEVED
        # The platform's seal without a person is no podpis zaufany: it says which machine signed, not who.
        level = found.anchor.level_of(found.certificates[0].x509, self._at)
        self.level = Level.LOCAL if level is Level.TRUSTED_PROFILE else level

    def _check_revocation(self, found: Path) -> None:
        """Judge by the evidence that is there, say what should be asked for, and raise Fault if it is not enough."""
        case = self.case
        if case.trust.revocation == REVOCATION_OFF:
            return
        self.revocation = revocation.judge(found, case.known.evidence(), case.trust, self._at)
        if revocation.due(self.revocation, self._at):
            case.known.ask(found)
        revocation.require(self.revocation)

    # ── the outcome ──

    def outcome(self) -> Judged:
        """Return the judgement."""
        fault = gravest(self.faults)
        covering = next((it for it in self.covered if it.report.covers_form and it.fault is None), None)
        own = self.signer.certificate if self.signer else None
        properties = self.signer.properties if self.signer else None
        report = SignatureReport(
            id=self.element.get("Id") or f"#{self.number}",
            indication=fault.indication if fault else Indication.PASSED,
            sub_indication=fault.sub_indication if fault else None,
            code=fault.code if fault else "",
            place=fault.place if fault else "",
            hint=fault.hint if fault else self.hint,
            facts=fault.facts if fault else {},
            shape=self._shape(),
            signature_method=self._method_uri(),
            references=tuple(it.report for it in self.covered),
            certificate=own.report if own else None,
            path=self.subjects,
            tried=self.tried,
            revocation=self.revocation,
            level=Level.NONE if fault and fault.code not in AWAITED else self.level,
            # Whose signature it is, a signature that failed does not tell.
            identity=None if fault and fault.indication is Indication.FAILED else self.identity,
            signing_time=properties.signing_time if properties else None,
            judged_at=self._at,
            time_stamps=self.timing.stamps if self.timing else (),
            extensions=self.timing.others if self.timing else (),
            counter_signatures=self.counters,
        )
        return Judged(report=report, covered=self.covered, covering=covering)

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
