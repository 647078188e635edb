"""What a Reference may be written like, and what one may point at."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from lxml import etree

from adapters.testkit.signer import countersign, sign
from adapters.testkit.signing.recipe import (
    BASELINE,
    C14N_COMMENTS,
    ENVELOPING,
    EXCLUSIVE,
    EXCLUSIVE_COMMENTS,
    QUALIFIED,
)
from broker.evidence import Indication
from broker.model import Form, FormKey, Valid
from broker.parse import Limits, Parse, read
from broker.verify import Verify
from broker.verify.algorithms import EXCLUSIVE as EXCLUSIVE_METHOD
from broker.verify.algorithms import INCLUSIVE, METHODS, Method
from broker.verify.c14n import Canon
from broker.verify.fault import Fault
from broker.verify.references import _Reference, method
from broker.verify.shape import lay_out
from tests.builders import an_envelope
from tests.corpus.verify.scene import AT, FORM, PKI, TRUST, judged

DS = "{http://www.w3.org/2000/09/xmldsig#}"
A_FORM = Form(key=FormKey(name="f", version="1"), namespace="", root="", title_pl="", title_en="")


@pytest.mark.parametrize("recipe", [BASELINE, QUALIFIED, ENVELOPING], ids=["enveloped", "xpath", "enveloping"])
@pytest.mark.parametrize("canonical", [C14N_COMMENTS, EXCLUSIVE_COMMENTS])
def test_comments_inside_what_is_signed_are_signed_and_mean_nothing(recipe, canonical) -> None:
    """By a method with comments they stand in the canonical SignedInfo, too."""

    def comment(text: str) -> str:
        return re.sub(r"(<ds:(?:SignedInfo|Reference|Transforms|Transform)(?: [^>]*[^/])?>)", r"\1<!-- x -->", text)

    plain = sign(FORM, PKI.person, AT, recipe, signed_info=canonical)
    commented = sign(FORM, PKI.person, AT, recipe, signed_info=canonical, rewrite=comment)
    assert commented.count(b"<!-- x -->") > 4
    for document in (plain, commented):
        report = judged(document)
        assert (report.code, report.indication) == ("", Indication.PASSED)


def test_white_space_inside_a_digest_is_none_of_it() -> None:
    signed = sign(FORM, PKI.person, AT)
    found = re.search(rb"<ds:DigestValue>([^<]+)", signed)
    assert found
    halved = found[1][:20] + b"\n  " + found[1][20:]
    report = judged(signed.replace(found[1], halved))
    (first, _) = report.signatures[0].references
    assert (first.expected, first.holds) == (first.actual, True)


def test_the_content_of_an_enveloping_signature_is_canonical_by_the_method_that_was_signed() -> None:
    recipe = replace(ENVELOPING, transforms=(EXCLUSIVE,))
    document = Parse(limits=Limits())(an_envelope(sign(FORM, PKI.person, AT, recipe), received_at=AT))
    content = Verify(trust=lambda: TRUST)(Valid(document=document, form=A_FORM)).content
    assert content.startswith(b"<wnio:Dokument ")
    assert b"xmlns:ds" not in content
    assert b"unused" not in content
    inclusive = Parse(limits=Limits())(
        an_envelope(sign(FORM, PKI.person, AT, replace(ENVELOPING, transforms=())), received_at=AT)
    )
    assert b"xmlns:ds" in Verify(trust=lambda: TRUST)(Valid(document=inclusive, form=A_FORM)).content


@pytest.mark.parametrize(("leaves_out", "own", "other"), [("_own", True, False), ("_all", True, True)])
def test_what_is_left_out_is_the_own_signature_or_every_one(leaves_out: str, own: bool, other: bool) -> None:
    root = read(sign(sign(FORM, PKI.person, AT), PKI.other_person, AT), Limits())
    layout = lay_out(root)
    assert layout is not None
    first, second = layout.signatures
    info = first.find(f"{DS}SignedInfo")
    assert info is not None
    written = info.find(f"{DS}Reference")
    assert written is not None
    one = _Reference(written, written, first, layout, Canon(root, budget=1_000_000))
    setattr(one, leaves_out, True)
    for signature, inside in ((first, own), (second, other)):
        value = signature.find(f"{DS}SignatureValue")
        assert value is not None
        assert one._stands_in_what_is_left_out(value) is inside
    assert not one._stands_in_what_is_left_out(root[0])


def transform(algorithm: str, inside: str = "") -> etree._Element:
    return etree.fromstring(f'<Transform xmlns:x="{EXCLUSIVE}" Algorithm="{algorithm}">{inside}</Transform>')


def prefixes(listed: str, tag: str = "InclusiveNamespaces") -> str:
    return f'<x:{tag} PrefixList="{listed}"/>'


def test_a_method_is_the_one_that_is_named() -> None:
    for uri, known in METHODS.items():
        assert method(transform(uri)) is known
        assert method(transform(uri, "<!-- x -->")) is known
    assert method(transform(EXCLUSIVE_METHOD.uri, prefixes(" a b\na "))) == Method(
        EXCLUSIVE_METHOD.uri, exclusive=True, prefixes=("a", "b")
    )
    with_comments = EXCLUSIVE_METHOD.uri + "WithComments"
    assert method(transform(with_comments, "<!-- x -->" + prefixes("#default"))) == Method(
        with_comments, exclusive=True, comments=True, prefixes=("#default",)
    )
    for nothing in ("<x:InclusiveNamespaces/>", prefixes("")):
        assert method(transform(EXCLUSIVE_METHOD.uri, nothing)) == EXCLUSIVE_METHOD
    many = " ".join(f"p{number}" for number in range(32))
    assert len(method(transform(EXCLUSIVE_METHOD.uri, prefixes(many))).prefixes) == 32


@pytest.mark.parametrize(
    ("algorithm", "inside", "code"),
    [
        ("", "", "verify.c14n-unknown"),
        ("urn:x", "", "verify.c14n-unknown"),
        (INCLUSIVE.uri, prefixes("a"), "verify.transform-parameters"),
        (EXCLUSIVE_METHOD.uri, prefixes("a") * 2, "verify.transform-parameters"),
        (EXCLUSIVE_METHOD.uri, prefixes("a", "inclusivenamespaces"), "verify.transform-parameters"),
        (EXCLUSIVE_METHOD.uri, "<x:InclusiveNamespaces><a/></x:InclusiveNamespaces>", "verify.transform-parameters"),
        (EXCLUSIVE_METHOD.uri, prefixes(" ".join(f"p{it}" for it in range(33))), "verify.transform-parameters"),
    ],
)
def test_parameters_that_a_method_does_not_have_are_refused(algorithm: str, inside: str, code: str) -> None:
    with pytest.raises(Fault) as caught:
        method(transform(algorithm, inside))
    assert caught.value.code == code


def test_a_counter_signature_that_countersigns_something_else_is_told_of_at_its_place() -> None:
    good = countersign(sign(FORM, PKI.person, AT), PKI.other_person, AT)
    (counter,) = judged(good).signatures[0].counter_signatures
    assert (counter.code, counter.shape) == ("", "counter-signature")
    value = re.findall(rb'<ds:SignatureValue Id="([^"]+)"', good)
    assert value
    elsewhere = good.replace(b'URI="#' + value[0] + b'"', b'URI=""')
    (counter,) = judged(elsewhere).signatures[0].counter_signatures
    assert (counter.code, counter.place) != ("", "")
    assert counter.indication is not Indication.PASSED
