"""What the folder makes of things that are no messages: it keeps nothing open, and goes on."""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.testkit.channels import PATIENCE, Message, Word
from adapters.testkit.desk import Desk, receipt_for
from broker.errors import NotYet
from broker.partner import Proof
from tests.contract.test_channels_directory import Harness


def held(file: Path) -> int:
    """How many descriptors of this process are open on a file."""
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            count += descriptor.readlink() == file
        except FileNotFoundError:
            continue  # the one that lists the folder
    return count


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def harness(tmp_path, desk):
    return Harness(tmp_path, desk)


@contextmanager
def serving(harness, desk):
    stop = threading.Event()
    thread = threading.Thread(target=harness.channel.serve, args=(desk, stop))
    thread.start()
    try:
        harness.wait_until_open()
        yield
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_folder_that_is_named_as_a_slip_is_not_held_open(harness, desk, tmp_path):
    folder = tmp_path / "in" / "a.json"
    folder.mkdir()
    with serving(harness, desk):
        for _ in range(3):
            assert harness.send(Message()).word is Word.RECEIPT
    assert held(folder) == 0
    assert folder.is_dir()


def test_results_are_for_the_folders_group_as_umask_says(harness, desk, tmp_path):
    """The partner's account takes them, so they are not the broker's alone; others are kept out by folder and umask."""
    folder, group = tmp_path / "in", max(os.getgroups() or [os.getgid()])
    os.chown(folder, -1, group)
    folder.chmod(0o2770)
    before = os.umask(0o027)
    try:
        with serving(harness, desk):
            assert harness.send(Message()).word is Word.RECEIPT
    finally:
        os.umask(before)
    (receipt,) = (folder / "done").glob("*.upp.xml")
    assert (receipt.stat().st_mode & 0o777, receipt.stat().st_gid) == (0o640, group)
    assert (folder / "done").stat().st_mode & 0o7777 == 0o2750


def test_a_slip_that_names_a_folder_is_refused_and_the_folder_stays(harness, desk, tmp_path):
    with serving(harness, desk):
        answer = harness._slip("m0", b'{"document": "done", "sender": "notary"}', or_later=False)
        assert (answer.word, answer.code) == (Word.REFUSAL, "directory.slip")
        assert harness.send(Message()).word is Word.RECEIPT
    assert held(tmp_path / "in" / "done") == 0
    assert not (tmp_path / "in" / "refused" / "done").exists()


def test_a_slip_whose_name_leaves_no_room_for_an_answer_is_never_taken_in(harness, desk, tmp_path):
    slip = tmp_path / "in" / f"{'a' * 245}.json"
    (tmp_path / "in" / "letter.xml").write_bytes(b"<letter/>")
    slip.write_text('{"document": "letter.xml", "sender": "notary"}')
    with serving(harness, desk):
        assert harness.send(Message(payload=b"<next/>")).word is Word.RECEIPT
    assert [one.payload for one in desk.envelopes] == [b"<next/>"]
    assert slip.exists()


@pytest.mark.parametrize("key", ["sender", "box", "case", "reply_to", "file_name", "message_id"])
@pytest.mark.parametrize("value", ["x" * 1001, "a\nb", "a\0", "\x7f"])
def test_a_value_that_no_header_could_carry_on_is_refused(harness, desk, key, value):
    with serving(harness, desk):
        slip = {"document": "letter.xml", "sender": "notary", key: value}
        assert harness._slip("m0", json.dumps(slip).encode(), or_later=False).code == "directory.slip"
    assert not desk.envelopes


def test_who_may_write_into_a_folder_of_its_own_is_known_by_that(harness, desk):
    harness.channel = harness.make("in", sender="notary")
    with serving(harness, desk):
        assert harness.send(Message(sender="notary")).word is Word.RECEIPT
        assert harness.send(Message(sender="town", message_id="m2")).code == "directory.slip"
    assert [(one.sender, one.proof) for one in desk.envelopes] == [("notary", Proof.FOLDER)]


def test_in_a_folder_of_everybodys_the_slip_is_believed_and_no_more(harness, desk):
    with serving(harness, desk):
        assert harness.send(Message(sender="notary")).word is Word.RECEIPT
    assert [one.proof for one in desk.envelopes] == [Proof.NONE]


def test_messages_that_wait_by_themselves_are_passed_and_stay(harness, desk, tmp_path):
    """The documents of one silent authority keep nobody else's from being taken in."""

    def answer(envelope):
        if envelope.payload.startswith(b"<waits"):
            raise NotYet("its authority is silent", retry_after=timedelta(hours=1))
        return receipt_for(envelope)

    desk.answer = answer
    with serving(harness, desk):
        assert harness.send(Message(payload=b"<waits/>")).word is Word.LATER
        assert harness.insist(Message(payload=b"<passes/>")).word is Word.RECEIPT
    assert len(list((tmp_path / "in").glob("*.json"))) == 1
