"""What `goniec check` asks of a schema folder: that it compiles, and that its examples give their results.

An example is named `<result>-<what it shows>.xml`; the result is `ok`, `malformed`, `too-large`, `unknown-form`
or `invalid`, as `goniec validate` would say.  libxml2 is wrong about some two per cent of the W3C's suite for XSD,
so every example of an XSD 1.0 form is also put to xmlschema, and a disagreement is a problem.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from lxml import etree

from broker.errors import ConfigError, Malformed, TooLarge
from broker.parse import Limits, read
from schemas.catalogue import FormCatalogue, load
from schemas.form import Entry, read_form
from schemas.xsd11 import Xsd11

_EXAMPLE = re.compile(r"examples/(?P<result>ok|malformed|too-large|unknown-form|invalid)-[^/]+\.xml")
_LIMITS = Limits()


def examine(
    *folders: Mapping[str, bytes],
    limits: Limits = _LIMITS,
    each: Callable[[Sequence[str]], Iterable[str]] = iter,
) -> Sequence[str]:
    """Return everything that is wrong with the folders; nothing if all is well.

    `each` is handed the forms' files and gives them back one by one: a progress bar, for one.
    """
    try:
        catalogue = load(*folders)
    except ConfigError as error:
        return error.problems
    files = {path: content for folder in folders for path, content in folder.items()}
    problems: list[str] = []
    for path in each([path for path in sorted(files) if path.startswith("forms/") and path.endswith("/form.toml")]):
        problems += _examine_form(catalogue, files, read_form(path, files[path]), limits)
    return problems


def result(catalogue: FormCatalogue, example: bytes, limits: Limits = _LIMITS) -> str:
    """Return what becomes of an example: `ok`, `malformed`, `too-large`, `unknown-form` or `invalid`."""
    try:
        root = read(example, limits)
    except Malformed:
        return "malformed"
    except TooLarge:
        return "too-large"
    name = etree.QName(root)
    form = catalogue.find(name.namespace or "", name.localname)
    if form is None:
        return "unknown-form"
    return "invalid" if catalogue.flaws(form, root) else "ok"


def _examine_form(catalogue: FormCatalogue, files: Mapping[str, bytes], entry: Entry, limits: Limits) -> Iterator[str]:
    """Say what is wrong with the examples of one form."""
    folder = f"forms/{entry.form.key}/"
    examples = {path: files[path] for path in sorted(files) if path.startswith(f"{folder}examples/")}
    second = Xsd11(files, entry.schema) if entry.xsd == "1.0" else None
    if not any(path.startswith(f"{folder}examples/ok-") for path in examples):
        yield f"{folder}: no example that must be ok"
    for path, content in examples.items():
        match = _EXAMPLE.fullmatch(path, len(folder))
        if match is None:
            yield f"{path}: its name does not say a result"
            continue
        found = result(catalogue, content, limits)
        if found != match["result"]:
            yield f"{path}: is {found}"
        if second is not None and found in {"ok", "invalid"}:
            opinion = "invalid" if second.flaws(read(content, limits)) else "ok"
            if opinion != found:
                yield f"{path}: libxml2 says {found}, xmlschema says {opinion}"
