"""What a prefix in a value means is signed, or the document is refused (decision 0026)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from lxml import etree

import schemas
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from broker.verify import prefixes
from broker.verify.algorithms import EXCLUSIVE, INCLUSIVE, Method
from broker.verify.c14n import Canon
from broker.verify.fault import Fault
from broker.verify.prefixes import _bound, require_signed
from broker.verify.references import Covered
from tests.corpus.verify.prefixes import COVERED
from tests.corpus.verify.refused import REFUSED
from tests.corpus.verify.scene import AT, FORM, PKI, judged

XSI = "http://www.w3.org/2001/XMLSchema-instance"
TYPE = f"{{{XSI}}}type"
PREFIXES = ("", "a", "b")
NAMES = st.sampled_from(("x", "a:x", "b:x"))


def covered(root: etree._Element, method: Method = EXCLUSIVE, out: tuple[int, ...] = ()) -> Covered:
    octets = Canon(root, 10**9).document(method, out)
    return Covered(report=None, octets=octets, method=method, out=out)  # type: ignore[arg-type]


def meanings(root: etree._Element) -> list[str]:
    """The same as `_bound`, by what lxml says of each element."""
    found = []
    for element in root.iter(etree.Element):
        said = element.get(TYPE)
        if said is not None:
            prefix = said.strip().rpartition(":")[0]
            found.append(element.nsmap.get(prefix or None) or "")
    return found


def holds(root: etree._Element, it: Covered) -> bool:
    try:
        require_signed(it, root)
    except Fault as fault:
        return fault.code != "verify.prefix-unsigned"
    return True


# ── documents made of declarations ──


@st.composite
def trees(draw: st.DrawFn) -> list[tuple[int, str, str, str]]:
    """Elements as (depth, name, the prefixes of its attributes, its type)."""
    found = [(0, draw(NAMES), draw(st.sampled_from(("", "a", "b", "ab"))), draw(st.sampled_from(("", "a:T", "T"))))]
    for _ in range(draw(st.integers(0, 5))):
        depth = draw(st.integers(1, found[-1][0] + 1))
        found.append((depth, draw(NAMES), draw(st.sampled_from(("", "a"))), draw(st.sampled_from(("", "a:T", "T")))))
    return found


DECLARATIONS = st.lists(
    st.dictionaries(st.sampled_from(PREFIXES), st.sampled_from(("urn:1", "urn:2")), max_size=3), min_size=6, max_size=6
)


def written(tree: list[tuple[int, str, str, str]], declarations: list[dict[str, str]]) -> str:
    """Write the elements with these declarations; on the root, all prefixes are declared that names need."""
    text, opened = "", []
    for number, (depth, name, attributes, kind) in enumerate(tree):
        while len(opened) > depth:
            text += f"</{opened.pop()}>"
        declared = {"a": "urn:a", "b": "urn:b", "xsi": XSI} if number == 0 else {}
        declared |= declarations[number]
        text += f"<{name}"
        for prefix, uri in declared.items():
            text += f' xmlns:{prefix}="{uri}"' if prefix else f' xmlns="{uri}"'
        text += "".join(f' {prefix}:at=""' for prefix in attributes) + (f' xsi:type="{kind}"' if kind else "") + ">"
        opened.append(name)
    return text + "".join(f"</{name}>" for name in reversed(opened))


def read(text: str) -> etree._Element | None:
    try:
        return etree.fromstring(text)
    except etree.XMLSyntaxError:  # two attributes of one name, for their prefixes mean the same
        return None


METHODS = st.sampled_from(
    (
        EXCLUSIVE,
        Method(EXCLUSIVE.uri, exclusive=True, prefixes=("a",)),
        Method(EXCLUSIVE.uri, exclusive=True, prefixes=("#default",)),
        INCLUSIVE,
    )
)


@given(tree=trees(), one=DECLARATIONS, other=DECLARATIONS, method=METHODS)
def test_two_documents_that_are_signed_alike_mean_the_same_or_one_is_refused(tree, one, other, method) -> None:
    first, second = read(written(tree, one)), read(written(tree, other))
    assume(first is not None and second is not None)
    alike, changed = covered(first, method), covered(second, method)
    if alike.octets == changed.octets and holds(first, alike) and holds(second, changed):
        assert meanings(first) == meanings(second)


@given(tree=trees(), one=DECLARATIONS, method=METHODS)
def test_a_document_holds_if_its_octets_say_what_it_says(tree, one, method) -> None:
    root = read(written(tree, one))
    assume(root is not None)
    it = covered(root, method)
    assert _bound(root) == meanings(root)
    assert holds(root, it) == (meanings(root) == meanings(etree.fromstring(it.octets)))
    assert holds(root, it) or method.exclusive


# ── places ──


def test_what_is_left_out_of_the_octets_is_not_asked() -> None:
    text = f'<r xmlns:xsi="{XSI}" xmlns:a="urn:a"><s xsi:type="a:T"><t xsi:type="a:T"/></s><u xsi:type="r"/></r>'
    root = etree.fromstring(text)
    assert holds(root, covered(root, out=(0,)))
    assert not holds(root, covered(root))
    assert not holds(root, covered(root, out=(1,)))


def test_a_part_is_asked_by_what_is_declared_around_it() -> None:
    root = etree.fromstring(f'<r xmlns:xsi="{XSI}" xmlns:a="urn:a"><s xsi:type="a:T"/><t xsi:type="T"/></r>')
    for part, right in zip(root, (False, True), strict=True):
        octets = Canon(root, 10**9).part(part, EXCLUSIVE)
        it = Covered(report=None, target=part, octets=octets, method=EXCLUSIVE)  # type: ignore[arg-type]
        assert holds(root, it) is right


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("declared-on-the-root", "ds:Signature[1]/ds:Reference[1]"),
        ("in-a-claimed-role", "ds:Signature[1]/ds:Reference[2]"),
        ("the-second-of-two", "ds:Signature[2]/ds:Reference[1]"),
    ],
)
def test_the_report_says_which_reference_it_is(name: str, place: str) -> None:
    report = judged(REFUSED[f"prefix-unsigned--{name}"][1]())
    assert (report.code, report.place) == ("verify.prefix-unsigned", place)


@pytest.mark.parametrize("name", sorted(COVERED))
def test_where_all_is_covered_the_document_passes(name: str) -> None:
    assert judged(COVERED[name]()).code == ""


def test_types_below_very_many_declarations_are_found_in_one_walk() -> None:
    declared = " ".join(f'xmlns:p{number}="urn:{number}"' for number in range(4_000))
    typed = '<x xsi:type="p7:T"/>' * 4_000
    root = etree.fromstring(f'<r xmlns:xsi="{XSI}" {declared}>{typed}</r>')
    assert _bound(root) == ["urn:7"] * 4_000


def test_no_schema_that_is_delivered_declares_a_value_that_holds_a_name() -> None:
    """If one ever does, its values must be asked for as `xsi:type` is."""
    files = list(Path(schemas.__file__).parent.rglob("*.xsd"))
    assert len(files) > 5
    for file in files:
        assert not re.search(r"""["'\s:](?:QName|NOTATION)["'\s]""", file.read_text(encoding="utf-8")), file


def test_what_two_signatures_cover_alike_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []
    plain = prefixes.require_signed
    monkeypatch.setattr(
        prefixes,
        "require_signed",
        lambda it, root: (asked.append((it.target, it.method, it.out)), plain(it, root))[1],
    )
    both = sign(sign(FORM, PKI.person, AT, QUALIFIED), PKI.other_person, AT, QUALIFIED)
    assert judged(both).code == ""
    assert len(asked) == len(set(asked)) == 3  # the form, and the properties of each
