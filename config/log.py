"""Logs: JSON lines of a fixed vocabulary, and never a word out of a document (DESIGN §4.11).

An event says what happened (`<stage>.<what>`), and carries ids, codes, paths and counts.  Of an exception only its
type and where it was raised are written: its message may quote a document, and so may local variables.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LIBRARY_TEXT = 300  # characters of a library's own warning that are kept

# These log payloads or addresses with credentials when they are asked to be talkative.
QUIET = ("zeep", "urllib3", "uvicorn", "uvicorn.access", "asyncio", "apscheduler", "alembic", "sqlalchemy")
# pika tells each failed connection in seven lines; whoever asked for the connection tells it in one.
# pyhanko-certvalidator quotes certificates' subjects; what came out stands in the verification report.
SILENT = ("pika", "pyhanko_certvalidator")


def _bare_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by its type and its frames, without message and locals."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if info and info[0] is not None:
        event["exception"] = info[0].__name__
        event["frames"] = [
            f"{Path(frame.filename).name}:{frame.lineno}:{frame.name}" for frame in traceback.extract_tb(info[2])
        ]
    return event


def _rounded(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop what is empty: a field is there when it says something."""
    return {key: value for key, value in event.items() if value not in ("", None, (), [])}


def _written(value: object) -> str:
    """Return a value as it stands in a line: a moment as everywhere else in it, in UTC with T and Z."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
    return str(value)


_listeners: list[Callable[[Mapping[str, Any]], None]] = []


@contextlib.contextmanager
def heard(by: Callable[[Mapping[str, Any]], None]) -> Iterator[None]:
    """Let somebody hear every event from `info` upwards, also those that are not written."""
    _listeners.append(by)
    try:
        yield
    finally:
        _listeners.remove(by)


def _tell(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for listener in _listeners:
        listener(event)
    return event


def _unless_counted(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop what was said too often to be written: whoever caused it could fill the disk.  It was heard all the same."""
    if event.pop("counted", False):
        raise structlog.DropEvent
    return event


def _from(threshold: int) -> Processor:
    """Return what drops events below a level."""
    levels = logging.getLevelNamesMapping()

    def drop(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if levels[event["level"].upper()] < threshold:
            raise structlog.DropEvent
        return event

    return drop


class _Libraries(logging.Handler):
    """Hands what libraries log over to our own log, as one event with the library's words cut short."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger("library")
        known = record.levelno // 10 * 10  # libraries make levels of their own, between ours and beyond
        log.log(
            min(max(known, logging.DEBUG), logging.CRITICAL),
            "library.said",
            library=record.name,
            text=record.getMessage()[:LIBRARY_TEXT],
            exc_info=record.exc_info,
        )


class _Enduring:
    """Writes lines where they go, and never raises: no document may fail because the log's disk is full.

    What could not be written at once is counted, and told as soon as writing works again.
    """

    def __init__(self, to: TextIO) -> None:
        self._to = to
        self._held_up = 0

    def write(self, text: str) -> None:
        """Write and flush whole lines."""
        told = f'{{"event": "log.held-up", "level": "error", "lines": {self._held_up}}}\n' if self._held_up else ""
        try:
            self._to.write(told + text)
            self._to.flush()
        except (OSError, ValueError):  # a full disk, a reader that is gone; a file that was closed
            self._held_up += 1
        else:
            self._held_up = 0

    def flush(self) -> None:
        """Every line is flushed as it is written."""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """Open a log as `open_file` does, and close it whatever becomes of its last lines."""
    file = open_file(path)
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            file.close()


def _end(path: Path) -> tuple[int, bytes]:
    """Return how long a file is, and its last octet; a line's end for one that is empty or not there."""
    if not path.is_file() or not (size := path.stat().st_size):
        return 0, b"\n"
    with path.open("rb") as file:
        file.seek(size - 1)
        return size, file.read(1)


def _torn(path: Path) -> bool:
    """Tell whether the last line was left half written.

    Of one that another process is just writing a part may be seen, too; a moment later there is more.
    """
    first = _end(path)
    for _ in range(10):
        if first[1] == b"\n" or _end(path) != first:
            return False
        time.sleep(0.01)
    return True


def open_file(path: Path) -> TextIO:
    """Open a log to go on with, on a line of its own: a process that was killed may have left half a line."""
    torn = _torn(path)
    opened = path.open("a", encoding="utf-8", errors="backslashreplace")
    if torn:
        opened.write("\n")
    return opened


def configure(*, level: str = "info", to: TextIO | None = None) -> None:
    """Send every log line of this process to `to` (standard error by default), from `level` upwards."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _tell,
        _unless_counted,
        _from(threshold),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _bare_exception,
        _rounded,
        structlog.processors.JSONRenderer(ensure_ascii=False, default=_written),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(min(threshold, logging.INFO)),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Enduring(to or sys.stderr))),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Libraries()]
    root.setLevel(logging.WARNING)
    for name in (*QUIET, *SILENT):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.setLevel(logging.CRITICAL if name in SILENT else logging.WARNING)
        library.propagate = True
