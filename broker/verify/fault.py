"""What can be wrong with a signature, and which verdict each fault gives.

Here stands the table from codes to verdicts; the words are in `broker/texts/verify.py`.  A `Fault` never leaves
this package: it becomes a line of the report.

The rule behind the table (EN 319 102-1 table 6): broken or contradictory is TOTAL-FAILED; sound perhaps, but
outside what we take or can tell, is INDETERMINATE.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from broker.evidence import Indication, SubIndication, told


class Fault(Exception):
    """A reason why a signature does not hold; `place` names a part of the signature, never a value.

    `facts` fill the gaps of the code's text: they may come from the document, and are made fit to be told here.
    `tried` are the subjects of the path that breaks a rule, where one does.
    """

    def __init__(self, code: str, place: str = "", hint: str = "", *, tried: Sequence[str] = (), **facts: str) -> None:
        super().__init__(code, place)
        self.code = code
        self.place = place
        self.hint = hint
        self.tried = tuple(tried)
        self.facts = {name: told(fact) or "-" for name, fact in facts.items()}

    @property
    def sub_indication(self) -> SubIndication:
        """The sub-indication that the table gives."""
        return VERDICTS[self.code]

    @property
    def indication(self) -> Indication:
        """FAILED or INDETERMINATE: follows from the sub-indication."""
        return Indication.FAILED if self.sub_indication in _FAILED else Indication.INDETERMINATE

    def at(self, place: str) -> Fault:
        """Say where, unless that was said already."""
        self.place = self.place or place
        return self


_FAILED: Final = frozenset(
    {
        SubIndication.FORMAT_FAILURE,
        SubIndication.HASH_FAILURE,
        SubIndication.SIG_CRYPTO_FAILURE,
        SubIndication.REVOKED,
        SubIndication.EXPIRED,
        SubIndication.NOT_YET_VALID,
    }
)

_BY_VERDICT: Final[Mapping[SubIndication, tuple[str, ...]]] = {
    SubIndication.FORMAT_FAILURE: (
        "signature-misplaced",
        "duplicate-id",
        "signature-malformed",
        "signature-text",
        "two-signed-info",
        "two-signed-properties",
        "two-qualifying-properties",
        "object-unknown",
        "enveloping-form",
        "covers-nothing",
        "no-references",
        "transform-order",
        "transform-parameters",
        "digest-malformed",
        "c14n-failed",
        "signature-value-malformed",
        "signature-value-encoding",
        "xades-target",
        "xades-malformed",
        "signed-properties-not-covered",
        "signed-properties-type",
        "signed-properties-elsewhere",
        "counter-signature-elsewhere",
        "certificate-unreadable",
        "key-info-unreadable",
        "key-value-mismatch",
        "timestamp-unreadable",
    ),
    SubIndication.HASH_FAILURE: ("digest-mismatch", "timestamp-imprint"),
    SubIndication.SIG_CRYPTO_FAILURE: ("signature-value-mismatch", "key-mismatch", "timestamp-signature"),
    SubIndication.NOT_YET_VALID: ("certificate-not-yet-valid",),
    SubIndication.SIG_CONSTRAINTS_FAILURE: (
        "too-many-signatures",
        "enveloping-base64",
        "detached",
        "root-not-covered",
        "instruction-unsigned",
        "foreign-unsigned",
        "counter-signature-unproven",
        "attribute-unsigned",
        "signature-in-text",
        "prefix-unsigned",
        "manifest",
        "too-many-references",
        "reference-no-uri",
        "reference-http",
        "reference-file",
        "reference-external",
        "reference-xpointer",
        "too-many-transforms",
        "transform-xslt",
        "transform-xpath",
        "transform-filter2",
        "transform-decrypt",
        "transform-base64",
        "transform-unknown",
        "c14n-unknown",
        "c14n11-base",
        "too-costly",
        "xades-missing",
        "xades-1-1-1",
        "xades-1-2-2",
        "xades-unknown",
        "xades-external",
        "too-many-certificates",
        "too-many-keys",
        "timestamp-future",
        "timestamp-too-many",
        "signing-time-future",
        "signing-time-old",
        "second-opinion",
    ),
    SubIndication.SIGNED_DATA_NOT_FOUND: ("reference-target-missing",),
    SubIndication.CRYPTO_CONSTRAINTS_FAILURE: (
        "digest-sha1",
        "digest-md5",
        "digest-unknown",
        "signature-sha1",
        "signature-md5",
        "signature-hmac",
        "signature-dsa",
        "signature-algorithm-unknown",
        "key-short",
        "chain-weak",
        "timestamp-algorithm",
    ),
    SubIndication.NO_SIGNING_CERTIFICATE_FOUND: (
        "certificate-missing",
        "signing-certificate-missing",
        "signing-certificate-ambiguous",
        "signing-certificate-mismatch",
        "signing-certificate-issuer",
        "signing-certificate-other",
    ),
    SubIndication.OUT_OF_BOUNDS_NO_POE: ("certificate-expired", "chain-expired", "chain-not-yet-valid"),
    SubIndication.CHAIN_CONSTRAINTS_FAILURE: ("certificate-is-ca", "key-usage", "chain-invalid", "timestamp-usage"),
    SubIndication.NO_CERTIFICATE_CHAIN_FOUND: ("chain-untrusted", "timestamp-untrusted"),
    SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE: (
        "chain-unreadable",
        "chain-too-complex",
        "revocation-unobtainable",
    ),
    SubIndication.REVOKED: ("revoked",),
    SubIndication.REVOKED_CA_NO_POE: ("ca-revoked",),
    SubIndication.TRY_LATER: ("on-hold", "revocation-stale", "revocation-unknown"),
}

VERDICTS: Final[Mapping[str, SubIndication]] = MappingProxyType(
    {f"verify.{reason}": verdict for verdict, reasons in _BY_VERDICT.items() for reason in reasons}
)


def gravest(faults: Iterable[Fault]) -> Fault | None:
    """Return the fault that decides: the first that makes the verdict FAILED, else the first of all."""
    found = list(faults)
    failed = (fault for fault in found if fault.indication is Indication.FAILED)
    return next(failed, found[0] if found else None)
