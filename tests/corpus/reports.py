"""What is said of each kept document, word for word: `reports.json`, beside the index.

The index has the code of each; here is all the rest of the verdict: where the fault is, what may have happened, and
a digest of the whole report, in which every name, reference and level stands.  `scripts/corpus` writes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache

from cryptography import x509

from broker.errors import Rejection
from broker.evidence import Level, to_json
from broker.parse import Limits, read
from broker.verify import Anchor, TrustSnapshot, examine
from tests.corpus.kept import ROOT, by_hand, kept

FILE = ROOT / "reports.json"
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
Said = dict[str, object]


@cache
def _trust() -> TrustSnapshot:
    def anchor(name: str, level: Level, *, platform_seal: bool = False) -> Anchor:
        certificate = x509.load_pem_x509_certificate((ROOT / "trust" / f"{name}-ca.pem").read_bytes())
        return Anchor(certificate=certificate, name=name, level=level, platform_seal=platform_seal)

    platform = anchor("platform", Level.TRUSTED_PROFILE, platform_seal=True)
    return TrustSnapshot(anchors=(anchor("qualified", Level.QUALIFIED), platform, anchor("local", Level.LOCAL)))


def documents() -> tuple[str, ...]:
    """Return the paths, below this folder, of all documents that are kept."""
    written = (str(path.relative_to(ROOT)) for path in by_hand() if path.parent.name == "parse")
    return tuple(sorted({*(it.path for it in kept()), *written}))


def said_of(path: str) -> Said:
    """Judge one document; return what is to be kept of it."""
    try:
        report = examine(read((ROOT / path).read_bytes(), Limits()), _trust(), AT)
    except Rejection as no:
        return {"code": no.code, "place": no.place, "facts": dict(no.facts)}
    whole = hashlib.sha256(to_json(report)).hexdigest()
    return {"code": report.code, "place": report.place, "hint": report.hint, "sha256": whole}


def known() -> dict[str, Said]:
    """Return what was said when they were written."""
    return dict(json.loads(FILE.read_text(encoding="utf-8")))


def _lines() -> Iterator[str]:
    for path in documents():
        yield f" {json.dumps(path)}: {json.dumps(said_of(path), ensure_ascii=False)}"


def write() -> None:
    """Keep what is said now."""
    FILE.write_text("{\n" + ",\n".join(_lines()) + "\n}\n", encoding="utf-8")
