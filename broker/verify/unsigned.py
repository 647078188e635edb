"""What nobody has signed may stand in a document only where nobody reads it for what was signed (decision 0021).

Asked last, of documents whose signatures hold.  Two places are left that no Reference need cover: around the root,
where an instruction may send a reader to another stylesheet, and inside the signatures themselves.  And one kind of
letters within what is covered: declarations of prefixes (`prefixes.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from lxml import etree

from broker.verify.fault import Fault
from broker.verify.names import DS, EXCLUSIVE_C14N, OBJECT, QUALIFYING_PROPERTIES, SIGNED_INFO, SIGNED_PROPERTIES
from broker.verify.references import Covered
from broker.verify.shape import Layout

_SIGNING: Final = frozenset({DS[1:-1], "http://www.w3.org/2009/xmldsig11#", EXCLUSIVE_C14N[1:-1]})
_ETSI: Final = "http://uri.etsi.org/"  # XAdES of every version, and what is added to it


def require_nothing(layout: Layout, covering: Sequence[Covered]) -> None:
    """Raise Fault if there is something that could be read and that no signature covers."""
    root = layout.root
    # URI="" means the document with the instructions around its root; the root's Id, or an Object's, does not.
    if all(it.target is not None for it in covering):
        for direction in (True, False):
            if next(root.itersiblings(etree.PI, preceding=direction), None) is not None:
                raise Fault("verify.instruction-unsigned", "processing-instruction()")
    for signature in layout.signatures:
        for element in _unsigned(signature, layout.form):
            namespace = etree.QName(element).namespace or ""
            if namespace not in _SIGNING and not namespace.startswith(_ETSI):
                raise Fault("verify.foreign-unsigned", "ds:Signature", element=etree.QName(element).localname)


def _unsigned(signature: etree._Element, form: etree._Element) -> Iterator[etree._Element]:
    """Yield the elements of a signature that neither it nor the counter-signature they belong to has signed."""
    ahead = [signature]
    while ahead:
        for child in ahead.pop().iterchildren(etree.Element):
            if child is form or child.tag == SIGNED_INFO or _is_signed_property(child):
                continue
            yield child
            ahead.append(child)


def _is_signed_property(element: etree._Element) -> bool:
    """Whether these are the signed properties of a signature, where they belong: nowhere else are they covered."""
    above = element.getparent()
    held = None if above is None else above.getparent()
    return (
        element.tag == SIGNED_PROPERTIES
        and above is not None
        and above.tag == QUALIFYING_PROPERTIES
        and held is not None
        and held.tag == OBJECT
    )
