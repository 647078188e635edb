"""signxml as the second verifier: agrees with what is accepted, contradicts what is wrong, and raises nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Thread

import pytest
from cryptography.exceptions import InvalidSignature as WrongValue
from cryptography.exceptions import UnsupportedAlgorithm
from lxml import etree
from signxml.exceptions import InvalidCertificate, InvalidDigest, InvalidInput, InvalidSignature
from signxml.verifier import XMLVerifier

from adapters.testkit.pki import JAN, Pki
from adapters.testkit.signer import sign, sign_on_platform
from adapters.testkit.signing.recipe import C14N, ENVELOPED, EXCLUSIVE, EXCLUSIVE_COMMENTS, QUALIFIED, XPATH
from adapters.verifiers import signxml
from adapters.verifiers.signxml import BY, CANNOT, UNREADABLE, Asked, Signxml, opinion
from broker import vocabulary
from broker.errors import Unavailable
from broker.evidence import Indication, SecondOpinion, SignatureReport, Stance
from broker.parse import Limits, read
from tests.corpus.kept import kept
from tests.corpus.verify.prefixes import COVERED
from tests.corpus.verify.scene import AT, FORM, FORM_WITH_ID, PKI, judged
from tests.fuzz import verifying

AGREES = SecondOpinion(by=BY, stance=Stance.AGREES)
SAMPLES = sorted((Path(__file__).parents[2].parent / "shared" / "data" / "podpis-samples").glob("*.xml"))
TEST_DOCUMENT = (
    b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    b'<TestDocument xmlns:xsd="http://www.w3.org/2001/XMLSchema"\n'
    b'              xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n\t</TestDocument>'
)
PLAIN = b'<w:r xmlns:w="urn:w"><w:a k="1">x &amp; y</w:a>\n <w:b/>tail</w:r>'
SIGNED = sign(PLAIN, PKI.person, AT, QUALIFIED)
SPACED = "not ( ancestor-or-self :: ds:Signature )"
COVERED_BY_A_TAB = lambda: sign(  # noqa: E731
    b'<w:r xmlns:w="urn:w" xmlns:o="urn:o"/>',
    PKI.person,
    AT,
    rewrite=lambda text: text.replace(
        f'Algorithm="{EXCLUSIVE}"/></ds:Transforms>',
        f'Algorithm="{EXCLUSIVE}"><c:InclusiveNamespaces xmlns:c="{EXCLUSIVE}" PrefixList="w&#9;w"/></ds:Transform>'
        "</ds:Transforms>",
        1,
    ),
)
TWO = sign(SIGNED, PKI.other_person, AT, QUALIFIED)


def found(document: bytes) -> tuple[SignatureReport, ...]:
    """What our own verifier finds, which must hold."""
    report = judged(document)
    assert report.code == ""
    return report.signatures


def says(document: bytes, signatures: tuple[SignatureReport, ...] | None = None) -> SecondOpinion:
    return Signxml()(document, found(document) if signatures is None else signatures)


def with_another_value(document: bytes) -> bytes:
    """The document, its last signature's value changed in one bit."""
    start = document.index(b">", document.rindex(b"<ds:SignatureValue")) + 1
    other = b"A" if document[start : start + 1] != b"A" else b"B"
    return document[:start] + other + document[start + 1 :]


# ── the corpus ──


@cache
def of_the_corpus() -> dict[str, SecondOpinion]:
    """What it says of every signed document of the corpus that is accepted."""
    said = {}
    for it in kept():
        outcome = verifying.judged(it.read())
        if outcome is not None and outcome[0].indication is Indication.PASSED and outcome[0].signatures:
            said[it.path.removeprefix("accepted/").removesuffix(".xml")] = says(it.read(), outcome[0].signatures)
    return said


def test_it_disagrees_with_nothing_that_is_accepted():
    """The promise without which nobody could switch it on."""
    assert {path: it for path, it in of_the_corpus().items() if it.stance is Stance.DISAGREES} == {}


def test_what_it_cannot_read_of_what_is_accepted_has_a_reason_that_is_told():
    assert {it.reason for it in of_the_corpus().values() if it.stance is Stance.NONE} <= set(CANNOT)


