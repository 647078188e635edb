"""The catalogue: the forms that offices have agreed on, each with its compiled schema.

Everything is compiled once, when the catalogue is loaded, from pinned files that are handed in as bytes: nothing
here opens a file or a connection, whatever a schema or a document says.

A schema folder is a mapping of paths (relative to the folder, with "/") to contents:

    SHA256SUMS                          pins every .xsd and form.toml (see `schemas/pins.py`)
    forms/<name>/<version>/form.toml    see `schemas/form.py`
    forms/<name>/<version>/*.xsd
    forms/<name>/<version>/examples/    <result>-….xml, read by `examine` only
    xsd/…                               shared schemas, reached by relative schemaLocation

Later folders add to earlier ones and may replace their files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from threading import Lock
from typing import Any, Protocol

from lxml import etree

from broker.errors import ConfigError
from broker.model import Flaw, Form, FormKey
from broker.vocabulary import apart
from schemas.diagnosis import MOST, declared, flaws, known, legible
from schemas.form import Entry, read_form
from schemas.pins import PINS, problems_with_pins
from schemas.xsd11 import Xsd11

# Schemas have addresses of their own, so that a relative schemaLocation works and nothing else does.
_BASE = "goniec:///"
# What libxml2 and xmlschema say of a root that a schema does not declare.
_UNKNOWN_ROOT = ("No matching global declaration", "is not an element of the schema")


class Schema(Protocol):
    """A compiled schema.  Thread-safe."""

    def flaws(self, element: etree._Element) -> Sequence[Flaw]:
        """Return what is wrong with the element; nothing if it is valid."""
        ...


class FormCatalogue:
    """The Catalogue port over compiled schemas.  Immutable; may be asked by many threads."""

    def __init__(self, forms: Mapping[FormKey, tuple[Form, Schema]], names: frozenset[str]) -> None:
        """Take the forms, and the names of all elements that are declared."""
        self._names = names
        self._schemas = {key: schema for key, (_, schema) in forms.items()}
        self._by_root = {(form.namespace, form.root): form for form, _ in forms.values()}

    @property
    def forms(self) -> Sequence[Form]:
        """All forms, by name and version."""
        return sorted(self._by_root.values(), key=lambda form: (form.key.name, form.key.version))

    def find(self, namespace: str, root: str) -> Form | None:
        return self._by_root.get((namespace, root))

    def flaws(self, form: Form, element: etree._Element) -> Sequence[Flaw]:
        found = self._schemas[form.key].flaws(element)
        return tuple(replace(flaw, path=known(flaw.path, self._names)) for flaw in found)


def load(*folders: Mapping[str, bytes]) -> FormCatalogue:
    """Compile a catalogue from schema folders; raise ConfigError with everything that is wrong with them."""
    files, entries, problems = _survey(folders)
    forms: dict[FormKey, tuple[Form, Schema]] = {}
    for entry in entries:
        try:
            forms[entry.form.key] = (entry.form, compiled(files, entry))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return FormCatalogue(forms, declared(files))


def _survey(folders: Sequence[Mapping[str, bytes]]) -> tuple[dict[str, bytes], list[Entry], list[str]]:
    """Lay the folders over one another and read the form descriptions; return files, entries and problems."""
    files: dict[str, bytes] = {}
    problems: list[str] = []
    for folder in folders:
        problems += problems_with_pins(folder)
        files |= folder
    files.pop(PINS, None)
    entries: list[Entry] = []
    for path in sorted(path for path in files if path.startswith("forms/") and path.endswith("/form.toml")):
        try:
            entries.append(read_form(path, files[path]))
        except ConfigError as error:
            problems += error.problems
    roots: dict[tuple[str, str], FormKey] = {}
    for form in (entry.form for entry in entries):
        first = roots.setdefault((form.namespace, form.root), form.key)
        if first != form.key:
            problems.append(f"{form.key}: has the same root element as {first}")
    return files, entries, problems


def compiled(files: Mapping[str, bytes], entry: Entry) -> Schema:
    """Compile an entry's schema, and see that it declares the form's root; raise ConfigError."""
    if entry.schema not in files:
        raise ConfigError([f"{entry.schema}: missing, but {entry.form.key} names it"])
    schema = Xsd10(files, entry.schema) if entry.xsd == "1.0" else Xsd11(files, entry.schema)
    stranger = etree.Element(etree.QName(entry.form.namespace or None, entry.form.root))
    # Asked about an empty root, a schema that knows the name complains about the content (or about nothing).
    if any(unknown in flaw.message for flaw in schema.flaws(stranger) for unknown in _UNKNOWN_ROOT):
        raise ConfigError([f"{entry.schema}: does not declare {entry.form.root} in {entry.form.namespace}"])
    return schema


# Above so many elements a document is validated as a stream (see Xsd10).
_WIDE = 1_000
_PIECE = 65_536


class Xsd10:
    """libxml2's validator: quick, and its yes or no may be shared by threads, but its error log mixes theirs.

    So one compiled schema only says yes or no, and a second, used by one thread at a time, says why.

    For every fault lxml asks for the path of its element, which takes as long as the element has siblings, and
    neither stops at the first: 90,000 bad elements in a row would take minutes.  So a document of many elements
    is validated while it is parsed once more, in pieces, and given up at the first piece that has a fault.
    """

    def __init__(self, files: Mapping[str, bytes], path: str) -> None:
        self._judge = _compile(files, path)
        self._critic = _compile(files, path)
        self._alone = Lock()

    def flaws(self, element: etree._Element) -> Sequence[Flaw]:
        if next(islice(element.iterdescendants(etree.Element), _WIDE, None), None) is not None:
            return apart(lambda: self._flaws_of_stream(element))
        # A part of a document is copied for it in part, and the names of the copy stay in the thread's dictionary.
        inside = element.getparent() is not None
        if apart(lambda: self._judge.validate(element)) if inside else self._judge.validate(element):
            return ()
        with self._alone:
            self._critic.validate(element)
            return flaws(element, self._critic.error_log)

    def _flaws_of_stream(self, element: etree._Element) -> Sequence[Flaw]:
        """Return the first flaws of a document with many elements; they have lines, but no paths."""
        data = etree.tostring(element, encoding="utf-8", with_tail=False)
        bad, _ = self._feed([data[start : start + _PIECE] for start in range(0, len(data), _PIECE)])
        if bad is None:
            return ()
        # Once more, the bad piece tag by tag, to learn where the first fault is.
        start = bad * _PIECE
        tags = re.findall(rb"[^>]*>|[^>]+", data[start : start + _PIECE])
        fault, messages = self._feed([data[:start], *tags, data[start + _PIECE :]])
        read = start + sum(len(tag) for tag in tags[: fault or 0])
        line = (element.sourceline or 1) + data.count(b"\n", 0, read)
        root = "/" + etree.QName(element).localname
        return [Flaw(path=root, line=line, message=legible(message)) for message in messages]

    def _feed(self, pieces: Sequence[bytes]) -> tuple[int | None, Sequence[str]]:
        """Return the number of the first piece in which a fault shows, with what was said of it; or None."""
        parser = etree.XMLParser(
            schema=self._judge, no_network=True, resolve_entities=False, load_dtd=False, huge_tree=True
        )
        for number, piece in enumerate(pieces):
            try:
                parser.feed(piece)
                if number == len(pieces) - 1:
                    parser.close()
            except etree.XMLSyntaxError as error:
                return number, [entry.message for entry in islice(parser.feed_error_log, MOST)] or [str(error)]
            if len(parser.feed_error_log):
                return number, [entry.message for entry in islice(parser.feed_error_log, MOST)]
        return None, ()


class _Pinned(etree.Resolver):
    """Serves the files of the folder by their made-up addresses, and nothing else."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files

    def resolve(self, system_url: str | None, public_id: str | None, context: Any) -> Any:  # noqa: ARG002 - lxml's
        url = system_url or ""
        content = self.files.get(url.removeprefix(_BASE)) if url.startswith(_BASE) else None
        if content is None:
            raise LookupError(url)  # lxml then fails instead of looking elsewhere
        return self.resolve_string(content, context, base_url=url)


def _compile(files: Mapping[str, bytes], path: str) -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False)
    parser.resolvers.add(_Pinned(files))
    try:
        return etree.XMLSchema(etree.fromstring(files[path], parser, base_url=_BASE + path))
    except (etree.XMLSyntaxError, etree.XMLSchemaParseError, LookupError) as error:
        raise ConfigError([f"{path}: {str(error).replace(_BASE, '')}"]) from error
