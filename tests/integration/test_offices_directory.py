"""Folders as ways out and in: what a full disk, a crash, a rival or a careless partner can do to them."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.channels import directory as channel_module
from adapters.channels.directory import KIND as CHANNEL
from adapters.offices.directory import KIND as OFFICE
from adapters.testkit.channels import PATIENCE
from adapters.testkit.desk import Desk, always
from adapters.wire import durable
from broker.errors import Unavailable
from tests.around import a_parcel, surroundings

# ── out ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_repeat_puts_the_same_files_under_the_same_names(tmp_path):
    office = OFFICE.make(OFFICE.settings(folder=tmp_path), surroundings())
    parcel = a_parcel(b"<a/>\n\n")
    references = {office.deliver(parcel) for _ in range(3)}
    assert references == {f"{parcel.delivery}.xml"}
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(
        parcel.delivery + suffix for suffix in (".xml", ".upp.xml", ".report.json", ".json")
    )


def test_documents_are_for_the_folders_group_as_umask_says(tmp_path):
    folder, group = tmp_path / "out", max(os.getgroups() or [os.getgid()])
    folder.mkdir()
    os.chown(folder, -1, group)
    folder.chmod(0o2770)
    before = os.umask(0o027)
    try:
        OFFICE.make(OFFICE.settings(folder=folder), surroundings()).deliver(a_parcel(b"<a/>"))
    finally:
        os.umask(before)
    assert {(one.stat().st_mode & 0o777, one.stat().st_gid) for one in folder.iterdir()} == {(0o640, group)}


@pytest.mark.parametrize("delivery", ["../escape", "/tmp/x", "..", ".hidden", "a/b", "x" * 300, "zażółć"])
def test_names_come_from_the_delivery_and_stay_in_the_folder(tmp_path, delivery):
    folder = tmp_path / "out"
    folder.mkdir()
    OFFICE.make(OFFICE.settings(folder=folder), surroundings()).deliver(
        a_parcel(delivery=delivery, file_name="../../evil")
    )
    assert {file.parent for file in tmp_path.rglob("*") if file.is_file()} == {folder}
    assert not [file for file in folder.iterdir() if file.name.startswith(".")]


def test_the_document_appears_when_all_else_is_there(tmp_path, monkeypatch):
    """Whoever watches for the document never finds it without its receipt."""
    seen: list[set[str]] = []
    real = Path.replace

    def watched(self, target):
        result = real(self, target)
        seen.append({file.name for file in tmp_path.iterdir()})
        return result

    monkeypatch.setattr(Path, "replace", watched)
    parcel = a_parcel()
    OFFICE.make(OFFICE.settings(folder=tmp_path), surroundings()).deliver(parcel)
    assert [f"{parcel.delivery}.xml" in names for names in seen] == [False, False, False, True]


def test_the_bytes_are_on_the_disk_before_their_name_is_and_the_name_before_the_answer(tmp_path, monkeypatch):
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def fsynced(descriptor):
        order.append("folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "file")
        fsync(descriptor)

    def replaced(self, target):
        order.append("name")
        return replace(self, target)

    monkeypatch.setattr(durable.os, "fsync", fsynced)
    monkeypatch.setattr(Path, "replace", replaced)
    OFFICE.make(OFFICE.settings(folder=tmp_path), surroundings()).deliver(a_parcel())
    assert order == ["file", "name"] * 4 + ["folder"]


def test_a_full_disk_is_unavailable_and_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left"):
        OFFICE.make(OFFICE.settings(folder=tmp_path), surroundings()).deliver(a_parcel())
    assert not list(tmp_path.iterdir())


def test_a_file_in_place_of_the_folder_is_unavailable(tmp_path):
    (tmp_path / "out").write_bytes(b"")
    office = OFFICE.make(OFFICE.settings(folder=Path("out")), surroundings(tmp_path))
    with pytest.raises(Unavailable):
        office.check()
    with pytest.raises(Unavailable):
        office.deliver(a_parcel())


# ── in ───────────────────────────────────────────────────────────────────────────────────────────────────


def eventually(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


@contextmanager
def serving(folder: Path, desk: Desk, **settings: object) -> Iterator[None]:
    quick = {"poll": timedelta(milliseconds=10), "pause": timedelta(milliseconds=10)}
    channel = CHANNEL.make(CHANNEL.settings(**{"folder": folder, **quick, **settings}), surroundings(name="folder"))
    stop = threading.Event()
    thread = threading.Thread(target=channel.serve, args=(desk, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE)


def put(folder: Path, stem: str, content: bytes = b"<a/>", **said: object) -> None:
    (folder / f"{stem}.xml").write_bytes(content)
    slip = {"document": f"{stem}.xml", "sender": "notary", "box": "/town/SEKAP", **said}
    (folder / f"{stem}.tmp").write_text(json.dumps(slip))
    (folder / f"{stem}.tmp").rename(folder / f"{stem}.json")


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.is_file())


def test_a_message_ends_beside_its_receipt_and_leaves_the_folder_empty(tmp_path):
    put(tmp_path, "letter")
    with serving(tmp_path, Desk()):
        eventually(lambda: not names(tmp_path))
    assert names(tmp_path / "done") == ["letter.json", "letter.upp.xml", "letter.xml"]
    assert not names(tmp_path / "refused")


def test_many_messages_are_taken_each_once(tmp_path):
    desk = Desk()
    for number in range(60):
        put(tmp_path, f"m{number}", b"<a>%d</a>" % number)
    with serving(tmp_path, desk):
        eventually(lambda: not names(tmp_path))
    assert sorted(one.payload for one in desk.envelopes) == sorted(b"<a>%d</a>" % number for number in range(60))


def test_two_that_serve_one_folder_take_nothing_twice(tmp_path):
    desk = Desk()
    with serving(tmp_path, desk), serving(tmp_path, desk):
        for number in range(60):
            put(tmp_path, f"m{number}", b"<a>%d</a>" % number)
        eventually(lambda: not names(tmp_path))
    assert len(desk.envelopes) == 60


def test_what_another_process_works_on_is_left_alone_and_taken_over_when_that_dies(tmp_path):
    desk = Desk()
    put(tmp_path, "letter")
    with (tmp_path / "letter.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with serving(tmp_path, desk):
            put(tmp_path, "other", b"<b/>")
            eventually(lambda: "other.json" not in names(tmp_path))
            assert [one.payload for one in desk.envelopes] == [b"<b/>"]
            held.close()  # as the system does when a process dies
            eventually(lambda: "letter.json" not in names(tmp_path))
    assert [one.payload for one in desk.envelopes] == [b"<b/>", b"<a/>"]


def test_a_crash_between_the_receipt_and_the_acknowledgement_brings_the_message_again(tmp_path, monkeypatch):
    """Intake knows a repeat: the channel's duty is only not to lose it."""
    desk, real = Desk(), channel_module.settle
    put(tmp_path, "letter")
    crashes = iter([True])

    def settle(folder):
        if next(crashes, False):
            raise OSError(5, "Input/output error")
        real(folder)

    monkeypatch.setattr(channel_module, "settle", settle)
    with serving(tmp_path, desk):
        eventually(lambda: not names(tmp_path))
    assert len(desk.envelopes) == 2
    assert names(tmp_path / "done") == ["letter.json", "letter.upp.xml", "letter.xml"]