def test_it_agrees_with_five_in_six_of_what_is_accepted():
    stances = [it.stance for it in of_the_corpus().values()]
    assert stances.count(Stance.AGREES) >= 5 * len(stances) // 6 > 100


@pytest.mark.parametrize(
    "shape",
    [
        "enveloped",
        "qualified",
        "podpis-zaufany",
        "podpis-zaufany-of-old",
        "both-transforms",
        "enveloping",
        "siblings-of-every-kind",
        "two-counter-signatures",
        "by-id",
        "a-part-covered-too",
        "signed-key-info",
        "with-a-bare-key",
        "utf-16-little",
        "windows-1250",
        "rsa-3072",
    ],
)
def test_it_reads_the_shapes_that_citizens_send(shape: str):
    assert of_the_corpus()[shape] == AGREES


@pytest.mark.parametrize(
    "document",
    [sign_on_platform(TEST_DOCUMENT, PKI.platform, JAN, AT), sign(TEST_DOCUMENT, PKI.person, AT, QUALIFIED)],
    ids=["podpis-zaufany", "qualified"],
)
def test_it_agrees_with_what_the_public_signing_service_makes(document: bytes):
    """Their shape is that of real documents: `tests/unit/verify/test_verify_samples.py`."""
    assert says(document) == AGREES


if SAMPLES:

    @pytest.mark.parametrize("sample", SAMPLES, ids=lambda it: it.stem)
    def test_a_redacted_sample_is_no_yes(sample: Path):
        document = sample.read_bytes()
        assert says(document, judged(document).signatures).stance is not Stance.AGREES


# ── around its traps ──


@pytest.mark.parametrize(
    "form",
    [
        b'<r xmlns="urn:d" xmlns:unused="urn:u"><a><b/></a></r>',
        b"<?p?>" + PLAIN + b"<?q?>",
        b"<!-- a -->" + PLAIN + b"<!-- b -->",
        b"<r>text<a/>tail</r>",
    ],
    ids=["default-namespace", "instructions-outside", "comments-outside", "text"],
)
@pytest.mark.parametrize(
    "transforms",
    [(ENVELOPED,), (ENVELOPED, C14N), (XPATH,), (XPATH, C14N), (ENVELOPED, XPATH, EXCLUSIVE)],
    ids=["none", "inclusive", "xpath", "xpath-inclusive", "both-exclusive"],
)
def test_it_agrees_where_lxml_and_it_would_go_wrong_alone(form: bytes, transforms: tuple[str, ...]):
    document = sign(form, PKI.person, AT, transforms=transforms, signed_info=C14N, properties=C14N)
    assert says(document) == AGREES


def test_text_behind_a_signature_belongs_to_what_is_signed():
    marked = sign(PLAIN, PKI.person, AT, QUALIFIED, rewrite=lambda text: text + "behind")
    assert b"</ds:Signature>behind</w:r>" in marked
    asked = [Asked(certificate=PKI.person.certificate)]
    assert opinion(read(marked, Limits()), len(marked), asked) == AGREES
    assert opinion(read(marked.replace(b"behind", b"beyond"), Limits()), len(marked), asked).reason == "digest"


def test_whether_a_certificate_has_ended_is_not_its_question():
    """Ours is judged as of entry; it would judge as of now."""
    long_ago = AT.replace(year=2003)
    old = Pki(at=long_ago, keys="ec-256", cas="ec-256")
    document = sign(PLAIN, old.person, long_ago)
    assert says(document, judged(document, path=False).signatures) == AGREES


def test_what_else_is_said_about_the_key_is_not_its_question():
    """It is handed the key; whether a KeyValue beside it may be another one is for our own verifier to say."""
    document = sign(PLAIN, PKI.person, AT, key_value=True)
    other = sign(PLAIN, PKI.other_person, AT, key_value=True)
    value = re.compile(rb"<ds:KeyValue>.*</ds:KeyValue>", re.DOTALL)
    (shown,) = value.findall(other)
    mixed = value.sub(lambda _: shown, document)
    assert mixed not in {document, other}
    assert opinion(read(mixed, Limits()), len(mixed), [Asked(certificate=PKI.person.certificate)]) == AGREES


