"""What the log says of an exception: where it was, never what it said."""

from __future__ import annotations

import io
import json
import logging
from datetime import datetime, timedelta, timezone
from pathlib import Path
from threading import Event, Thread

import pytest
import structlog

from config import log as logs

PESEL = "44051401359"


@pytest.fixture
def lines():
    written = io.StringIO()
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure(to=written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_an_exceptions_words_and_locals_stay_out(lines):
    def stumble(secret):
        raise ValueError(f"bad value {secret}")

    try:
        stumble(PESEL)
    except ValueError:
        structlog.get_logger().exception("verify.bug")
    (line,) = lines()
    assert (line["event"], line["exception"]) == ("verify.bug", "ValueError")
    assert any(frame.startswith("test_log.py:") for frame in line["frames"])
    assert PESEL not in json.dumps(line)


def test_moments_are_utc_with_z(lines):
    ends = datetime(2028, 11, 21, 10, 18, 42, tzinfo=timezone(timedelta(hours=1)))
    structlog.get_logger().info("seal.taken-over", until=ends)
    assert lines()[0]["at"].endswith("Z")
    assert lines()[0]["until"] == "2028-11-21T09:18:42Z"


def test_libraries_speak_through_our_log_from_warning_up(lines):
    logging.getLogger("zeep.transports").debug("HTTP Post: <PESEL>%s</PESEL>", PESEL)
    logging.getLogger("urllib3").warning("connection lost")
    (line,) = lines()
    assert (line["event"], line["library"], line["text"]) == ("library.said", "urllib3", "connection lost")


def test_empty_fields_are_left_out(lines):
    structlog.get_logger().info("intake.accepted", notes=(), reason="", attempts=0)
    assert set(lines()[0]) == {"event", "level", "at", "attempts"}


def test_a_log_goes_on_on_a_line_of_its_own_after_a_process_that_was_killed_in_the_middle_of_one(tmp_path):
    file = tmp_path / "log.jsonl"
    for before, after in ((None, "b\n"), (b"", "b\n"), (b"a\n", "a\nb\n"), (b'{"half', '{"half\nb\n')):
        if before is not None:
            file.write_bytes(before)
        with logs.open_file(file) as log:
            log.write("b\n")
        assert file.read_text() == after


class Disk(io.StringIO):
    """A log's file on a disk that is full for a while."""

    full = False

    def flush(self):
        if self.full:
            raise OSError(28, "No space left on device")


@pytest.mark.usefixtures("lines")
def test_a_log_that_cannot_be_written_stops_nobody_and_says_so_afterwards():
    disk = Disk()
    logs.configure(to=disk)
    log = structlog.get_logger()
    disk.full = True
    log.info("intake.accepted")
    log.info("intake.accepted")
    disk.full = False
    log.info("intake.repeated")
    told = [json.loads(line) for line in disk.getvalue().splitlines()]
    assert [line["event"] for line in told][-2:] == ["log.held-up", "intake.repeated"]
    assert told[-2]["lines"] == 2
    disk.close()
    log.info("serve.stopped")


@pytest.mark.usefixtures("lines")
def test_a_log_on_a_full_device_can_be_written_and_closed():
    with logs.opened(Path("/dev/full")) as full:
        logs.configure(to=full)
        structlog.get_logger().info("intake.accepted")


@pytest.mark.usefixtures("lines")
def test_half_a_surrogate_pair_does_not_cost_the_line(tmp_path):
    with logs.opened(tmp_path / "log.jsonl") as file:
        logs.configure(to=file)
        structlog.get_logger().info("intake.accepted", sender="\ud800")
    assert (tmp_path / "log.jsonl").read_text().count("ud800") == 1


def test_what_strangers_cause_too_often_is_heard_and_not_written(lines):
    heard = []
    with logs.heard(lambda event: heard.append(event["code"])):
        for number in range(4):
            structlog.get_logger().info("soap.refused", code=f"c.{number}", counted=number > 1)
    assert heard == ["c.0", "c.1", "c.2", "c.3"]
    assert [(line["code"], "counted" in line) for line in lines()] == [("c.0", False), ("c.1", False)]


@pytest.mark.parametrize("level", [31, 35, 45, 60])
def test_a_library_with_levels_of_its_own_is_heard(lines, level):
    logging.getLogger("somebody").log(level, "odd")
    assert [line["text"] for line in lines()] == ["odd"]


def test_a_listener_hears_what_the_level_leaves_out_and_hears_it_no_more_afterwards(lines):
    logs.configure(level="error", to=(written := io.StringIO()))
    heard = []
    with logs.heard(lambda event: heard.append((event["event"], event["level"]))):
        structlog.get_logger().info("intake.accepted")
        structlog.get_logger().error("soap.bug")
        structlog.get_logger().debug("soap.lingered")
    structlog.get_logger().error("soap.bug")
    assert heard == [("intake.accepted", "info"), ("soap.bug", "error")]
    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == ["soap.bug", "soap.bug"]
    assert lines() == []


def test_a_log_that_others_write_to_is_opened_without_an_empty_line(tmp_path):
    file, enough = tmp_path / "log.jsonl", Event()
    file.write_text('{"event": "first"}\n')

    def write():
        with file.open("a") as to:
            while not enough.is_set():
                to.write('{"event": "another"}\n')
                to.flush()

    other = Thread(target=write)
    other.start()
    for _ in range(4000):
        logs.open_file(file).close()
    enough.set()
    other.join()
    assert {json.loads(line)["event"] for line in file.read_text().splitlines()} == {"first", "another"}
