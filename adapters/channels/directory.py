"""A way in by a folder: for partners without a network, for integrators, for tests.

A message is a document and its slip, `<name>.json`, which names the document's file and says what other channels'
headers say.  The document comes first, the slip last and whole (by a rename): when the slip is there, the message is.

    {"document": "letter.xml", "sender": "notary", "box": "/town/SEKAP", "message_id": "m-17"}

Slip and document end in `done/`, beside `<name>.upp.xml`, or in `refused/`, beside `<name>.refusal.json` (and
`<name>.npp.xml`).  The slip moves last of what the partner waits for: it is the answer.  Until intake has answered,
and while it is away, the message stays where the partner put it.  A name stands for one message.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path
from threading import Event, Lock
from typing import Annotated, BinaryIO, Final

import structlog
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    StringConstraints,
    ValidationError,
    field_validator,
)

from adapters.wire.durable import put, settle
from adapters.wire.kind import Kind, KindSettings, Surroundings
from broker.errors import Malformed, NotYet, Rejection, TooLarge, Unavailable
from broker.model import Address, Envelope
from broker.partner import Proof
from broker.ports import Accept
from broker.texts import TEXTS, explain

log = structlog.get_logger(__name__)

_LARGEST_SLIP: Final = 65_536  # bytes
_LONGEST_NAME: Final = 200  # bytes of a slip's name: a result has a longer one, while it is written longer by far
_OURS: Final = (".json", ".upp.xml", ".npp.xml")  # names of slips and of results: no document may have them
_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # no links out of the folder, no pipes


class DirectorySettings(KindSettings):
    """Where messages are put in, and how often somebody looks."""

    folder: Path
    sender: str = ""  # whose folder it is; without one, the slip says who sends
    poll: timedelta = Field(default=timedelta(seconds=1), gt=timedelta(0))
    pause: timedelta = Field(default=timedelta(seconds=5), gt=timedelta(0))  # when intake is away and names no wait
    threads: PositiveInt = 4


# As in AMQP's headers: what offices are told of a document goes on in headers again.
Words = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Slip(BaseModel):
    """What a slip says; unknown keys are errors, because a misspelt one would be lost."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    document: str  # name of the file beside the slip
    sender: Words = ""
    box: Words = ""
    ade: Words = ""
    teryt: Words = ""
    message_id: Words = ""
    file_name: Words = ""
    reply_to: Words = ""
    case: Words = ""
    in_reply_to: Words = ""
    trial: bool = False

    @field_validator("document")
    @classmethod
    def _is_beside(cls, name: str) -> str:
        if not name or name.startswith(".") or Path(name).name != name or "\0" in name or name.endswith(_OURS):
            raise ValueError("not the name of a document beside the slip")
        return name


