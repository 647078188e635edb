"""What becomes of documents in the long run, asked of a whole broker: they are pruned, and partners still find them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import zeep
from zeep.transports import Transport

from adapters.testkit.box import Reply
from tests.acceptance.conftest import Found, Town
from tests.commands import answer, run

PATIENCE = 60.0
BEFORE = datetime.now(UTC) - timedelta(minutes=5)


@pytest.fixture
def ask() -> Iterator[Callable[..., Any]]:
    """Asks a town's broker, as the sender of its letters, by zeep and the description that it serves."""
    transport = Transport(timeout=60, operation_timeout=60)

    def asked(town: Town, operation: str, **said: Any) -> Any:
        url = town.site.box.url.replace("/skrytka", "/uzgodnienie")
        service = zeep.Client(f"{url}?wsdl", transport=transport).bind("uzgodnienieService", "uzgodnienie")
        return service[operation](**said, _soapheaders={"podmiot": "citizen"})

    yield asked
    transport.session.close()


def everything(ask: Callable[..., Any], town: Town) -> list[Any]:
    """The whole list, page by page."""
    found, cursor = [], None
    while True:
        page = ask(town, "podajWykaz", odChwili=BEFORE, kursor=cursor, najwyzej=2)
        found += page.pozycja
        cursor = page.kursor
        if cursor is None:
            return found


def receipt(reply: Reply) -> bytes:
    attachment = reply.answer().attachment
    assert attachment is not None
    return attachment.content


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_was_pruned_still_gets_its_receipt_and_is_not_delivered_again(
    found: Found, ask: Callable[..., Any]
) -> None:
    town = found(number=1, sections={"retention": {"default": 1, "every": 1}})
    config = ["-c", town.site.configuration]
    document = town.letter(1)
    first = town.put(document)
    submission, upp = first.answer().document, receipt(first)
    town.settle()
    until(lambda: "retention.done" in town.log())
    assert "its content was removed on" in run("show", *config, submission, "--document", status=1).stderr
    assert receipt(town.put(document)) == upp
    (one,) = everything(ask, town)
    assert (one.identyfikatorDokumentu, one.stan) == (submission, "doreczony")
    assert one.dataUsuniecia is not None
    assert ask(town, "dajUpp", identyfikatorUpp=one.identyfikatorUpp).zawartosc == upp
    town.settle()
    assert len(town.dms.records.arrivals) == 1
    assert hashlib.sha256(document).hexdigest() in run("show", *config, submission).stdout
    told = [event["name"] for event in answer("show", *config, submission)["events"]]
    assert told[-1] == "retention.pruned"


def test_after_a_restore_both_sides_find_what_is_missing_and_agree_once_it_was_sent_again(
    found: Found, ask: Callable[..., Any]
) -> None:
    town = found(number=1)
    config = ["-c", town.site.configuration]
    copy = town.site.folder / "backup.sqlite"
    documents = [town.letter(number) for number in range(4)]
    held = [receipt(town.put(document)) for document in documents[:2]]
    town.settle()
    run("backup", copy, *config)
    held += [receipt(town.put(document)) for document in documents[2:]]
    town.settle()
    theirs = town.site.folder / "theirs.csv"
    theirs.write_text(
        "sha256,receipt\n" + "".join(f"{one.skrot},{one.identyfikatorUpp}\n" for one in everything(ask, town))
    )
    compared = ["reconcile", *config, "--since", BEFORE.isoformat(), "--partner", "citizen", "--file", theirs]
    assert answer(*compared) == []

    assert town.serving.stop() == 0
    for file in town.site.folder.glob("goniec.sqlite*"):
        file.unlink()
    copy.rename(town.site.folder / "goniec.sqlite")
    with town.site.start():
        digests = [hashlib.sha256(document).hexdigest() for document in documents]
        missing = [one["digest"] for one in answer(*compared, status=1)]
        assert sorted(missing) == sorted(digests[2:])
        looked = ask(town, "sprawdzSkroty", skrot=digests)
        assert [bool(one.pozycja) for one in looked] == [True, True, False, False]
        again = [receipt(town.put(document)) for document in documents]
        assert again[:2] == held[:2]
        town.settle()
        assert sorted(one.skrot for one in everything(ask, town)) == sorted(digests)
        assert {one["how"] for one in answer(*compared, status=1)} == {"receipt"}  # the new ones stand beside the old
        assert sorted(one.document for one in town.dms.received) == sorted(documents)  # each once, under one id
        assert town.dms.records.conflicts == ()
