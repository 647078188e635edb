"""A store that is restored from an old backup: nothing is handed over under two ids, and receipts find their records.

The backup is made while documents come in; what comes after it is lost with the broker.  Its senders hold receipts.
"""

from __future__ import annotations

import secrets
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import psycopg
import pytest
from sqlalchemy import make_url

from adapters.stores import migrate
from broker.errors import Rejection
from broker.model import Address, SubmissionId
from config.bootstrap import open_ledger
from config.readmit import Readmitted, Said, readmit
from tests.acceptance.conftest import QUICK
from tests.commands import run


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a store is; `back_up` is asked while the broker runs, `restore` when it does not, and says where it is."""

    url: str
    back_up: Callable[[object], None]
    restore: Callable[[object], str]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path) -> Place:
    return request.getfixturevalue(f"on_{request.param}")


@pytest.fixture
def on_sqlite(tmp_path) -> Place:
    copy = tmp_path / "backup" / "goniec.sqlite"
    copy.parent.mkdir()

    def restore(town):
        for file in town.site.folder.glob("goniec.sqlite*"):
            file.unlink()
        (town.site.folder / "goniec.sqlite").write_bytes(copy.read_bytes())
        return town.site.store

    def back_up(town):
        run("backup", copy, "-c", town.site.configuration)

    return Place(url="sqlite:///goniec.sqlite", back_up=back_up, restore=restore)


@pytest.fixture
def on_postgres(postgres_url, tmp_path) -> Iterator[Place]:
    """A role that may do nothing but log in, and databases that it owns, as an administrator makes them."""
    mark = secrets.token_hex(6)
    role, first, second = f"goniec_{mark}", f"goniec_{mark}_1", f"goniec_{mark}_2"
    server = make_url(postgres_url)
    at = ["--host", str(server.host), "--port", str(server.port), "--username", str(server.username), "--no-password"]
    dump = tmp_path / "goniec.dump"

    def ours(database: str) -> str:
        return server.set(username=role, database=database).render_as_string(hide_password=False)

    def words(*command: object, by: str = str(server.username)) -> None:
        place = [by if word == server.username else word for word in at]
        subprocess.run([str(command[0]), *map(str, place), *map(str, command[1:])], check=True, capture_output=True)

    def back_up(town):
        words("pg_dump", "--format=custom", f"--file={dump}", first, by=role)

    def restore(town):
        words("createdb", f"--owner={role}", "--encoding=UTF8", "--template=template0", second)
        words("pg_restore", "--exit-on-error", "--single-transaction", f"--dbname={second}", dump, by=role)
        return ours(second)

    try:
        words("createuser", role)
        words("createdb", f"--owner={role}", "--encoding=UTF8", "--template=template0", first)
        migrate(ours(first))
        yield Place(url=ours(first), back_up=back_up, restore=restore)
    finally:
        with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
            for name in (first, second):
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
            connection.execute(f"DROP ROLE IF EXISTS {role}".encode())


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a partner holds."""

    document: bytes
    receipt: bytes
    submission: str


def send(town, document) -> Held:
    told = town.put(document).answer()
    return Held(document=document, receipt=told.attachment.content, submission=told.document)


@dataclass(frozen=True, kw_only=True)
class Aftermath:
    """A broker whose store was restored, before it serves again, and what partners hold of before and of after."""

    town: object
    before: list[Held]
    after: list[Held]

    @property
    def configuration(self):
        return self.town.site.configuration

    def serve_and_send_everything_again(self) -> list[Held]:
        with self.town.site.start():
            again = [send(self.town, one.document) for one in self.before + self.after]
            self.town.settle()
        return again

    def recorded(self, submission: str):
        with open_ledger(self.town.site.settings) as ledger:
            return ledger.show(SubmissionId(submission))

    def under_one_id(self) -> dict[bytes, set[str]]:
        ids = defaultdict(set)
        for one in self.town.dms.records.arrivals:
            ids[one.document].add(one.delivery)
        return ids


@pytest.fixture
def aftermath(found, place) -> Aftermath:
    # A short lease: what the backup shows as being handed over is taken over when that ends.
    town = found(store=place.url, number=1, sections={"delivery": {**QUICK, "lease": 5.0}})
    before = [send(town, town.letter(number)) for number in range(3)]
    town.settle()
    before.append(send(town, town.letter(3)))
    place.back_up(town)
    after = [send(town, town.letter(number)) for number in range(4, 7)]
    town.settle()
    after += [send(town, town.letter(number)) for number in range(7, 10)]  # the last ones may not have been delivered
    town.serving.kill()
    town.site = replace(town.site, store=place.restore(town)).write()
    return Aftermath(town=town, before=before, after=after)


def readmitted(aftermath: Aftermath, one: Held) -> Readmitted:
    said = Said(to=Address(box=aftermath.town.office.box))
    return readmit(aftermath.town.site.settings, one.document, one.receipt, said)


def test_after_an_old_backup_every_document_is_at_its_office_under_one_delivery_id(aftermath):
    again = aftermath.serve_and_send_everything_again()
    held = aftermath.before + aftermath.after
    ids = aftermath.under_one_id()
    assert {document: len(of) for document, of in ids.items()} == {one.document: 1 for one in held}
    assert [one.receipt for one in again[: len(aftermath.before)]] == [one.receipt for one in aftermath.before]
    for one, new in zip(aftermath.after, again[len(aftermath.before) :], strict=True):
        assert new.submission != one.submission, "a backup that knows what came after it proves nothing"
        assert aftermath.recorded(one.submission) is None
        assert aftermath.recorded(new.submission).receipt.xml == new.receipt
    arrivals = Counter(it.document for it in aftermath.town.dms.records.arrivals)
    assert max(arrivals.values()) > 1, "nothing was handed over again: nothing is proven"
    with pytest.raises(Rejection) as no:  # too late: the partner has a new receipt
        readmitted(aftermath, aftermath.after[0])
    assert no.value.code == "intake.readmit-later"
    assert no.value.facts["submission"] == again[len(aftermath.before)].submission


def test_with_readmission_every_receipt_that_partners_hold_is_on_record_byte_for_byte(aftermath):
    for one in aftermath.after:
        assert not readmitted(aftermath, one).again
        assert readmitted(aftermath, one).again
    again = aftermath.serve_and_send_everything_again()
    held = aftermath.before + aftermath.after
    assert [(one.receipt, one.submission) for one in again] == [(one.receipt, one.submission) for one in held]
    for one in held:
        told = aftermath.recorded(one.submission)
        assert told.receipt.xml == one.receipt
        assert [it.state for it in told.deliveries] == ["delivered"]
        assert ("intake.readmitted" in [it.name for it in told.events]) == (one in aftermath.after)
    ids = aftermath.under_one_id()
    assert {document: len(of) for document, of in ids.items()} == {one.document: 1 for one in held}
    run("journal", "verify", "-c", aftermath.configuration)
