"""What the log says of an exception: where it was, never what it said."""

from __future__ import annotations

import io
import json
import logging

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
    structlog.get_logger().info("intake.accepted")
    assert lines()[0]["at"].endswith("Z")


def test_libraries_speak_through_our_log_from_warning_up(lines):
    logging.getLogger("zeep.transports").debug("HTTP Post: <PESEL>%s</PESEL>", PESEL)
    logging.getLogger("pika").warning("connection lost")
    (line,) = lines()
    assert (line["event"], line["library"], line["text"]) == ("library.said", "pika", "connection lost")


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
