"""Canonical octets agree with a second implementation, written here from the recommendations.

lxml is right for whole documents and wrong for parts in several ways (see `broker/verify/c14n.py`); this one walks
the tree in Python, knows namespaces as lists of declarations, and shares nothing with libxml2's canonicaliser.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from broker.parse import Limits, read
from broker.verify.algorithms import EXCLUSIVE, INCLUSIVE, METHODS, Method
from broker.verify.c14n import Canon
from broker.verify.fault import Fault

XML = "{http://www.w3.org/XML/1998/namespace}"


def _escape(text: str, *, attribute: bool) -> str:
    out = text.replace("&", "&amp;").replace("<", "&lt;").replace("\r", "&#xD;")
    if attribute:
        return out.replace('"', "&quot;").replace("\t", "&#x9;").replace("\n", "&#xA;")
    return out.replace(">", "&gt;")


def _name(prefix: str | None, tag: str) -> str:
    local = etree.QName(tag).localname
    return f"{prefix}:{local}" if prefix else local


def _attribute_prefix(element: etree._Element, name: str) -> str:
    namespace = etree.QName(name).namespace
    if namespace == XML[1:-1]:
        return "xml"
    # an attribute is never in the default namespace: the prefix is one that is bound to its name
    return next(str(prefix) for prefix, uri in sorted(element.nsmap.items(), key=str) if prefix and uri == namespace)


def octets(apex: etree._Element, method: Method, comments: bool = False) -> bytes:
    out: list[str] = []

    def write(element: etree._Element, rendered: dict[str | None, str]) -> None:
        attributes = dict(element.attrib)
        if element is apex and not method.exclusive:
            for above in element.iterancestors():
                for name, value in above.attrib.items():
                    if name.startswith(XML) and not (method.version11 and name in (XML + "id", XML + "base")):
                        attributes.setdefault(name, value)
        prefixes = {name: _attribute_prefix(element, name) for name in attributes if name.startswith("{")}
        in_scope = {prefix: uri for prefix, uri in element.nsmap.items() if prefix != "xml"}
        used: set[str | None] = {None, *in_scope}
        if method.exclusive:
            listed = {None if it == "#default" else it for it in method.prefixes}
            used = {element.prefix, *prefixes.values()} - {"xml"} | (listed & {None, *in_scope})
        now = {prefix: in_scope.get(prefix, "") for prefix in used}
        declarations = [(prefix or "", uri) for prefix, uri in now.items() if rendered.get(prefix, "") != uri]
        out.append(f"<{_name(element.prefix, element.tag)}")
        for prefix, uri in sorted(declarations):
            out.append(f' xmlns{":" + prefix if prefix else ""}="{_escape(uri, attribute=True)}"')
        order = sorted(attributes, key=lambda name: (etree.QName(name).namespace or "", etree.QName(name).localname))
        out.extend(f' {_name(prefixes.get(it), it)}="{_escape(attributes[it], attribute=True)}"' for it in order)
        out.append(">")
        out.append(_escape(element.text or "", attribute=False))
        for child in element:
            if child.tag is etree.Comment:
                out.append(f"<!--{child.text}-->" if comments else "")
            elif child.tag is etree.ProcessingInstruction:
                out.append(f"<?{child.target}{' ' + child.text if child.text else ''}?>")
            else:
                write(child, {**rendered, **now})
            out.append(_escape(child.tail or "", attribute=False))
        out.append(f"</{_name(element.prefix, element.tag)}>")

    write(apex, {})
    return "".join(out).encode()


# No two prefixes share a name: lxml does not tell which of them an attribute was written with.
URIS = {"": ("", "urn:a1", "urn:d"), "a": ("urn:a1", "urn:a2"), "b": ("urn:b1", "urn:b2"), "c": ("urn:c",)}
TEXTS = st.text(st.sampled_from("x <&>\"'\t\n\rż"), max_size=4)


@st.composite
def elements(draw: st.DrawFn, depth: int = 4, scope: frozenset[str] = frozenset()) -> str:
    declared = {prefix: draw(st.sampled_from(URIS[prefix])) for prefix in draw(st.sets(st.sampled_from(sorted(URIS))))}
    scope = scope | {prefix for prefix in declared if prefix}
    prefix = draw(st.sampled_from(sorted({"", *scope})))
    name = f"{prefix}:e" if prefix else "e"
    said = "".join(f' xmlns{":" + p if p else ""}="{uri}"' for p, uri in declared.items())
    for attribute in draw(st.sets(st.sampled_from(["k", "l", "xml:lang", "xml:space", "xml:id"]), max_size=3)):
        said += f' {attribute}="{draw(st.sampled_from(["1", "&#10;&quot;&#13;", "ż"]))}"'
    if scope and draw(st.booleans()):
        said += f' {draw(st.sampled_from(sorted(scope)))}:m="2"'
    inner = draw(TEXTS).replace("&", "&amp;").replace("<", "&lt;").replace("\r", "&#13;").replace(">", "&gt;")
    if depth:
        inner += "".join(draw(st.lists(elements(depth - 1, scope), max_size=2)))
    inner += draw(st.sampled_from(["", "<!-- c -->", "<?pi data?>", "tail"]))
    return f"<{name}{said}>{inner}</{name}>"


LISTS = [("a", "c"), ("#default",), ("#default", "b")]
METHOD = st.sampled_from([*METHODS.values(), *(Method(EXCLUSIVE.uri, exclusive=True, prefixes=it) for it in LISTS)])


@given(text=elements(), method=METHOD, pick=st.integers(0, 50))
def test_any_part_of_any_document_has_the_octets_that_the_recommendation_says(
    text: str, method: Method, pick: int
) -> None:
    root = read(text.encode(), Limits())
    every = list(root.iter(etree.Element))
    part = every[pick % len(every)]
    before = etree.tostring(root)
    assert Canon(root, budget=1_000_000).element(part, method, comments=method.comments) == octets(
        part, method, method.comments
    )
    assert etree.tostring(root) == before


@given(text=elements(), method=METHOD)
def test_a_document_has_the_octets_that_the_recommendation_says(text: str, method: Method) -> None:
    root = read(f"<?before?>{text}<!-- behind --><?behind it?>".encode(), Limits())
    canon = Canon(root, budget=1_000_000)
    assert canon.document(method, (), alone=True) == octets(root, method)
    assert canon.document(method, ()) == b"<?before?>\n" + octets(root, method) + b"\n<?behind it?>"


def test_what_is_left_out_takes_no_text_with_it() -> None:
    root = read(b"<r>a<x/>b<y/>c<!-- d --><z/>e</r>", Limits())
    canon = Canon(root, budget=1000)
    assert canon.document(INCLUSIVE, (0, 1, 3)) == b"<r>abce</r>"
    assert canon.document(INCLUSIVE, (1,)) == b"<r>a<x></x>bc<z></z>e</r>"
    assert etree.tostring(root) == b"<r>a<x/>b<y/>c<!-- d --><z/>e</r>"


def test_octets_are_paid_for_once_and_not_beyond_the_budget() -> None:
    root = read(b"<r><x/></r>", Limits())
    canon = Canon(root, budget=20)
    for _ in range(5):
        canon.document(INCLUSIVE, ())
    with pytest.raises(Fault, match="too-costly"):
        canon.document(EXCLUSIVE, (0,)) and canon.document(EXCLUSIVE, ())


def test_xml_base_above_a_part_is_refused_by_version_11_and_inherited_by_version_10() -> None:
    root = read(b'<r xml:base="http://a.test/"><x/></r>', Limits())
    canon = Canon(root, budget=1000)
    assert canon.element(root[0], INCLUSIVE) == b'<x xml:base="http://a.test/"></x>'
    with pytest.raises(Fault, match="c14n11-base"):
        canon.element(root[0], METHODS["http://www.w3.org/2006/12/xml-c14n11"])
