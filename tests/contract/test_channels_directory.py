"""The suite every channel passes, over a folder."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.directory import KIND
from adapters.testkit.channels import PATIENCE, Answer, ChannelSuite, Message, Word
from adapters.testkit.desk import Desk
from broker.parse import Limits
from broker.ports import Channel
from tests.around import surroundings
from tests.builders import NOON


class Harness:
    name = "folder"
    now: datetime = NOON
    limit = 500_000
    reads_on = False
    carries = frozenset(asdict(Message())) - {"payload"}

    def __init__(self, folder: Path, desk: Desk) -> None:
        self._folder = folder / "in"
        self._folder.mkdir()
        self._desk = desk
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._around = surroundings(folder, name=self.name, limits=Limits(payload=self.limit))
        self.channel = self.make("in")
        self.unopenable = self.make("nowhere")

    def make(self, folder: str, **settings: Any) -> Channel:
        quick = {"poll": timedelta(milliseconds=10), "pause": timedelta(milliseconds=10), **settings}
        return KIND.make(KIND.settings(folder=Path(folder), **quick), self._around)

    def wait_until_open(self) -> None:
        self._wait((self._folder / "refused").is_dir)

    def send(self, message: Message) -> Answer:
        return self._put(message, or_later=True)

    def insist(self, message: Message) -> Answer:
        return self._put(message, or_later=False)

    def send_unreadable(self) -> Answer:
        return self._slip("broken", b'{"document": "letter.xml", "sendre": "notary"}', or_later=False)

    def _put(self, message: Message, *, or_later: bool) -> Answer:
        with self._lock:
            stem = f"m{next(self._numbers)}"
        (self._folder / f"{stem}.xml").write_bytes(message.payload)
        said: dict[str, Any] = asdict(message)
        del said["payload"]
        return self._slip(stem, json.dumps({"document": f"{stem}.xml", **said}).encode(), or_later=or_later)

    def _slip(self, stem: str, content: bytes, *, or_later: bool) -> Answer:
        unfinished = self._folder / f"{stem}.tmp"
        unfinished.write_bytes(content)
        unfinished.rename(self._folder / f"{stem}.json")
        done, refused = self._folder / "done", self._folder / "refused"
        self._wait(
            lambda: (
                (done / f"{stem}.json").exists()
                or (refused / f"{stem}.json").exists()
                or (or_later and self._desk.turned_away.is_set())
            )
        )
        if (done / f"{stem}.json").exists():
            return Answer(word=Word.RECEIPT, receipt=(done / f"{stem}.upp.xml").read_bytes())
        if (refused / f"{stem}.json").exists():
            negative = refused / f"{stem}.npp.xml"
            return Answer(
                word=Word.REFUSAL,
                code=json.loads((refused / f"{stem}.refusal.json").read_bytes())["code"],
                negative_receipt=negative.read_bytes() if negative.exists() else b"",
            )
        assert (self._folder / f"{stem}.json").exists()
        return Answer(word=Word.LATER)

    def _wait(self, true: Any) -> None:
        end = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < end, "nothing came of the message"
            time.sleep(0.005)


class TestDirectoryChannel(ChannelSuite):
    @pytest.fixture
    def harness(self, tmp_path: Path, desk: Desk) -> Harness:
        return Harness(tmp_path, desk)
