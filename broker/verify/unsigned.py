"""What nobody has signed may stand in a document only where nobody reads it for what was signed (decision 0021).

Asked last, of documents whose signatures hold.  Two places are left that no Reference need cover: around the root,
where an instruction may send a reader to another stylesheet, and inside the signatures themselves.  What stands there
must be made of a signature's own elements, and must not act on what is covered: by an attribute of XML itself, which
holds for all that is below it, or by parting a text.  And one kind of letters within what is covered: declarations of
prefixes (`prefixes.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from lxml import etree

from broker.lines import line
from broker.verify.fault import Fault
from broker.verify.names import DS, DSIG11, EXCLUSIVE_C14N, SIGNATURE, XML
from broker.verify.references import Covered
from broker.verify.shape import Layout

_SIGNING: Final = frozenset({DS[1:-1], DSIG11[1:-1], EXCLUSIVE_C14N[1:-1]})
_ETSI: Final = "http://uri.etsi.org/"  # XAdES of every version, and what is added to it
_ID: Final = XML + "id"  # the one attribute of XML that says nothing of what is below it


def require_nothing(
    layout: Layout,
    covering: Sequence[Covered],
    signed: Collection[etree._Element],
    unproven: Mapping[etree._Element, str],
) -> None:
    """Raise Fault if there is something that could be read and that no signature covers.

    `signed` are the elements inside the signatures that a signature which holds has signed; `unproven` are the
    counter-signatures that do not hold, each with the code by which it does not.
    """
    root = layout.root
    # URI="" means the document with the instructions around its root; the root's Id, or an Object's, does not.
    if all(it.target is not None for it in covering):
        for direction in (True, False):
            if next(root.itersiblings(etree.PI, preceding=direction), None) is not None:
                raise Fault("verify.instruction-unsigned", "processing-instruction()")
    for number, signature in enumerate(layout.signatures, start=1):
        place = f"ds:Signature[{number}]"
        if (signature.tail or "").strip():
            raise Fault("verify.signature-in-text", place, line=line(signature.sourceline))
        for element in elements(signature, {layout.form, *signed}):
            namespace = etree.QName(element).namespace or ""
            if namespace not in _SIGNING and not namespace.startswith(_ETSI):
                raise _foreign(element, place, unproven)


def _foreign(element: etree._Element, place: str, unproven: Mapping[etree._Element, str]) -> Fault:
    """Return what is wrong with it: in a counter-signature that does not hold, this."""
    facts = {"element": etree.QName(element).localname, "line": line(element.sourceline)}
    reason = next((unproven[it] for it in element.iterancestors() if it in unproven), None)
    if reason is not None:
        return Fault("verify.counter-signature-unproven", f"{place}/xades:CounterSignature", reason=reason, **facts)
    return Fault("verify.foreign-unsigned", place, **facts)


def elements(signature: etree._Element, apart: Collection[etree._Element]) -> Iterator[etree._Element]:
    """Yield the elements in a signature but for those `apart`, which are never entered."""
    ahead = [signature]
    while ahead:
        for child in ahead.pop().iterchildren(etree.Element):
            if child not in apart:
                yield child
                ahead.append(child)


def require_no_attribute_around(it: Covered, all_covered: Sequence[Covered], root: etree._Element) -> None:
    """Raise Fault if an attribute of XML itself holds for what a Reference covers, and its signature covers it not.

    `xml:base`, `xml:lang` and `xml:space` hold for all that is below them, and exclusive C14N does not hand them down
    (Exclusive C14N §3): whoever carries the document could put them around what is covered, and no digest would change.
    """
    if not it.method.exclusive or it.target is None:
        return
    covered = {root if other.target is None else other.target for other in all_covered}
    acting = ""
    for above in it.target.iterancestors():
        if above in covered:  # and all between: what holds for that one is asked of its own Reference
            return
        acting = acting or next((name for name in above.attrib if name.startswith(XML) and name != _ID), "")
        # What covers the document leaves its signatures out: what stands in one is in nothing that is covered above.
        if acting and above.tag == SIGNATURE:
            break
    if acting:
        raise Fault("verify.attribute-unsigned", attribute=f"xml:{etree.QName(acting).localname}")
