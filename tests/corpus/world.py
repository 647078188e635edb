"""The broker that the corpus is put to: the stages as the configuration wires them, over keys that are kept.

Trusted are the authorities of `trust/`, certificates are judged as of `AT`, and forms are those of the catalogue and
one more (`form/`), which takes anything.  Each box has rules of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from adapters.testkit.pki import Pki
from broker.errors import Rejection, Unavailable
from broker.intake import Intake
from broker.model import Address
from broker.second_opinion import Seconded
from broker.verify import Verify
from broker.verify.revocation import Evidence
from broker.verify.settlement import Raw, settle
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

_SECOND = """\
[trust]
second_opinion = true
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


class World:
    """A broker in a folder of its own.  Only the channel is missing: envelopes are handed to intake.

    With `second_opinion` it asks for one; what becomes of a document must not depend on that.
    """

    def __init__(self, folder: Path, *, second_opinion: bool = False) -> None:
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
        asking = _SECOND if second_opinion else ""
        file.write_text(_SETTINGS.format(root=ROOT) + asking + "".join(anchors), encoding="utf-8")
        self.broker: Broker = assemble(load(file))

    def put(self, document: bytes, box: str = "/corpus/any", revocation: str = "off") -> Outcome:
        """Put a document into a box.  Anything else than yes, no or not yet is an error, and is raised."""
        intake = self.broker.intake if revocation == "off" else self.requiring
        envelope = an_envelope(document, received_at=AT, to=Address(box=box), channel=revocation)
        try:
            intake.accept(envelope)
        except Rejection as no:
            return Outcome(code=no.code, indication=no.facts.get("indication", ""))
        except Unavailable:
            report = intake.verify(intake.validate(intake.parse(envelope))).report
            return Outcome(code=report.code, indication=str(report.indication))
        return Outcome(code="accepted")

    @cached_property
    def requiring(self) -> Intake:
        """Return an intake that requires proof that nothing was revoked, and knows the lists that are kept."""
        own = self.broker.intake
        first = own.verify.first if isinstance(own.verify, Seconded) else own.verify
        assert isinstance(first, Verify)
        trust = replace(first.trust(), revocation="require")
        chain = [anchor.der for anchor in trust.anchors if (ROOT / "trust" / f"{anchor.name}.crl").exists()]
        crls = [Raw(octets=file.read_bytes()) for file in sorted((ROOT / "trust").glob("*.crl"))]
        settled = settle([*chain, *chain], crls=crls, at=AT, freshness=timedelta(days=1))
        evidence = Evidence().adding(settled)
        first = replace(first, trust=lambda: trust, evidence=lambda: evidence)
        return replace(own, verify=replace(own.verify, first=first) if isinstance(own.verify, Seconded) else first)
