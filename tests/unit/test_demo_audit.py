"""The demo's audit cannot be deceived: whatever is wrong with a receipt or with an office's copy, the verdict falls."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from adapters.testkit.box import Submission
from adapters.testkit.dms_records import Handover
from config.demo.audit import audit
from config.demo.letters import Letter
from config.demo.offices import offices
from config.demo.play import Sent
from tests.receipts import PKI, a_upp

OFFICES = offices()[:2]


@dataclass
class Scene:
    """What the audit looks at after a play."""

    site: SimpleNamespace
    handovers: list[Handover] = field(default_factory=list)
    conflicts: int = 0


def sent(number: int, *, code: str = "", expected: str = "") -> Sent:
    document = b"<letter>%d</letter>" % number
    letter = Letter(
        name=f"letter-{number}",
        about="",
        signed="",
        submission=Submission(document=document, box=OFFICES[0].box),
        code=expected,
    )
    return (
        Sent(letter=letter, code=code)
        if code
        else Sent(letter=letter, submission=f"s{number}", receipt=a_upp(document))
    )


def registered(one: Sent, **about: object) -> Handover:
    it = Handover(
        office=str(OFFICES[0].id),
        delivery=f"d-{one.submission}",
        document=one.letter.submission.document,
        receipt=one.receipt,
        report=b"",
        facts={"submission": one.submission},
    )
    return replace(it, **about)


ALL = [sent(1), sent(2)]
REFUSED = sent(3, code="parse.dtd", expected="parse.dtd")
TRIAL = sent(4)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "seal-ca.pem").write_bytes(PKI.seal_ca.credential.pem)
    return Scene(SimpleNamespace(folder=tmp_path, offices=OFFICES), [registered(one) for one in ALL])


def verdict(scene, letters=None, again=None):
    letters = letters or [*ALL, REFUSED]
    return audit(scene, letters, [(letters[0], again or letters[0])], [TRIAL])


def test_where_all_is_well_the_verdict_holds_and_counts(scene):
    found = verdict(scene)
    assert found.holds
    assert str(found) == (
        "accepted 2 · refused 1 (each as it should) · delivered 2 · receipts verified 2 · lost 0 · doubled 0"
    )


def test_a_receipt_that_was_tampered_with_is_noticed(scene):
    bad = replace(ALL[1], receipt=ALL[1].receipt.replace(b"town", b"tovn", 1))
    scene.handovers[1] = registered(bad)
    found = verdict(scene, [ALL[0], bad, REFUSED])
    assert not found.holds
    assert (found.verified, found.found["s2"]) == (1, False)


@pytest.mark.parametrize(
    "change",
    [
        {"document": b"<letter>9</letter>"},
        {"receipt": ALL[0].receipt},
        {"office": str(OFFICES[1].id)},
    ],
    ids=["document", "receipt", "office"],
)
def test_an_offices_copy_that_was_tampered_with_or_lies_elsewhere_is_noticed(scene, change):
    scene.handovers[1] = registered(ALL[1], **change)
    found = verdict(scene)
    assert not found.holds
    assert (found.delivered, found.lost) == (1, 1)


def test_a_lost_document_is_noticed(scene):
    scene.handovers.pop()
    assert verdict(scene).lost == 1
    assert not verdict(scene).holds


def test_a_doubled_document_is_noticed(scene):
    scene.handovers.append(registered(ALL[0], delivery="another"))
    assert verdict(scene).doubled == 1
    assert not verdict(scene).holds


def test_a_delivery_id_used_for_two_documents_is_noticed(scene):
    scene.conflicts = 1
    assert not verdict(scene).holds


def test_two_letters_under_one_submission_are_noticed(scene):
    twin = replace(ALL[1], submission="s1")
    found = verdict(scene, [ALL[0], twin, REFUSED])
    assert found.doubled == 1
    assert not found.holds


def test_a_delivery_that_nobody_was_receipted_for_is_noticed(scene):
    scene.handovers.append(registered(TRIAL))
    found = verdict(scene)
    assert any("s4" in line for line in found.wrong)
    assert not found.holds


@pytest.mark.parametrize(
    "other", [sent(3, code="parse.malformed", expected="parse.dtd"), replace(REFUSED, code="", submission="s3")]
)
def test_an_answer_that_is_not_the_one_it_must_be_is_noticed(scene, other):
    found = verdict(scene, [*ALL, other])
    assert any("letter-3" in line for line in found.wrong)
    assert not found.holds


def test_another_receipt_for_a_repeat_is_noticed(scene):
    again = replace(ALL[0], receipt=a_upp(ALL[0].letter.submission.document))
    assert again.receipt != ALL[0].receipt
    assert not verdict(scene, again=again).holds
