"""The same form as different programs write it: an element is a value, a style turns it into octets.

Nothing here parses or canonicalises: the point is that these octets differ and mean the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from xml.sax.saxutils import escape, quoteattr

_UTF8_MARK = b"\xef\xbb\xbf"


class Style(StrEnum):
    """How a program writes namespaces."""

    PREFIXED = "prefixed"  # telling prefixes, declared on the root, indented, shown by a stylesheet
    DEFAULTED = "defaulted"  # no prefix: a default namespace declared again on every element, as the public portal does
    NUMBERED = "numbered"  # ns2:, ns3:, as JAXB does


@dataclass(frozen=True, slots=True)
class Element:
    """An element: its namespace, its name, and its text or its children."""

    namespace: str
    name: str
    content: str | Sequence[Element] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)

    def namespaces(self) -> Iterator[str]:
        """Yield the namespace of this element and of all within, in document order, repeats too."""
        yield self.namespace
        if not isinstance(self.content, str):
            for child in self.content:
                yield from child.namespaces()


def write(root: Element, style: Style, prefixes: Mapping[str, str], *, mark: bool = False) -> bytes:
    """Return the document in UTF-8.

    `prefixes` are those that PREFIXED uses, by namespace; `mark` puts a byte order mark first.
    """
    text = _texts(root, style, prefixes)
    return (_UTF8_MARK if mark else b"") + "".join(text).encode()


def _texts(root: Element, style: Style, prefixes: Mapping[str, str]) -> Iterator[str]:
    used = list(dict.fromkeys(root.namespaces()))
    match style:
        case Style.PREFIXED:
            yield '<?xml version="1.0" encoding="UTF-8"?>\n<?xml-stylesheet type="text/xsl" href="styl.xsl"?>\n'
            names = {namespace: prefixes[namespace] for namespace in used}
            yield from _lines(root, names, _declared(names), "\n")
            yield "\n"
        case Style.DEFAULTED:
            yield '<?xml version="1.0" encoding="utf-8"?>'
            yield from _lines(root, None, "", "")
        case Style.NUMBERED:
            yield '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
            # One namespace goes without a prefix; it is seldom the root's that JAXB picks.
            numbered = {namespace: f"ns{number}" for number, namespace in enumerate(used, 2)} | {used[-1]: ""}
            yield from _lines(root, numbered, _declared(numbered), "")


def _declared(names: Mapping[str, str]) -> str:
    return "".join(f" xmlns{prefix and ':'}{prefix}={quoteattr(namespace)}" for namespace, prefix in names.items())


def _lines(element: Element, names: Mapping[str, str] | None, declared: str, indent: str) -> Iterator[str]:
    """Yield the element's text in pieces; without names every element declares its own default namespace."""
    prefix = names[element.namespace] if names else ""
    tag = f"{prefix}:{element.name}" if prefix else element.name
    own = declared if names else f" xmlns={quoteattr(element.namespace)}"
    yield f"<{tag}{own}"
    yield from (f" {name}={quoteattr(value)}" for name, value in element.attributes.items())
    yield ">"
    if isinstance(element.content, str):
        yield escape(element.content, {"\r": "&#13;"})
    else:
        for child in element.content:
            yield indent and f"{indent}  "
            yield from _lines(child, names, "", indent and f"{indent}  ")
        yield indent
    yield f"</{tag}>"
