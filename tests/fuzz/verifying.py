"""`verify`: a signed document that was changed is accepted only if it says what was signed, and others agree.

The fuzzer has no key.  So whatever it makes of documents that were once signed, the canonical form that is accepted
must be one that somebody signed, its signers must be those who signed it, and xmlsec1 (or signxml, where xmlsec1 is not
installed) must accept it too.  What stands second in a broker may contradict none of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache

from cryptography import x509
from lxml import etree

from adapters.verifiers.signxml import Signxml
from broker.errors import Rejection
from broker.evidence import Indication, Level, Report, Stance, to_json
from broker.model import Form, FormKey, Valid
from broker.parse import Limits, Parse, read
from broker.verify import Anchor, TrustSnapshot, Verify
from tests.builders import an_envelope
from tests.corpus import kept
from tests.fuzz.changes import change
from tests.interop import verifiers

LONGEST = 20_000
AT = an_envelope().received_at
A_FORM = Form(key=FormKey(name="f", version="1"), namespace="", root="", title_pl="", title_en="")
_LEVELS = {"qualified-ca": Level.QUALIFIED, "platform-ca": Level.TRUSTED_PROFILE, "local-ca": Level.LOCAL}
LIMITS = Limits()


@cache
def trust() -> TrustSnapshot:
    """Return whom the corpus trusts."""
    return TrustSnapshot(
        anchors=tuple(
            Anchor(
                certificate=x509.load_pem_x509_certificate((kept.ROOT / "trust" / f"{name}.pem").read_bytes()),
                name=name,
                level=level,
                platform_seal=level is Level.TRUSTED_PROFILE,
            )
            for name, level in _LEVELS.items()
        )
    )


@cache
def documents() -> tuple[bytes, ...]:
    """Return the documents of the corpus that a change begins from."""
    return tuple(it.read() for it in kept.kept())


@cache
def truths() -> frozenset[tuple[bytes, frozenset[str]]]:
    """Return what was signed: the essence of each accepted document, with each of its signers alone, too."""
    found: set[tuple[bytes, frozenset[str]]] = set()
    for it in kept.kept():
        # One whose authority nobody trusts, or who came too late, has signed all the same.
        outcome = judged(it.read())
        if outcome is None or outcome[0].indication is not Indication.PASSED:
            continue
        report, content = outcome
        found |= {(essence(content), frozenset([signer])) for signer in signers(report)}
    return frozenset(found)


def judged(document: bytes) -> tuple[Report, bytes] | None:
    """Judge as intake does; None if parse refuses."""
    try:
        parsed = Parse(limits=LIMITS)(an_envelope(document))
    except Rejection:
        return None
    done = Verify(trust=trust)(Valid(document=parsed, form=A_FORM))
    return done.report, done.content


def essence(content: bytes) -> bytes:
    """Return the form's digest, whatever method of canonicalisation the signer chose."""
    root = read(content, LIMITS)
    return hashlib.sha256(etree.tostring(root, method="c14n", exclusive=True, with_comments=False)).digest()


def signers(report: Report) -> frozenset[str]:
    """Return the certificates of those who are reported as signers."""
    return frozenset(it.certificate.sha256 for it in report.signatures if it.certificate)


def body(data: bytes) -> None:
    """Judge the octets as a document, or as the recipe of a change to one of the corpus."""
    document = data if data.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \r\n\t")[:1] == b"<" else change(data, documents())
    outcome = judged(document)
    if outcome is None:
        return
    report, content = outcome
    assert to_json(report)
    if report.indication is not Indication.PASSED or not report.signatures:
        assert report.indication is not Indication.PASSED or report.level is Level.NONE
        return
    assert signers(report), "accepted, and nobody signed it"
    for signer in signers(report):
        assert (essence(content), frozenset([signer])) in truths(), "accepted, and nobody signed this"
    said = Signxml()(document, report.signatures)
    assert said.stance is not Stance.DISAGREES, "accepted by us, refused by the broker's second verifier"
    if document not in documents():
        _demand_agreement(document, report)


def _demand_agreement(document: bytes, report: Report) -> None:
    """Ask the others; what none of them can read stays ours alone."""
    shown = {
        hashlib.sha256(der).hexdigest(): der
        for written in read(document, LIMITS).iter("{http://www.w3.org/2000/09/xmldsig#}X509Certificate")
        if (der := verifiers.decoded(written)) is not None
    }
    by = [x509.load_der_x509_certificate(shown[it.certificate.sha256]) for it in report.signatures if it.certificate]
    says = verifiers.xmlsec1(document, by) if verifiers.xmlsec1_is_here() else None
    says = verifiers.signxml(document, by) if says is None else says
    assert says is not False, "accepted here, refused by another"


def seeds() -> Iterator[bytes]:
    """Every signed document, and a recipe for a change to each."""
    assert truths()  # before the first input, which it would make look slow
    for number, document in enumerate(documents()):
        yield document
        yield bytes([1, number % 256, number // 256]) + hashlib.sha256(document).digest()[:12]
