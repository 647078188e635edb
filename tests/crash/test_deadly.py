"""A document that ends every process that handles it: it ends with the operator, and the others go their way."""

from __future__ import annotations

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from adapters.testkit.dms_conduct import Conduct
from config.demo.offices import offices
from tests.crash import integrator
from tests.crash.partners import send
from tests.crash.rabbit import Background

CRASHES = 3
OTHERS = 30
PATIENCE = 60.0  # seconds


def test_a_document_that_kills_its_worker_ends_in_quarantine_and_holds_up_no_other(ground, tmp_path, record_property):
    desk, packages = tmp_path / "desk", integrator.package(tmp_path / "packages")
    desk.mkdir()

    def ways(dms, office):
        soap = {"kind": "soap", "url": dms.url(office), "cooling": 0.2, "in_flight": 4}
        return soap if office != town_hall else {"kind": "gated", "folder": str(desk), "in_flight": 4}

    town_hall = offices()[0].id
    town = ground(number=3, ways=ways, delivery={"crashes": CRASHES})
    town.dms.behave(Conduct(delay=0.3))
    deadly = town.letter(deadly=True)
    letters = [town.letter(office=office) for _ in range(OTHERS // 3) for office in town.site.offices]
    letters.insert(len(letters) // 3, deadly)
    enough = Event()

    def supervise():
        while not enough.is_set():
            if not town.nodes or not town.nodes[-1].alive:
                town.spawn(packages=packages)
            time.sleep(0.02)

    with Background(supervise):
        try:
            with ThreadPoolExecutor(4) as partners:
                until = time.monotonic() + PATIENCE
                words = [word for word, _ in partners.map(lambda it: send(town.site.box, it, until), letters)]
            town.settle()
        finally:
            enough.set()
    deaths = sum(not node.alive for node in town.nodes)
    account = town.audit(
        {it.document for it in letters}, words, [*town.dms.records.arrivals, *integrator.arrivals(desk)]
    )
    line = f"{deaths} processes died of one document · with the operator {len(account.quarantined)} · {account}"
    print(line)  # noqa: T201 - the test counts, and says so
    record_property("deadly", line)
    assert account.broken == {}
    assert account.quarantined == {hashlib.sha256(deadly.document).hexdigest()}
    assert deaths == CRASHES
    assert town.nodes[-1].stop() == os.EX_OK
