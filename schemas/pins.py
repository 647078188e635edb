"""Pins: the SHA-256 of every file that decides what a valid form is, in the format of `sha256sum`.

A schema folder has one `SHA256SUMS` at its top.  A file that is not in it, or is not what it says, is not used.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

PINS = "SHA256SUMS"
_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<path>\S.*)")


def is_pinned(path: str) -> bool:
    """Whether a file decides what is valid, or what is said on the wire: examples do not."""
    return path.startswith(("forms/", "xsd/", "receipts/", "soap/")) and path.endswith((".xsd", ".wsdl", "/form.toml"))


def pins_for(files: Mapping[str, bytes]) -> bytes:
    """Return the content of `SHA256SUMS` for a schema folder, paths in order."""
    return b"".join(
        f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n".encode() for path in sorted(files) if is_pinned(path)
    )


def problems_with_pins(files: Mapping[str, bytes]) -> Iterator[str]:
    """Say what in a schema folder is not as it was pinned."""
    listed = files.get(PINS)
    if listed is None:
        yield f"{PINS}: missing; every schema must be pinned"
        return
    pins: dict[str, str] = {}
    for number, line in enumerate(listed.decode("utf-8", "replace").splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match is None:
            yield f"{PINS}, line {number}: not a line of sha256sum"
        else:
            pins[match["path"]] = match["digest"]
    for path in sorted(files.keys() | pins.keys()):
        if path not in files:
            yield f"{path}: pinned, but missing"
        elif path in pins:
            if hashlib.sha256(files[path]).hexdigest() != pins[path]:
                yield f"{path}: not what was pinned"
        elif is_pinned(path):
            yield f"{path}: not pinned"
