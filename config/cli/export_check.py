"""`goniec export check`: what a container proves, in words and in JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from config.cli.say import CANNOT_TELL, NO, YES, complain, moment, say, say_facts, say_json

if TYPE_CHECKING:
    from broker.evidence import Indication
    from config.export_check import CaseCheck


def told(file: Path, cas: tuple[Path, ...], tsas: tuple[Path, ...], *, as_json: bool) -> None:
    """Check a container, say what was found, and leave with its status."""
    from broker.verify import TrustSnapshot, anchors
    from config.export_check import Trusted, check
    from config.sources import of_file

    if not cas:
        complain("no anchors to trust: name those of the broker's seal by --ca")
    seals, stamps = (
        TrustSnapshot(anchors=tuple(one for pem in pems for one in of_file(pem, anchors))) for pems in (cas, tsas)
    )
    found = check(file, Trusted(seals=seals, stamps=stamps if tsas else None))
    if as_json:
        say_json({"file": str(file), **_told(found)})
    else:
        _in_words(file, found)
    raise SystemExit(status_of(found.container.verdict))


def status_of(verdict: Indication) -> int:
    """Return the exit status that says a verdict."""
    from broker.evidence import Indication

    return {Indication.PASSED: YES, Indication.FAILED: NO, Indication.INDETERMINATE: CANNOT_TELL}[verdict]


def _told(found: CaseCheck) -> dict[str, object]:
    it, receipt, journal = found.container, found.receipt, found.journal
    return {
        "verdict": it.verdict,
        "code": it.code,
        "place": it.place,
        "notes": it.notes,
        "files": [{"name": one.name, "media_type": one.media_type, "sha256": one.sha256.hex()} for one in it.files],
        "sealed_at": it.sealed_at,
        "sealed_by": it.sealed_by.subject if it.sealed_by else "",
        "stamped_at": it.stamped_at,
        "stamped_by": it.stamped_by,
        "receipt": {
            "verdict": receipt.verdict,
            "code": receipt.code,
            "notes": receipt.notes,
            "document": receipt.document,
            "stamped_at": receipt.stamped_at,
            "facts": dict(receipt.facts),
        }
        if receipt
        else None,
        "journal": {"verdict": journal.verdict, "reason": journal.reason, "events": len(journal.entries)}
        if journal
        else None,
    }


def _in_words(file: Path, found: CaseCheck) -> None:
    from broker.texts import TEXTS, hint

    it = found.container
    say(f"{file}: {it.verdict}", status_of(it.verdict))
    if it.code:
        say(f"{it.code}: {TEXTS[it.code].en} {it.place}".rstrip())
        if hint(it.code):
            say(f"hint: {hint(it.code)}")
    for note in (*it.notes, *(found.receipt.notes if found.receipt else ())):
        say(f"note: {TEXTS[note].en}")
    if it.sealed_by is not None:
        say(f"sealed: {moment(it.sealed_at)} by {it.sealed_by.subject}")
    if it.stamped_at is not None:
        say(f"time-stamp: {moment(it.stamped_at)} by {it.stamped_by}")
    if found.receipt is not None:
        same = {True: "the one that was receipted", False: "another one", None: "not there"}[found.receipt.document]
        say(f"receipt: {found.receipt.verdict}; document: {same}")
    if found.journal is not None:
        say(f"journal: {found.journal.verdict}, {len(found.journal.entries)} events {found.journal.reason}".rstrip())
    say_facts({one.name: one.sha256.hex() for one in it.files})
