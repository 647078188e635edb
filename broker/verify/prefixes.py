"""Whether a prefix in a value means what was signed (decision 0026).

A value may hold a name: `xsi:type="x:Office"`.  Exclusive C14N writes a declaration only where the name of an element
or an attribute uses it (§3), so the octets may say nothing of `x`, or something else than the document says: whoever
carries the document could bind it to another namespace, and no digest would change.  Inclusive C14N writes every
declaration, and an InclusiveNamespaces list those it names.

`xsi:type` (XML Schema part 1 §2.6.1) is the only such value in the forms, and the only one a schema processor obeys
that its schema does not declare: no schema here declares a value as xs:QName or xs:NOTATION (a test holds that), and
`xsi:schemaLocation` holds addresses.  XPath expressions of a Transform are read in `references.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from lxml import etree

from broker.verify.c14n import reread
from broker.verify.fault import Fault
from broker.verify.references import Covered

_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_TYPE: Final = f"{{{_XSI}}}type"
_IS_TYPED: Final = etree.XPath("boolean(descendant-or-self::*/@xsi:type)", namespaces={"xsi": _XSI})


def require_signed(covered: Covered, root: etree._Element) -> None:
    """Raise Fault if a prefix in a value is bound to another namespace than the covered octets say.

    `root` is that of the document: what a Reference covers that names nothing.  It costs no more than a look at the
    octets where no value has a type, and else as much as to read them.
    """
    top = root if covered.target is None else covered.target
    if not covered.method.exclusive or _XSI.encode() not in covered.octets or not _IS_TYPED(top):
        return
    if _bound(top, frozenset(top[place] for place in covered.out)) != _bound(reread(covered.octets)):
        raise Fault("verify.prefix-unsigned")


def _bound(top: etree._Element, left_out: Collection[etree._Element] = ()) -> list[str]:
    """Return the namespaces that the prefixes of all types below an element are bound to, in document order."""
    scope = {prefix or "": uri for prefix, uri in top.nsmap.items()}
    hidden: list[tuple[str, str]] = []
    found: list[str] = []
    # Declarations as they come and go: to ask each element for all in its scope would be quadratic.
    walk = etree.iterwalk(top, events=("start-ns", "start", "end-ns"))
    for _, it in walk:
        if isinstance(it, tuple):  # a declaration comes into scope
            prefix, uri = it
            hidden.append((prefix, scope.get(prefix, "")))
            scope[prefix] = uri
        elif it is None:  # the last one goes out of it
            prefix, uri = hidden.pop()
            scope[prefix] = uri
        elif it in left_out:
            walk.skip_subtree()
        elif (said := it.get(_TYPE)) is not None:
            prefix, colon, _ = said.strip().partition(":")
            found.append(scope.get(prefix if colon else "", ""))  # a type without one is of the default namespace
    return found