class DirectoryChannel:
    """The channel.  Several processes may serve one folder: a message is one's own while its slip is locked."""

    def __init__(self, settings: DirectorySettings, around: Surroundings) -> None:
        self._settings = settings
        self._around = around
        self._folder = around.folder / settings.folder
        self._lock = Lock()
        self._not_before: dict[str, float] = {}  # slips that met a bug or must wait, and when to try them again
        self._resume_at = 0.0  # when intake may be asked again

    def serve(self, accept: Accept, stop: Event) -> None:
        try:
            for name in ("done", "refused"):
                (self._folder / name).mkdir(exist_ok=True)
        except OSError as wrong:
            raise Unavailable(f"folder: {wrong.strerror}") from wrong
        poll = self._settings.poll.total_seconds()
        under_way: dict[str, Future[None]] = {}
        waiting: deque[str] = deque()
        with ThreadPoolExecutor(self._settings.threads, thread_name_prefix=self._around.name) as pool:
            while not stop.is_set():
                under_way = {name: work for name, work in under_way.items() if not work.done()}
                if self._paused():
                    waiting.clear()
                elif not waiting:
                    waiting.extend(name for name in self._slips() if name not in under_way)
                while waiting and len(under_way) < self._settings.threads:
                    name = waiting.popleft()
                    under_way[name] = pool.submit(self._handle, name, accept, stop)
                if waiting:
                    wait(under_way.values(), timeout=poll, return_when=FIRST_COMPLETED)
                else:
                    stop.wait(poll)

    def _paused(self) -> bool:
        with self._lock:
            return time.monotonic() < self._resume_at

    def _slips(self) -> list[str]:
        """Return the slips that are there and not held back, by name."""
        try:
            names = sorted(file.name for file in self._folder.glob("*.json"))
        except OSError as wrong:
            log.warning("directory.unreadable", channel=self._around.name, reason=wrong.strerror)
            return []
        now = time.monotonic()
        with self._lock:
            self._not_before = {name: then for name, then in self._not_before.items() if now < then}
            return [name for name in names if not name.startswith(".") and name not in self._not_before]

    def _handle(self, name: str, accept: Accept, stop: Event) -> None:
        """Take one message in, whatever comes of it; what is not answered stays where it is."""
        pause = self._settings.pause
        try:
            with self._claimed(name) as slip:
                if slip is not None and not stop.is_set():
                    self._take(name, slip, accept)
        except NotYet as waits:
            asked = pause if waits.retry_after is None else waits.retry_after
            log.info("directory.aside", channel=self._around.name, reason=waits.reason, wait=asked.total_seconds())
            self._hold(name, asked)
        except Unavailable as away:
            asked = pause if away.retry_after is None else away.retry_after
            log.warning(
                "directory.unavailable", channel=self._around.name, reason=away.reason, wait=asked.total_seconds()
            )
            with self._lock:
                self._resume_at = time.monotonic() + asked.total_seconds()
        except FileNotFoundError:
            self._hold(name, pause)  # the slip came before its document
        except OSError as wrong:
            log.warning("directory.disk", channel=self._around.name, reason=wrong.strerror)
            self._hold(name, pause)
        except Exception:
            log.exception("directory.bug", channel=self._around.name)
            self._hold(name, pause)

    def _hold(self, name: str, pause: timedelta) -> None:
        with self._lock:
            self._not_before[name] = time.monotonic() + pause.total_seconds()

    @contextlib.contextmanager
    def _claimed(self, name: str) -> Iterator[bytes | None]:
        """Lock a slip and yield what is in it; None if it is another process's, or gone.

        A lock and not a rename, because a lock ends with the process that held it.
        """
        if len(os.fsencode(name)) > _LONGEST_NAME:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        try:
            opened = _open(self._folder / name)
        except FileNotFoundError:
            yield None
            return
        with opened as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                still_there = (self._folder / name).stat().st_ino == os.fstat(file.fileno()).st_ino
            except (BlockingIOError, FileNotFoundError):
                still_there = False
            yield file.read(_LARGEST_SLIP + 1) if still_there else None

    def _take(self, name: str, content: bytes, accept: Accept) -> None:
        stem, document = name.removesuffix(".json"), ""
        try:
            slip = self._read(content)
            document = slip.document
            receipt = accept(self._envelope(slip))
        except Rejection as no:
            text = TEXTS[no.code]
            refusal = {"code": no.code, "number": text.number, "place": no.place}
            said = json.dumps(
                {**refusal, "pl": explain(no, "pl"), "en": explain(no, "en")}, ensure_ascii=False, indent=2
            )
            results = {f"{stem}.refusal.json": said.encode("utf-8", "replace") + b"\n"}
            if no.negative_receipt is not None:
                results[f"{stem}.npp.xml"] = no.negative_receipt
            self._answer("refused", name, document, results)
        else:
            self._answer("done", name, document, {f"{stem}.upp.xml": receipt.xml})

    def _read(self, content: bytes) -> Slip:
        if len(content) > _LARGEST_SLIP:
            raise Malformed("directory.slip", facts={"reason": f"> {_LARGEST_SLIP} B"})
        try:
            slip = Slip.model_validate_json(content)
        except ValidationError as wrong:
            first = wrong.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise Malformed("directory.slip", place=place, facts={"reason": f"{place}: {first['msg']}"}) from wrong
        sender = slip.sender or self._settings.sender
        if not sender or self._settings.sender not in {"", sender}:
            raise Malformed("directory.slip", place="sender", facts={"reason": f"sender: {slip.sender!r}"})
        return slip

    def _envelope(self, slip: Slip) -> Envelope:
        limit = self._around.limits.payload
        try:
            opened = _open(self._folder / slip.document)
        except IsADirectoryError as wrong:
            raise Malformed("directory.slip", place="document", facts={"reason": "document: a folder"}) from wrong
        with opened as file:
            payload = file.read(limit + 1)
            if len(payload) > limit:  # intake, which would record it, takes whole documents only
                size = os.fstat(file.fileno()).st_size
                raise TooLarge("parse.too-large", facts={"limit": str(limit), "size": str(size)})
        return Envelope(
            channel=self._around.name,
            sender=slip.sender or self._settings.sender,
            proof=Proof.FOLDER if self._settings.sender else Proof.NONE,
            received_at=self._around.clock(),
            payload=payload,
            to=Address(box=slip.box, ade=slip.ade, teryt=slip.teryt),
            message_id=slip.message_id,
            reply_to=slip.reply_to,
            file_name=slip.file_name or slip.document,
            trial=slip.trial,
            case=slip.case,
            in_reply_to=slip.in_reply_to,
        )

    def _answer(self, where: str, name: str, document: str, results: dict[str, bytes]) -> None:
        """Write the results, then acknowledge by moving the slip; the document follows it."""
        folder = self._folder / where
        for result, content in results.items():
            put(folder, result, content, self._around.ids())
        settle(folder)
        (self._folder / name).replace(folder / name)
        if document and not (self._folder / document).is_dir():  # `done`, for one, stays where it is
            with contextlib.suppress(FileNotFoundError):
                (self._folder / document).replace(folder / document)
        settle(folder)
        settle(self._folder)


def _open(path: Path) -> BinaryIO:
    """Open a file to read; raise OSError, and keep nothing open then: a folder can be opened too, but not read."""
    descriptor = os.open(path, _READ)
    try:
        return open(descriptor, "rb")  # noqa: PTH123 - a descriptor, not a path
    except OSError:
        os.close(descriptor)
        raise


KIND = Kind(settings=DirectorySettings, make=DirectoryChannel)
