"""What several signatures are worth together: the weakest, by its own words, and the octets that all of them cover."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from dataclasses import replace

import pytest

from adapters.testkit.signer import sign, sign_on_platform
from adapters.testkit.signing.canonical import canonical, tree
from adapters.testkit.signing.recipe import ENVELOPED, ENVELOPING, EXCLUSIVE, QUALIFIED
from adapters.testkit.signing.roles import ep_signature
from adapters.testkit.signing.template import reference
from broker.evidence import Indication, Level, SignatureReport, SubIndication
from broker.parse import Limits, read
from broker.verify.judgement import _together, form_of, judge_document
from broker.verify.revocation import NOTHING_KNOWN
from broker.verify.signer import Policy
from tests.corpus.verify.scene import AT, FORM, FORM_WITH_ID, PKI, TRUST, judged

PASSED = SignatureReport(id="a", indication=Indication.PASSED, level=Level.QUALIFIED)
FAILED = SignatureReport(
    id="b",
    indication=Indication.FAILED,
    sub_indication=SubIndication.HASH_FAILURE,
    code="verify.digest-mismatch",
    place="ds:Reference[1]",
    hint="verify.hint-changed",
)


def together(*reports):
    return _together(reports, TRUST, AT)


@pytest.mark.parametrize("first", [True, False])
def test_the_weakest_level_is_that_of_the_document_whatever_the_levels_are_called(first):
    levels = (Level.QUALIFIED, Level.TRUSTED_PROFILE)
    reports = [replace(PASSED, level=level) for level in (levels if first else levels[::-1])]
    assert together(*reports).level is Level.TRUSTED_PROFILE


def test_a_citizen_and_an_official_together_are_worth_the_weaker_of_both():
    document = sign(sign_on_platform(FORM, PKI.platform, PKI.person.person, AT), PKI.person, AT, QUALIFIED)
    assert judged(document).level is Level.TRUSTED_PROFILE


@pytest.mark.parametrize("first", [True, False])
def test_the_hint_is_of_the_signature_that_decides_and_of_no_other(first):
    hinting = replace(PASSED, hint="verify.hint-claimed-role")
    silent = replace(FAILED, hint="")
    assert together(*((hinting, silent) if first else (silent, hinting))).hint == ""
    assert together(hinting, FAILED).hint == "verify.hint-changed"
    assert together(PASSED, hinting).hint == "verify.hint-claimed-role"


@pytest.mark.parametrize(
    ("place", "told"), [("ds:Reference[1]", "ds:Signature[2]/ds:Reference[1]"), ("", "ds:Signature[2]")]
)
def test_the_place_names_the_signature_and_what_in_it_if_that_is_known(place, told):
    assert together(PASSED, replace(FAILED, place=place)).place == told


def content_of(document):
    root = read(document, Limits())
    judgement = judge_document(
        root, form_of(root), trust=TRUST, known=NOTHING_KNOWN, at=AT, policy=Policy(), size=len(document)
    )
    assert judgement.report.indication is Indication.PASSED
    return judgement.content


def test_what_is_read_of_a_form_with_two_signatures_holds_neither():
    # The first leaves every signature out, the second itself alone: its octets hold the first.
    two = sign(sign(FORM, PKI.person, AT, QUALIFIED), PKI.other_person, AT)
    assert b"Signature" not in content_of(two)
    assert content_of(two) == content_of(sign(FORM, PKI.person, AT, QUALIFIED))


def test_a_platforms_role_makes_nobody_elses_signature_stronger():
    document = sign(FORM, PKI.local_person, AT, claimed_role=ep_signature(PKI.person.person, AT))
    report = judged(document)
    assert (report.level, report.hint) == (Level.LOCAL, "verify.hint-claimed-role")


def test_a_comment_that_is_signed_in_a_reference_stands_in_no_ones_way():
    def commented(text):
        return text.replace("</ds:Reference>", "<!-- signed, too --></ds:Reference>")

    document = sign(FORM, PKI.person, AT, signed_info=EXCLUSIVE + "WithComments", rewrite=commented)
    assert b"<!-- signed, too --></ds:Reference>" in document
    assert judged(document).indication is Indication.PASSED


@pytest.mark.parametrize(("recipe", "to_form"), [(QUALIFIED, b'URI=""'), (ENVELOPING, b'URI="#object-')])
def test_what_is_read_of_a_form_is_what_covers_it_and_not_what_covers_the_properties(recipe, to_form):
    def swapped(text):
        form, properties = re.findall("<ds:Reference .*?</ds:Reference>", text)
        return text.replace(form + properties, properties + form)

    honest = sign(FORM, PKI.person, AT, recipe)
    other_order = sign(FORM, PKI.person, AT, recipe, rewrite=swapped)
    assert other_order.index(b"#SignedProperties") < other_order.index(to_form)
    assert content_of(other_order) == content_of(honest)


def by_id_too(*, first):
    """A form below an instruction, signed by one signature as a whole document and by its root's Id."""
    alone = canonical(tree(FORM_WITH_ID), EXCLUSIVE)
    digest = b64encode(hashlib.sha256(alone).digest()).decode()
    by_id = reference("#doc", (ENVELOPED, EXCLUSIVE), "sha256").replace("@digest@", digest)

    def put_first(text):
        return text.replace(by_id, "").replace("<ds:Reference ", f"{by_id}<ds:Reference ", 1)

    form = FORM[: FORM.index(b"<wnio:Dokument ")] + FORM_WITH_ID
    document = sign(form, PKI.person, AT, extra_references=(by_id,), rewrite=put_first if first else None)
    assert (document.index(b'URI="#doc"') < document.index(b'URI=""')) is first
    return document


@pytest.mark.parametrize("first", [True, False])
def test_of_two_references_to_a_form_the_one_to_the_whole_document_counts_whatever_their_order(first):
    document = by_id_too(first=first)
    assert b"<?xml-stylesheet" in content_of(document)
    assert content_of(document) == content_of(by_id_too(first=not first))
