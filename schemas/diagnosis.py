"""Why a document breaks its schema: what libxml2 reports, turned into flaws that a sender can act on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from lxml import etree

from broker.model import Flaw

_LONGEST = 2_000  # characters of a message or path: it quotes values, and names that a sender made up
MOST = 50  # flaws told of one document: who has more has the wrong form

_STEP = re.compile(r"(?:(?P<prefix>[^:\[]+):)?(?P<name>[^:\[]+)(?:\[(?P<index>\d+)\])?")
_NAMESPACE = re.compile(r"\{[a-z]+:[^{}\s]*\}")
_DECLARED = re.compile(rb"""<(?:[\w.-]+:)?element\b[^>]*?\sname\s*=\s*["']\s*([^"'\s]+)""")
# A step of a path, as `Name`, `prefix:Name` or `{namespace}Name`, without its index.
_NAME = re.compile(r"(?:\{[^}]*\}|[^/:\[\]{}]+:)?(?P<name>[^/:\[\]{}@]+)(?=\[\d+\]|/|\Z)")


def flaws(element: etree._Element, log: Iterable[etree._LogEntry]) -> Sequence[Flaw]:
    """Return what the log says about the element that was validated, at most MOST flaws, never none."""
    found = tuple(
        Flaw(
            path=readable_path(element, entry.path or ""),
            line=entry.line,
            message=legible(entry.message),
        )
        for entry in islice(log, MOST)
    )
    nothing_said = Flaw(path=readable_path(element, ""), line=element.sourceline or 0, message="Not valid.")
    return found or (nothing_said,)


def legible(message: str) -> str:
    """Return libxml2's message without the namespaces, which bury the names."""
    return _NAMESPACE.sub("", message[:_LONGEST]).strip()


def readable_path(element: etree._Element, path: str) -> str:
    """Turn libxml2's path (`/*/*[3]`: no names where a default namespace is used) into `/Dokument/TrescDokumentu`.

    An index is given only where siblings share a name.  What cannot be followed ends the path early.
    """
    node, names = element, [etree.QName(element).localname]
    for step in path.split("/")[2:]:
        child = _follow(node, step)
        if child is None:
            break
        node = child
        name = etree.QName(node)
        before = sum(1 for _ in node.itersiblings(name, preceding=True))
        alone = not before and next(node.itersiblings(name), None) is None
        names.append(name.localname if alone else f"{name.localname}[{before + 1}]")
    return ("/" + "/".join(names))[:_LONGEST]


def declared(files: Mapping[str, bytes]) -> frozenset[str]:
    """Return the names of all elements that the schemas of a folder declare."""
    schemas = (content for path, content in files.items() if path.endswith(".xsd"))
    return frozenset(name.decode() for content in schemas for name in _DECLARED.findall(content))


def known(path: str, names: frozenset[str]) -> str:
    """Return a path with `*` for each element that no schema knows: its name is its writer's, and paths are logged."""
    return _NAME.sub(lambda step: step[0] if step["name"] in names else "*", path)


def _follow(node: etree._Element, step: str) -> etree._Element | None:
    """Return the child that a step of libxml2's path means: `*` counts all elements, a name those of its own."""
    match = _STEP.fullmatch(step)
    if match is None:
        return None
    index = int(match["index"] or 1)
    children: Iterable[etree._Element] = node.iterchildren(etree.Element)
    if match["name"] != "*":
        wanted = (match["prefix"], match["name"])
        children = (child for child in children if (child.prefix, etree.QName(child).localname) == wanted)
    return next(islice(children, index - 1, None), None)