def test_a_longer_document_is_read_as_well():
    assert says(sign(b"<r>" + b"QUJD" * 1_000_000 + b"</r>", PKI.person, AT)) == AGREES


# ── when it says no ──


def test_a_changed_form_is_contradicted():
    changed = SIGNED.replace(b"tail", b"tale")
    assert says(changed, found(SIGNED)) == SecondOpinion(
        by=BY, stance=Stance.DISAGREES, reason="digest", place="ds:Signature[1]"
    )


def test_a_changed_value_is_contradicted():
    said = says(with_another_value(SIGNED), found(SIGNED))
    assert (said.stance, said.reason) == (Stance.DISAGREES, "signature-value")


def test_another_certificate_than_the_signers_is_contradicted():
    """The chain stands beside the signature: whoever finds the wrong one of it is told."""
    (signature,) = found(SIGNED)
    issuer = PKI.qualified_ca.credential
    own = signature.certificate
    assert own is not None
    with_issuer = sign(PLAIN, PKI.person, AT, QUALIFIED).replace(
        b"</ds:X509Data>",
        b"<ds:X509Certificate>" + base64.b64encode(issuer.der) + b"</ds:X509Certificate></ds:X509Data>",
    )
    (signature,) = found(with_issuer)
    wrong = replace(signature, certificate=replace(own, sha256=hashlib.sha256(issuer.der).hexdigest()))
    said = says(with_issuer, (wrong,))
    assert (said.stance, said.reason) == (Stance.DISAGREES, "signature-value")


def test_other_octets_than_ours_are_contradicted():
    """All of its digests agree with what was signed, and one of ours is of something else."""
    (signature,) = found(SIGNED)
    first, *rest = signature.references
    other = replace(first, actual=base64.b64encode(b"x" * 32).decode())
    said = says(SIGNED, (replace(signature, references=(other, *rest)),))
    assert (said.stance, said.reason) == (Stance.DISAGREES, "other-octets")


def test_other_references_than_ours_are_contradicted():
    (signature,) = found(SIGNED)
    said = says(SIGNED, (replace(signature, references=signature.references[:1]),))
    assert (said.stance, said.reason) == (Stance.DISAGREES, "references")


def test_the_signature_that_is_wrong_is_named():
    said = says(with_another_value(TWO), found(TWO))
    assert (said.stance, said.place) == (Stance.DISAGREES, "ds:Signature[2]")


def test_a_signature_that_it_cannot_read_does_not_hide_one_that_is_wrong():
    spaced = sign(PLAIN, PKI.person, AT, QUALIFIED, transforms=(ENVELOPED, XPATH), xpath=SPACED)
    both = sign(spaced, PKI.other_person, AT, QUALIFIED)
    assert says(both) == SecondOpinion(by=BY, stance=Stance.NONE, reason="xpath", place="ds:Signature[1]")
    said = says(with_another_value(both), found(both))
    assert (said.stance, said.place) == (Stance.DISAGREES, "ds:Signature[2]")


# ── when it says nothing ──


@pytest.mark.parametrize(
    ("reason", "make"),
    [
        ("xpath", lambda: sign(PLAIN, PKI.person, AT, transforms=(ENVELOPED, XPATH), xpath=SPACED)),
        ("comments", lambda: sign(FORM, PKI.person, AT, transforms=(ENVELOPED, EXCLUSIVE_COMMENTS))),
        ("comments", lambda: sign(b"<!-- x -->" + PLAIN, PKI.person, AT, signed_info=EXCLUSIVE_COMMENTS)),
        ("inherited", lambda: sign(b'<r xml:lang="pl"><a/></r>', PKI.person, AT, signed_info=C14N)),
        ("inherited", lambda: sign(b'<r xml:space="preserve"><a/></r>', PKI.person, AT, properties="")),
        ("prefix-list", COVERED["default-listed"]),
        ("prefix-list", COVERED_BY_A_TAB),
    ],
)
def test_what_it_cannot_read_it_says_nothing_of(reason: str, make: Callable[[], bytes]):
    said = says(make())
    assert (said.stance, said.reason) == (Stance.NONE, reason)
    assert reason in CANNOT


