"""The broker that the corpus is put to: the stages as the configuration wires them, over keys that are kept.

Trusted are the authorities of `trust/`, certificates are judged as of `AT`, and forms are those of the catalogue and
one more (`form/`), which takes anything.  Each box has rules of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adapters.testkit.pki import Pki
from broker.errors import Rejection
from broker.evidence import Report
from broker.model import Address, Routed, Verified
from config.bootstrap import Broker, assemble
from config.settings import load
from tests.builders import an_envelope

ROOT = Path(__file__).parent
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)

_BOXES = """\
box;office;name;forms;senders;level;unsigned;signatures
/corpus/any;corpus;Urząd Próbny;;;;;
/corpus/qualified;corpus;Urząd Próbny;;;qualified;;
/corpus/trusted;corpus;Urząd Próbny;;;trusted-profile;;
/corpus/two;corpus;Urząd Próbny;;;;;2
/corpus/letters;corpus;Urząd Próbny;pismo-ogolne;;;;
/corpus/closed;corpus;Urząd Próbny;;somebody-else;;;
"""

_SETTINGS = """\
forms = ["{root}/form"]
[store]
kind = "memory"
refusals_per_hour = 100000
[seal]
kind = "pem"
file = "seal.bundle.pem"
[offices.corpus]
kind = "directory"
folder = "office"
"""

_ANCHOR = """\
[[trust.anchors]]
name = "{name}"
file = "{root}/trust/{name}.pem"
level = "{level}"
platform_seal = {seal}
"""
LEVELS = {"qualified-ca": "qualified", "platform-ca": "trusted-profile", "local-ca": "local"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a document: the code of its refusal, or "accepted"."""

    code: str
    indication: str = ""  # of the verdict, where stage verify decided
    verified: Verified | None = None  # of one that was accepted


class World:
    """A broker in a folder of its own.  Only the channel is missing: envelopes are handed to intake."""

    def __init__(self, folder: Path) -> None:
        (folder / "office").mkdir(parents=True, exist_ok=True)
        (folder / "boxes.csv").write_text(_BOXES, encoding="utf-8")
        (folder / "routing.csv").write_text("by;key;box\n", encoding="utf-8")
        Pki(at=datetime.now(UTC), keys="ec-256", cas="ec-256").write(folder / "pki")
        (folder / "pki" / "seal.bundle.pem").rename(folder / "seal.bundle.pem")
        anchors = [
            _ANCHOR.format(root=ROOT, name=name, level=level, seal=str(name == "platform-ca").lower())
            for name, level in LEVELS.items()
        ]
        file = folder / "goniec.toml"
        file.write_text(_SETTINGS.format(root=ROOT) + "".join(anchors), encoding="utf-8")
        self.broker: Broker = assemble(load(file))

    def put(self, document: bytes, box: str = "/corpus/any") -> Outcome:
        """Put a document into a box.  What is neither taken nor refused is an error, and is raised."""
        envelope = an_envelope(document, received_at=AT, to=Address(box=box))
        try:
            self.broker.intake.accept(envelope)
        except Rejection as no:
            return Outcome(code=no.code, indication=no.facts.get("indication", ""))
        return Outcome(code="accepted", verified=self._routed(document, box).verified)

    def _routed(self, document: bytes, box: str) -> Routed:
        """Ask the stages once more, one by one, for what intake keeps to itself."""
        intake = self.broker.intake
        envelope = an_envelope(document, received_at=AT, to=Address(box=box))
        return intake.route(intake.verify(intake.validate(intake.parse(envelope))))

    def report(self, document: bytes, box: str = "/corpus/any") -> Report:
        """Return what is found of the signatures of a document that obeys its form."""
        return self._routed(document, box).verified.report
