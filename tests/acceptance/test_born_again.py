"""Workers that are born again go by the configuration as it is now, not as their supervisor read it long ago."""

from __future__ import annotations

import os
import signal

from adapters.testkit.box import Box, Submission
from adapters.testkit.dms_conduct import Conduct, Manner
from adapters.wire.soap import SOAP11
from broker.partner import fingerprint
from broker.proof import check
from broker.verify import TrustSnapshot, anchors
from config import packaged
from config.demo.site import free_port
from tests.acceptance.test_many_nodes import events, until
from tests.acceptance.test_seal_rotation import a_seal, put
from tests.partners import Cast

WORKERS = 2


def test_what_was_changed_holds_after_the_death_of_every_worker(found, tmp_path):
    """A partner is taken out, and the seal exchanged for one at another place; then the old seal's file is destroyed."""
    cast = Cast(tmp_path)
    cast.server()
    people = {name: cast.client(name) for name in ("portal", "notary")}
    for name, credential in people.items():
        (tmp_path / f"{name}.crt").write_bytes(credential.pem)
    port = free_port()
    secure = {"kind": "soap", "listen": f"127.0.0.1:{port}", "certificate": "server.pem", "proof": ["tls"]}
    partners = {f"partners.{name}": {"certificates": [f"{name}.crt"], "boxes": [f"/{name}/box"]} for name in people}
    town = found(number=1, workers=WORKERS, sections={"channels.secure": secure, **partners})
    town.dms.behave(Conduct(manner=Manner.DROP))

    def sent(document, by):
        letter = Submission(document=document, box=town.office.box, sender=by, reply_to=f"/{by}/box")
        box = Box(url=f"https://127.0.0.1:{port}/skrytka", tls=cast.context(people[by]))
        return box.post(letter.envelope(SOAP11), "text/xml")

    def ready():
        return len(events(town.site, "supervisor.worker-ready"))

    until(lambda: ready() == WORKERS)
    assert sent(town.letter(0), "notary").status == sent(town.letter(1), "portal").status == 200

    follower = a_seal(town, "Follower")
    put(town, follower, "next.bundle.pem")
    text = town.site.configuration.read_text(encoding="utf-8")
    text = text.replace("pki/seal.bundle.pem", "pki/next.bundle.pem").replace("[partners.notary]", "[partners.other]")
    town.site.configuration.write_text(text, encoding="utf-8")
    until(lambda: len(events(town.site, "seal.taken-over")) == 2 * WORKERS)
    until(lambda: len(events(town.site, "snapshot.refreshed")) >= WORKERS)
    (tmp_path / "pki" / "seal.bundle.pem").unlink()

    for number, worker in enumerate(list(town.serving.workers)):
        os.kill(worker, signal.SIGKILL)
        until(lambda number=number: ready() == WORKERS + number + 1)
    for number in range(2, 8):
        document = town.letter(number)
        assert sent(document, "notary").code() == "partner.another"
        receipt = sent(document, "portal").answer().attachment.content
        trust = TrustSnapshot(anchors=anchors(follower.pem))
        assert check(receipt, schema=packaged.text("receipts/upo.xsd"), trust=trust, document=document).holds
    assert [one["sha256"] for one in events(town.site, "seal.taken-over")][WORKERS:] == [
        fingerprint(follower.certificate)
    ] * 2 * WORKERS
    assert town.serving.stop() == 0
