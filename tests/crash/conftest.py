"""A broker that can be killed, its office's document systems, and what its partners send."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.testkit.box import Submission
from adapters.testkit.dms import MockDms
from adapters.testkit.dms_records import Handover
from adapters.testkit.pki import Pki
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from config.demo.forms import Kind, form
from config.demo.offices import DemoOffice, offices
from config.demo.play import wait_for_deliveries
from config.demo.site import Site, free_port
from tests.crash.integrator import DEADLY
from tests.crash.promises import Account, Word, audit
from tests.crash.spawner import Node, Spawner

LEASE = 1.0  # seconds: what a crash costs a document that was on its way
# A process that is killed over and over is not its documents' fault: without `crashes` some would end with the operator.
QUICK = {"lease": LEASE, "first_wait": 0.1, "longest_wait": 0.5, "poll": 0.1, "crashes": 1000}

Ways = Callable[[MockDms, str], Mapping[str, Any]]


def over_soap(dms: MockDms, office: str) -> Mapping[str, Any]:
    return {"kind": "soap", "url": dms.url(office), "cooling": 0.2}


@dataclass(kw_only=True)
class Ground:
    """A site that is served by one process after another, or by two."""

    site: Site
    dms: MockDms
    spawner: Spawner
    nodes: list[Node] = field(default_factory=list)
    made: int = 0

    def spawn(self, *bugs: str, packages: Path | None = None) -> Node:
        """Start a process, with bugs planted and an integrator's packages at hand."""
        node = self.spawner.spawn(self.site, bugs=bugs, packages=packages)
        self.nodes.append(node)
        return node

    def serve(self, *bugs: str, packages: Path | None = None) -> Node:
        """Start a process and return when it answers."""
        node = self.spawn(*bugs, packages=packages)
        node.wait_until_ready()
        return node

    def rival(self, *bugs: str, packages: Path | None = None) -> Node:
        """Start a second process on the same store, at a port of its own, and return when it answers."""
        node = self.spawner.spawn(replace(self.site, port=free_port()).write(), bugs=bugs, packages=packages)
        self.nodes.append(node)
        node.wait_until_ready()
        return node

    def letter(self, office: DemoOffice | None = None, *, deadly: bool = False) -> Submission:
        """The next form, signed, to an office or the first; a deadly one ends the worker of an integrator's office."""
        office = office or self.site.offices[0]
        self.made += 1
        now = datetime.now(UTC)
        text = form(Kind.LETTER_1410, office, self.made, attachments=(), at=now) + deadly * DEADLY
        return Submission(document=sign(text, self.site.pki.person, now, QUALIFIED), box=office.box)

    def said(self) -> str:
        """What all processes wrote, beside the log."""
        return (self.site.folder / "stderr.txt").read_text()

    def settle(self) -> None:
        """Wait until nothing is under way any more."""
        wait_for_deliveries(self.site, lambda _ended, _total: None)

    def audit(
        self, sent: Collection[bytes], words: Sequence[Word], arrivals: Sequence[Handover] | None = None, **about: Any
    ) -> Account:
        """Compare everything; by default with what came over SOAP."""
        assert not self.dms.bugs
        assert not self.dms.rejected
        came = self.dms.records.arrivals if arrivals is None else arrivals
        return audit(self.site, sent=sent, words=words, arrivals=came, **about)


Make = Callable[..., Ground]


@pytest.fixture(scope="session")
def spawner() -> Iterator[Spawner]:
    with Spawner() as one:
        yield one


@pytest.fixture(scope="session")
def pki() -> Pki:
    return Pki(at=datetime.now(UTC))


@pytest.fixture
def ground(tmp_path: Path, spawner: Spawner, pki: Pki) -> Iterator[Make]:
    """Makes grounds: `number` of offices and how they are reached; further keyword arguments are the site's."""
    with ExitStack() as ends:

        def make(*, number: int = 1, ways: Ways = over_soap, **about: Any) -> Ground:
            dms = ends.enter_context(MockDms())
            chosen = offices()[:number]
            delivery = {**QUICK, **about.pop("delivery", {})}
            site = Site(
                folder=tmp_path,
                offices=chosen,
                ways={office.id: ways(dms, office.id) for office in chosen},
                pki=pki,
                port=free_port(),
                sections={"delivery": delivery, **about.pop("sections", {})},
                **about,
            ).write()
            made = Ground(site=site, dms=dms, spawner=spawner)
            ends.callback(lambda: [node.kill() for node in made.nodes])
            return made

        yield make