def test_a_slip_that_comes_before_its_document_waits_for_it(tmp_path):
    desk = Desk()
    put(tmp_path, "letter")
    (tmp_path / "letter.xml").rename(tmp_path / "late")
    with serving(tmp_path, desk):
        put(tmp_path, "other", b"<b/>")
        eventually(lambda: names(tmp_path) == ["late", "letter.json"])
        (tmp_path / "late").rename(tmp_path / "letter.xml")
        eventually(lambda: not names(tmp_path))
    assert [one.payload for one in desk.envelopes] == [b"<b/>", b"<a/>"]


def test_a_refusal_says_why_in_both_languages(tmp_path):
    put(tmp_path, "letter", trial="yes")
    with serving(tmp_path, Desk()):
        eventually((tmp_path / "refused" / "letter.json").exists)
    said = json.loads((tmp_path / "refused" / "letter.refusal.json").read_bytes())
    assert (said["code"], said["number"], said["place"]) == ("directory.slip", 790, "trial")
    assert said["pl"]
    assert said["en"]


@pytest.mark.parametrize(
    "document",
    ["../secret.xml", "/etc/hostname", "..", "", ".hidden", "a/b.xml", "x\0.xml", "letter.json", "x.upp.xml"],
)
def test_a_slip_cannot_name_what_is_not_a_document_beside_it(tmp_path, document):
    folder, desk = tmp_path / "in", Desk()
    folder.mkdir()
    (tmp_path / "secret.xml").write_bytes(b"<secret/>")
    put(folder, "letter", document=document)
    with serving(folder, desk):
        eventually((folder / "refused" / "letter.json").exists)
    assert not desk.envelopes


def test_a_link_is_no_document(tmp_path):
    folder, desk = tmp_path / "in", Desk()
    folder.mkdir()
    (tmp_path / "secret.xml").write_bytes(b"<secret/>")
    put(folder, "letter")
    (folder / "letter.xml").unlink()
    (folder / "letter.xml").symlink_to(tmp_path / "secret.xml")
    with serving(folder, desk):
        put(folder, "other", b"<b/>")
        eventually((folder / "done" / "other.json").exists)
    assert [one.payload for one in desk.envelopes] == [b"<b/>"]


@pytest.mark.parametrize(("said", "taken"), [("", True), ("notary", True), ("mayor", False)])
def test_in_a_partners_own_folder_nobody_else_sends(tmp_path, said, taken):
    desk = Desk()
    put(tmp_path, "letter", sender=said)
    with serving(tmp_path, desk, sender="notary"):
        eventually(lambda: "letter.json" not in names(tmp_path))
    assert [one.sender for one in desk.envelopes] == (["notary"] if taken else [])


def test_without_an_owner_the_slip_must_say_who_sends(tmp_path):
    desk = Desk()
    put(tmp_path, "letter", sender="")
    with serving(tmp_path, desk):
        eventually(lambda: "letter.json" not in names(tmp_path))
    assert not desk.envelopes


def test_while_intake_is_away_nobody_asks_it_again_before_its_time(tmp_path):
    desk = Desk()
    desk.answer = always(Unavailable("the seal is away", retry_after=timedelta(hours=1)))
    for number in range(3):
        put(tmp_path, f"m{number}")
    with serving(tmp_path, desk, threads=1):
        assert desk.turned_away.wait(PATIENCE)
        time.sleep(0.2)  # twenty polls: a channel that spins would show itself
    assert len(desk.envelopes) == 1
    assert names(tmp_path) == [f"m{number}.{kind}" for number in range(3) for kind in ("json", "xml")]
