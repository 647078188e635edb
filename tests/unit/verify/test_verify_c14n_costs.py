"""What canonical octets cost, to the octet, and what becomes of text around what is taken out."""

import pytest
from lxml import etree

from broker.parse import Limits, read
from broker.verify.algorithms import EXCLUSIVE, INCLUSIVE
from broker.verify.c14n import _ELEMENT, Canon, _is_among_instructions, weight
from broker.verify.fault import Fault


def costs(root, ask, least):
    """Assert that asking costs exactly so much."""
    assert ask(Canon(root, budget=least))
    with pytest.raises(Fault) as caught:
        ask(Canon(root, budget=least - 1))
    assert caught.value.code == "verify.too-costly"


@pytest.mark.parametrize("method", [INCLUSIVE, EXCLUSIVE])
@pytest.mark.parametrize(
    ("part", "cost"),
    [("<a/>", 7), ("<a></a>", 7), ("<a>ż</a>", 9), ("<a><!--1234567--></a>", 21), ("<a>1</a>tail", 8)],
)
def test_an_element_costs_what_is_written_or_what_comes_of_it_whichever_is_more(method, part, cost):
    root = read(f"<r>{part}</r>".encode(), Limits())
    costs(root, lambda canon: canon.element(root[0], method), cost)


def test_a_part_costs_by_its_elements_too_but_only_once():
    root = read(b"<r><a><b/><!--c--><?d?></a></r>", Limits())
    octets = b"<a><b></b><?d?></a>"
    cost = 2 * _ELEMENT + len("<a><b/><!--c--><?d?></a>")
    costs(root, lambda canon: canon.part(root[0], EXCLUSIVE), cost)
    canon = Canon(root, budget=cost)
    assert canon.part(root[0], EXCLUSIVE) == canon.part(root[0], EXCLUSIVE) == octets
    with pytest.raises(Fault):
        canon.element(root[0], EXCLUSIVE)


def test_whoever_has_overdrawn_is_served_no_more_and_whoever_has_spent_all_may_ask_for_nothing():
    root = read(b"<r><a/></r>", Limits())
    canon = Canon(root, budget=0)
    canon.pay(0)
    canon.pay(-5)
    with pytest.raises(Fault):
        canon.pay(1)
    for ask in (canon.element, canon.part):
        with pytest.raises(Fault):
            ask(root[0], EXCLUSIVE)


def test_a_document_weighs_its_octets_and_its_elements():
    root = read(b"<r><a/><!--b--><?c?><d>e</d></r>", Limits())
    assert weight(root, 10) == 10 + 3 * _ELEMENT
    assert weight(root[0], 0) == _ELEMENT


@pytest.mark.parametrize(
    ("document", "among"),
    [
        (b"<r/>", False),
        (b"<!--a--><r/><!--b-->", False),
        (b"<?a?><r/>", True),
        (b"<r/><?b?>", True),
        (b"<!--c--><?a?><r><?d?></r>", True),
        (b"<r><?d?></r>", False),
    ],
)
def test_a_root_stands_among_instructions_if_there_are_any_beside_it(document, among):
    root = read(document, Limits())
    assert _is_among_instructions(root) is among
    alone = Canon(root, budget=10_000).document(INCLUSIVE, (), alone=True)
    assert (
        alone
        == etree.tostring(read(document, Limits()), method="c14n", with_comments=False)
        .split(b"?>\n")[-1]
        .split(b"\n<?")[0]
    )


@pytest.mark.parametrize(
    ("document", "out", "left"),
    [
        ("<r><a/>1</r>", (0,), b"<r>1</r>"),
        ("<r>0<a/>1</r>", (0,), b"<r>01</r>"),
        ("<r>0<a/>1<b/>2</r>", (0,), b"<r>01<b></b>2</r>"),
        ("<r>0<a/>1<b/>2</r>", (1,), b"<r>0<a></a>12</r>"),
        ("<r><a/><b/>2</r>", (1,), b"<r><a></a>2</r>"),
        ("<r>0<a/>1<b/>2</r>", (0, 1), b"<r>012</r>"),
        ("<r><a/></r>", (0,), b"<r></r>"),
    ],
)
def test_the_text_behind_what_is_taken_out_stays(document, out, left):
    root = read(document.encode(), Limits())
    assert Canon(root, budget=10_000).document(INCLUSIVE, out) == left
    assert etree.tostring(root).decode() == document
