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

import io
import warnings
from collections.abc import Mapping, Sequence
from email.message import Message
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.request import BaseHandler, OpenerDirector, Request
from urllib.response import addinfourl

from lxml import etree

from broker.errors import ConfigError
from broker.model import Flaw, Form, FormKey
from schemas.diagnosis import MOST, flaws
from schemas.form import Entry, read_form
from schemas.pins import PINS, problems_with_pins

if TYPE_CHECKING:
    from xmlschema import XMLSchemaBase

# Schemas have addresses of their own, so that a relative schemaLocation works and nothing else does.  xmlschema
# wants a local scheme; its opener below knows no files all the same.
_BASE = "goniec:///"
_LOCAL_BASE = "file:///goniec/"
# What libxml2 and xmlschema say of a root that a schema does not declare.
_UNKNOWN_ROOT = ("No matching global declaration", "is not an element of the schema")


class Schema(Protocol):
    """A compiled schema.  Thread-safe."""

    def flaws(self, element: etree._Element) -> Sequence[Flaw]:
        """Return what is wrong with the element; nothing if it is valid."""
        ...


class FormCatalogue:
    """The Catalogue port over compiled schemas.  Immutable; may be asked by many threads."""

    def __init__(self, forms: Mapping[FormKey, tuple[Form, Schema]]) -> None:
        self._schemas = {key: schema for key, (_, schema) in forms.items()}
        self._by_root = {(form.namespace, form.root): form for form, _ in forms.values()}

    @property
    def forms(self) -> Sequence[Form]:
        """All forms, by name and version."""
        return sorted(self._by_root.values(), key=lambda form: (form.key.name, form.key.version))

    def find(self, namespace: str, root: str) -> Form | None:
        return self._by_root.get((namespace, root))

    def flaws(self, form: Form, element: etree._Element) -> Sequence[Flaw]:
        return self._schemas[form.key].flaws(element)


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
    return FormCatalogue(forms)


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


class Xsd10:
    """libxml2's validator: quick, and its yes or no may be shared by threads, but its error log mixes theirs.

    So one compiled schema only says yes or no, and a second, used by one thread at a time, says why.
    """

    def __init__(self, files: Mapping[str, bytes], path: str) -> None:
        self._judge = _compile(files, path)
        self._critic = _compile(files, path)
        self._alone = Lock()

    def flaws(self, element: etree._Element) -> Sequence[Flaw]:
        if self._judge.validate(element):
            return ()
        with self._alone:
            self._critic.validate(element)
            return flaws(element, self._critic.error_log)


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


class Xsd11:
    """xmlschema's validator, for schemas of XSD 1.1, and as the second opinion of `schemas/examine.py`.

    Some eighty times slower than libxml2's.
    """

    def __init__(self, files: Mapping[str, bytes], path: str) -> None:
        import xmlschema  # noqa: PLC0415 - costs a tenth of a second, and most catalogues have no XSD 1.1

        self._broken = xmlschema.XMLSchemaException
        opener = OpenerDirector()
        opener.add_handler(_PinnedHandler(files))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # an import that fails is only a warning there
                self._schema: XMLSchemaBase = xmlschema.XMLSchema11(
                    _LOCAL_BASE + path, allow="local", defuse="always", opener=opener, use_fallback=False
                )
        except (xmlschema.XMLSchemaException, Warning, OSError, SyntaxError, ValueError) as error:
            raise ConfigError([f"{path}: {str(error).replace(_LOCAL_BASE, '')}"]) from error

    def flaws(self, element: etree._Element) -> Sequence[Flaw]:
        try:
            # It takes lxml's elements as well as its own kind, which its type does not say.
            errors = islice(self._schema.iter_errors(cast("Any", element), use_location_hints=False), MOST)
            return tuple(
                Flaw(path=error.path or "/", line=error.sourceline or 0, message=error.reason or "Not valid.")
                for error in errors
            )
        except self._broken as error:
            return (Flaw(path="/", line=element.sourceline or 0, message=str(error)),)


class _PinnedHandler(BaseHandler):
    """The only handler of xmlschema's opener, so that no file or host can be reached through it."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files

    def file_open(self, request: Request) -> addinfourl:
        """Serve a file of the folder; raise OSError for anything else."""
        content = self.files.get(request.full_url.removeprefix(_LOCAL_BASE))
        if content is None:
            raise OSError(f"{request.full_url} is not in the schema folder")
        return addinfourl(io.BytesIO(content), Message(), request.full_url)
