"""A whole broker as a process, with offices that record what they get: what acceptance tests stand on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.testkit.box import Reply, Submission
from adapters.testkit.dms import MockDms
from adapters.testkit.pki import Pki
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from config.demo.forms import Kind, form
from config.demo.offices import DemoOffice, offices
from config.demo.play import wait_for_deliveries
from config.demo.site import Serving, Site, free_port

QUICK = {"first_wait": 0.2, "longest_wait": 1.0, "poll": 0.1}


@dataclass(kw_only=True)
class Town:
    """A served broker and its offices."""

    site: Site
    dms: MockDms
    serving: Serving

    @property
    def office(self) -> DemoOffice:
        return self.site.offices[0]

    def letter(self, number: int = 0, kind: Kind = Kind.LETTER_1410, **about: Any) -> bytes:
        """A form to the first office, signed with a qualified certificate."""
        return sign(form(kind, self.office, number, **about), self.site.pki.person, datetime.now(UTC), QUALIFIED)

    def put(self, document: bytes, **about: Any) -> Reply:
        """Put a document into the first office's box."""
        return self.site.box.submit(replace(Submission(document=document, box=self.office.box), **about))

    def settle(self) -> None:
        """Wait until nothing is under way any more."""
        wait_for_deliveries(self.site, lambda _ended, _total: None)

    def log(self) -> str:
        return self.site.log.read_text(encoding="utf-8")


Found = Callable[..., Town]


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Found]:
    """Founds a town: `offices` how many, further keyword arguments are fields of its site."""
    with ExitStack() as ends:

        def make(
            *, number: int = 2, ways: Callable[[MockDms, DemoOffice], dict[str, Any]] | None = None, **about: Any
        ) -> Town:
            dms = ends.enter_context(MockDms(folder=tmp_path / "offices"))
            chosen = offices()[:number]
            way = ways or (lambda it, office: {"kind": "soap", "url": it.url(office.id), "cooling": 0.5})
            sections = {"delivery": QUICK, **about.pop("sections", {})}
            site = Site(
                folder=tmp_path,
                offices=chosen,
                ways={office.id: way(dms, office) for office in chosen},
                pki=Pki(at=datetime.now(UTC)),
                port=free_port(),
                sections=sections,
                **about,
            ).write()
            return Town(site=site, dms=dms, serving=ends.enter_context(site.start()))

        yield make


@pytest.fixture
def town(found: Found) -> Town:
    return found()