def test_of_instructions_that_the_only_reference_leaves_out_it_says_nothing():
    """That is refused here for what it is; it would count them in."""
    document = b"<?p?>" + sign(FORM_WITH_ID, PKI.person, AT, uri="#doc")
    report = judged(document)
    assert report.code == "verify.instruction-unsigned"
    assert says(document, report.signatures).reason == "instructions"
    assert "instructions" in CANNOT


def test_a_signature_by_a_key_without_a_certificate_is_none_that_it_is_asked_about():
    (signature,) = found(SIGNED)
    for without in (replace(signature, certificate=None), _named(signature, "0" * 64)):
        assert says(SIGNED, (without,)).reason == "no-certificate"
    assert "no-certificate" in CANNOT


def _named(signature: SignatureReport, sha256: str) -> SignatureReport:
    assert signature.certificate is not None
    return replace(signature, certificate=replace(signature.certificate, sha256=sha256))


def test_what_was_digested_is_not_read_once_more(monkeypatch: pytest.MonkeyPatch):
    """A third of what it costs: signxml would show its caller what was signed, and here nobody looks."""
    (signature,) = found(SIGNED)
    digests = {base64.b64decode(it.actual) for it in signature.references}
    octets: list[bytes] = []
    true = signxml.again

    def noted(one: bytes) -> etree._Element:
        octets.append(one)
        return true(one)

    monkeypatch.setattr(signxml, "again", noted)
    assert says(SIGNED, (signature,)) == AGREES
    assert not digests & {hashlib.sha256(one).digest() for one in octets}
    assert len(octets) > 2 * len(digests)


def test_what_would_cost_too_much_is_not_read(monkeypatch: pytest.MonkeyPatch):
    """Each Reference makes it read the whole document once more."""
    weight = signxml._weight(etree.fromstring(SIGNED), len(SIGNED))
    signatures = found(SIGNED)
    monkeypatch.setattr(signxml, "_MOST", 2 * weight)
    assert says(SIGNED, signatures) == AGREES
    monkeypatch.setattr(signxml, "_MOST", 2 * weight - 1)
    verified: list[object] = []
    monkeypatch.setattr(XMLVerifier, "verify", lambda *_, **__: verified.append(1) or [])
    assert says(SIGNED, signatures).reason == "costly"
    assert verified == []
    assert "costly" in CANNOT


@pytest.mark.parametrize(
    ("document", "weight"),
    [
        (b"<r/>", 5 + 100),
        (b"<r>x</r>", 5 + 100),
        (b"<r><a/></r>", 5 + 200),
        (b'<r a="1" b=""/>', 5 + 300),
        (b"<r><!--x--><?p?></r>", 5 + 300),
        (b'<r xmlns="u"/>', 5 + 100 + 1),
        (b'<r xmlns="u" xmlns:a="a" xmlns:b="b"><a/><!--x--></r>', 5 + 300 + 2 * 9),
        (b"<r>" + b'<a xmlns="u"/>' * 100 + b"</r>", 5 + 100 * 101 + 101 * 32 * 32),
    ],
)
def test_a_document_weighs_its_octets_its_nodes_and_its_prefixes(document: bytes, weight: int):
    assert signxml._weight(etree.fromstring(document), 5) == weight


def test_a_letter_of_the_largest_size_is_read_for_three_references_and_a_large_form_too():
    assert signxml._MOST > 3 * 33_000_000
    assert signxml._MOST > 3 * (2_000_000 + 30_000 * (2 * 100 + 32 * 32))


