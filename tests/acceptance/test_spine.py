"""The main job: a signed form goes in, an official receipt comes out, the document reaches the office's own system."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from adapters.testkit.dms_conduct import GOOD, Conduct, Manner
from adapters.testkit.pki import JAN
from adapters.testkit.signer import sign, sign_on_platform
from adapters.testkit.signing.recipe import QUALIFIED
from broker.model import SubmissionId
from broker.proof import check
from broker.states import DeliveryState
from broker.verify import TrustSnapshot, anchors
from config import packaged
from config.bootstrap import open_ledger
from config.cli.main import goniec
from config.demo.forms import Attachment, Kind, form
from config.demo.people import person


def proof(town, receipt, document):
    trust = TrustSnapshot(anchors=anchors((town.site.folder / "pki" / "seal-ca.pem").read_bytes()))
    return check(receipt, schema=packaged.text("receipts/upo.xsd"), trust=trust, document=document)


def test_a_form_is_receipted_and_reaches_the_office_byte_for_byte(town):
    files = (
        Attachment(name="koniec.txt", content=b"tekst\r\n\n\n"),
        Attachment(name="dane.bin", content=bytes(range(256))),
    )
    document = town.letter(attachments=files)
    answer = town.put(document, file_name="pismo ż.xml").answer()
    town.settle()
    (handed,) = town.dms.received
    assert handed.document == document
    assert handed.receipt == answer.attachment.content
    assert handed.facts["submission"] == answer.document
    found = proof(town, answer.attachment.content, document)
    assert found.holds
    assert found.facts["SHA-256"] == b64encode(hashlib.sha256(document).digest()).decode()
    assert found.facts["IdentyfikatorDokumentu"] == answer.document


def test_podpis_zaufany_is_accepted_with_the_persons_identity(town):
    document = sign_on_platform(form(Kind.LETTER_4566, town.office, 1), town.site.pki.platform, JAN, datetime.now(UTC))
    answer = town.put(document).answer()
    with open_ledger(town.site.settings) as ledger:
        report = json.loads(ledger.show(SubmissionId(answer.document)).report)
    (signature,) = report["signatures"]
    assert report["level"] == "trusted-profile"
    assert signature["identity"]["pesel"] == JAN.pesel
    assert signature["identity"]["source"] == "claimed-role"


def test_fifty_copies_at_once_from_ten_clients_are_one_submission_even_after_certificate_and_route_are_gone(found):
    town = found(number=2)
    pki, now = town.site.pki, datetime.now(UTC)
    brief = pki.personal(pki.qualified_ca, JAN, not_after=now + timedelta(seconds=15))
    document = sign(form(Kind.LETTER_1410, town.office, 5), brief, now, QUALIFIED)
    with ThreadPoolExecutor(10) as clients:
        receipts = list(clients.map(lambda _: town.put(document).answer().attachment.content, range(50)))

    while datetime.now(UTC) <= now + timedelta(seconds=16):
        time.sleep(0.2)
    town.site.folder.joinpath("boxes.csv").write_bytes(
        b"box;office;name\n/elsewhere/SEKAP;%s;Elsewhere\n" % town.site.offices[1].id.encode()
    )
    town.site.folder.joinpath("routing.csv").write_bytes(b"by;key;box\n")
    other = sign(form(Kind.LETTER_1410, town.office, 6), brief, now, QUALIFIED)
    deadline = time.monotonic() + 30
    while (reply := town.put(town.letter(7))).status == http.client.OK:
        assert time.monotonic() < deadline, "the new table was not taken"
        time.sleep(0.2)
    assert reply.code() == "route.unknown-box"
    assert town.put(other, box="/elsewhere/SEKAP").code() == "verify.certificate-expired"

    receipts.append(town.put(document).answer().attachment.content)
    town.settle()
    assert len(receipts) == 51
    assert len(set(receipts)) == 1
    with open_ledger(town.site.settings) as ledger:
        stats = ledger.stats()
    registered = [it for it in town.dms.received if it.document == document]
    assert len(registered) == 1
    assert sum(stats.deliveries.values()) == stats.submissions


def test_a_trial_gets_a_receipt_marked_as_trial_and_goes_to_nobody(town):
    document = town.letter(8)
    answer = town.put(document, trial="true").answer()
    found = proof(town, answer.attachment.content, document)
    assert found.holds
    assert "receipt.trial" in found.notes
    town.settle()
    assert town.dms.received == ()
    with open_ledger(town.site.settings) as ledger:
        assert ledger.stats().submissions == 0
    # the real one, afterwards, is another submission
    assert town.put(document).answer().document != answer.document


def test_an_office_that_refuses_for_good_leaves_the_document_with_the_operator_who_can_requeue(town):
    town.dms.behave(Conduct(manner=Manner.CLIENT_FAULT))
    document = town.letter(9)
    submission = SubmissionId(town.put(document).answer().document)
    town.settle()
    town.dms.behave(GOOD)
    with open_ledger(town.site.settings) as ledger:
        (delivery,) = ledger.show(submission).deliveries
        assert delivery.state is DeliveryState.REFUSED
        assert list(ledger.requeue([delivery.id], "the office has mended its form")) == [delivery.id]
    town.settle()
    (handed,) = town.dms.received
    assert (handed.document, handed.delivery) == (document, delivery.id)


def test_a_paused_office_gets_nothing_until_it_is_resumed(town):
    def pause(*words):
        return goniec.main(["pause", "--config", str(town.site.configuration), *words], standalone_mode=False)

    with pytest.raises(SystemExit, match="0"):
        pause(town.office.id)
    with pytest.raises(SystemExit, match="1"):
        pause("nobody")
    document = town.letter(13)
    assert town.put(document).answer().attachment
    other = sign(form(Kind.QUESTION, town.site.offices[1], 14), town.site.pki.person, datetime.now(UTC), QUALIFIED)
    assert town.put(other, box=town.site.offices[1].box).answer().attachment
    deadline = time.monotonic() + 30
    while not town.dms.received:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [it.document for it in town.dms.received] == [other]
    with pytest.raises(SystemExit, match="0"):
        pause("--resume", town.office.id)
    town.settle()
    assert [it.document for it in town.dms.received] == [other, document]


@pytest.mark.parametrize("kind", Kind)
def test_nothing_of_a_person_is_written_into_the_log(found, kind):
    town = found(number=1)
    seed = 11
    resident, now = person(seed), datetime.now(UTC)
    good = sign(form(kind, town.office, seed), town.site.pki.person, now, QUALIFIED)
    changed = good.replace(resident.family_name.encode(), b"Podmieniony")
    broken = good.replace(b"PESEL>" + resident.pesel.encode(), b"PESEL>" + resident.pesel.encode() + b"X")
    for document in (good, changed, broken, good[:-30]):
        town.put(document)
    town.settle()
    town.serving.stop()
    said = town.log() + (town.site.folder / "stderr.txt").read_text()
    assert said.count("\n") > 5
    for secret in (resident.pesel, resident.family_name, resident.given_name, JAN.pesel, JAN.family, resident.email):
        assert secret not in said


def test_it_stops_cleanly_when_asked_and_starts_again_with_everything_it_had(town):
    town.dms.behave(Conduct(manner=Manner.DROP))
    document = town.letter(12)
    town.put(document)
    assert town.serving.stop() == os.EX_OK
    town.dms.behave(GOOD)
    with town.site.start():
        town.settle()
    assert [it.document for it in town.dms.received] == [document]
