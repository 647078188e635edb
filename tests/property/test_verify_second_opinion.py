"""What we accept, the second verifier does not contradict; and whatever it is shown, it raises nothing."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.testkit.signer import countersign, sign, sign_on_platform
from adapters.testkit.signing.recipe import BASELINE, C14N, ENVELOPED, ENVELOPING, EXCLUSIVE, QUALIFIED
from adapters.verifiers.signxml import CANNOT, UNREADABLE, Signxml
from broker.errors import Rejection
from broker.evidence import Indication, Report, SecondOpinion, Stance
from tests.corpus.verify.scene import AT, FORM, PKI, judged
from tests.fuzz import verifying
from tests.fuzz.changes import change

PLAIN = b'<w:r xmlns:w="urn:w" xmlns:u="urn:u"><w:a k="1">x &amp; y</w:a><!-- aside -->\n <w:b/>tail</w:r>'
TRANSFORMS = {"exclusive": BASELINE.transforms, "inclusive": (ENVELOPED, C14N), "bare": (ENVELOPED,)}
SHAPES = {
    **{
        f"{name}, plain": lambda by=by: sign(PLAIN, PKI.organisation, AT, transforms=by)
        for name, by in TRANSFORMS.items()
    },
    "qualified": lambda: sign(FORM, PKI.person, AT, QUALIFIED),
    "podpis zaufany": lambda: sign_on_platform(FORM, PKI.platform, PKI.person.person, AT),
    "enveloping": lambda: sign(FORM, PKI.person, AT, ENVELOPING),
    "siblings": lambda: sign(sign(FORM, PKI.person, AT, QUALIFIED), PKI.elliptic_person, AT, QUALIFIED),
    "countersigned": lambda: countersign(sign(FORM, PKI.person, AT), PKI.other_person, AT),
}
NEW = [
    b"",
    b" ",
    b"\n",
    b"A",
    b"<!-- -->",
    b"&#32;",
    b"x='1' ",
    b"&#65;",
    b"&#9;",
    b"<?p?>",
    b" xml:lang='x'",
    b"#default ",
]


@cache
def signed(shape: str) -> bytes:
    return SHAPES[shape]()


@cache
def original(shape: str) -> Report:
    return judged(signed(shape))


def ours(document: bytes) -> Report | None:
    try:
        return judged(document)
    except Rejection:
        return None


def contradicted(document: bytes, report: Report) -> SecondOpinion | None:
    """What the second says where we accept, unless it agrees or names a shape that it is known not to read."""
    if report.indication is not Indication.PASSED or not report.signatures:
        return None
    said = Signxml()(document, report.signatures)
    return None if said.stance is Stance.AGREES or said.reason in CANNOT else said


@st.composite
def changed(draw: st.DrawFn) -> tuple[str, bytes]:
    """A signed document with something put in, taken out or put in the place of something, somewhere."""
    shape = draw(st.sampled_from(sorted(SHAPES)))
    document = signed(shape)
    at = draw(st.integers(0, len(document) - 1))
    return shape, document[:at] + draw(st.sampled_from(NEW)) + document[at + draw(st.integers(0, 3)) :]


@pytest.mark.parametrize("shape", TRANSFORMS)
@pytest.mark.parametrize("method", [C14N, EXCLUSIVE])
def test_both_accept_the_shapes_that_both_read(shape: str, method: str) -> None:
    document = sign(PLAIN, PKI.organisation, AT, transforms=TRANSFORMS[shape], signed_info=method)
    report = judged(document)
    assert report.indication is Indication.PASSED
    assert Signxml()(document, report.signatures).stance is Stance.AGREES


@settings(max_examples=300)
@given(changed())
def test_a_change_that_we_accept_it_does_not_contradict(mutation: tuple[str, bytes]) -> None:
    report = ours(mutation[1])
    assert report is None or contradicted(mutation[1], report) is None


@settings(max_examples=300)
@given(changed())
def test_whatever_it_is_shown_it_answers(mutation: tuple[str, bytes]) -> None:
    """It is asked about what held before the change, as if our own verifier had seen none."""
    shape, document = mutation
    said = Signxml()(document, original(shape).signatures)
    assert (said.stance is Stance.AGREES) == (said.reason == "")
    if said.stance is Stance.NONE:
        assert said.reason in {*CANNOT, UNREADABLE}


@settings(max_examples=150)
@given(st.binary(min_size=7, max_size=22))
def test_a_change_that_knows_signatures_is_answered_and_not_contradicted_where_it_is_accepted(recipe: bytes) -> None:
    document = change(b"\x01" + recipe, verifying.documents())
    outcome = verifying.judged(document)
    if outcome is not None:
        assert Signxml()(document, outcome[0].signatures).by
        assert contradicted(document, outcome[0]) is None