@pytest.mark.parametrize(
    ("raised", "stance", "reason"),
    [
        (InvalidDigest("x"), Stance.DISAGREES, "digest"),
        (InvalidSignature("x"), Stance.DISAGREES, "signature-value"),
        (WrongValue(), Stance.DISAGREES, "signature-value"),
        (InvalidCertificate("x"), Stance.NONE, UNREADABLE),
        (InvalidInput("x"), Stance.NONE, UNREADABLE),
        (etree.XMLSyntaxError("x", 1, 1, 1), Stance.NONE, UNREADABLE),
        (etree.XPathEvalError("x"), Stance.NONE, UNREADABLE),
        (UnsupportedAlgorithm("x"), Stance.NONE, UNREADABLE),
        (TypeError("x"), Stance.NONE, UNREADABLE),
        (AttributeError("x"), Stance.NONE, UNREADABLE),
        (RecursionError("x"), Stance.NONE, UNREADABLE),
        (AssertionError(), Stance.NONE, UNREADABLE),
    ],
    ids=lambda it: type(it).__name__ if isinstance(it, Exception) else "",
)
def test_only_what_says_that_a_digest_or_a_value_is_wrong_is_a_no(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, stance: Stance, reason: str
):
    """The library is made to raise it where it verifies; a test of the library's own words is above."""

    def fail(*_: object, **__: object) -> None:
        raise raised

    signatures = found(SIGNED)
    monkeypatch.setattr(XMLVerifier, "verify", fail)
    said = says(SIGNED, signatures)
    assert (said.stance, said.reason) == (stance, reason)


def test_every_way_around_a_trap_still_leads_around_something():
    """Of a version of signxml that has other methods inside, somebody must hear before a broker refuses by it."""
    own = {name for name in vars(signxml._Verifier) if callable(getattr(signxml._Verifier, name))}
    assert own - set(dir(XMLVerifier)) == set()


def test_a_version_that_asks_other_methods_has_no_opinion(monkeypatch: pytest.MonkeyPatch):
    signatures = found(SIGNED)
    monkeypatch.setattr(signxml._Verifier, "_get_digest", XMLVerifier._get_digest)
    assert says(SIGNED, signatures).reason == UNREADABLE


@pytest.mark.parametrize(
    "document",
    [b"", b"no XML", b"<!DOCTYPE r><r/>", b"<r/>", SIGNED[:-20], b"<r>" * 200 + b"</r>" * 200, TWO],
    ids=["empty", "no-xml", "dtd", "unsigned", "cut", "deep", "one-signature-more"],
)
def test_what_is_no_document_or_another_is_unreadable(document: bytes):
    said = says(document, found(SIGNED))
    assert (said.stance, said.reason) == (Stance.NONE, UNREADABLE)


def test_the_caps_of_the_configuration_hold_for_it_too():
    said = Signxml(limits=Limits(payload=len(SIGNED) - 1))(SIGNED, found(SIGNED))
    assert said.reason == UNREADABLE


# ── what it leaves behind ──


def test_where_there_is_no_room_for_names_all_of_it_happens_apart(monkeypatch: pytest.MonkeyPatch):
    """lxml's copies take a document's names into the dictionary of the thread, which never forgets one."""
    strange = sign(b"<r>" + b"".join(b"<second%d/>" % number for number in range(10)) + b"</r>", PKI.person, AT)
    signatures = found(SIGNED), found(strange)
    apart: list[object] = []
    true = vocabulary.apart

    def counted(work: Callable[[], object]) -> object:
        apart.append(work)
        return true(work)

    monkeypatch.setattr(vocabulary, "apart", counted)
    monkeypatch.setattr(vocabulary.VOCABULARY, "room", 0)
    assert says(SIGNED, signatures[0]) == AGREES
    assert apart == []
    vocabulary.VOCABULARY.names.difference_update([it for it in vocabulary.VOCABULARY.names if "second" in it])
    assert says(strange, signatures[1]) == AGREES
    assert len(apart) == 1


def test_a_machine_without_threads_is_no_opinion_of_the_document(monkeypatch: pytest.MonkeyPatch):
    long = sign(b"<r>" + b"x" * 300_000 + b"</r>", PKI.person, AT)
    signatures = found(long)

    def none_left(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", none_left)
    with pytest.raises(Unavailable):
        says(long, signatures)


def test_eight_threads_never_mix_up_documents():
    changed = SIGNED.replace(b"tail", b"tale")
    signatures = found(SIGNED)
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda it: says(it, signatures).stance, [SIGNED, changed] * 100))
    assert said == [Stance.AGREES, Stance.DISAGREES] * 100
