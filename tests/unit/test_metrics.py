"""The text that Prometheus reads, held to the grammar of its exposition format 0.0.4, and the figures in it."""

from __future__ import annotations

import math
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters.ops.metrics import Registry
from broker.errors import Unavailable
from config.counting import Counting

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
VALUE = r"[+-]?(?:Inf|[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)|NaN"
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? ({VALUE})")
HELP = re.compile(rf"# HELP ({NAME}) ((?:[^\\\n]|\\\\|\\n)*)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge|histogram|summary|untyped)")
BACK = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def plain(text):
    return re.sub(r'\\[\\"n]', lambda found: BACK[found[0]], text)


def parsed(text):
    """Return (name, labels) → value; each family once, HELP and TYPE before its samples, nothing that is neither."""
    assert text == "" or text.endswith("\n")
    samples, types, family = {}, {}, ""
    for line in text.split("\n")[:-1]:
        if found := HELP.fullmatch(line):
            family = found[1]
            assert family not in types
        elif found := TYPE.fullmatch(line):
            assert found[1] == family
            types[family] = found[2]
        else:
            found = SAMPLE.fullmatch(line)
            assert found, line
            suffixes = ("_bucket", "_sum", "_count") if types[family] == "histogram" else ("",)
            assert found[1] in {family + suffix for suffix in suffixes}
            pairs = re.findall(r'([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"', found[2] or "")
            key = found[1], tuple((name, plain(value)) for name, value in pairs)
            assert key not in samples
            samples[key] = float(found[3])
    return samples


@pytest.fixture
def registry():
    return Registry("")


def samples_of(registry):
    return parsed(registry.text().decode())


def test_an_empty_registry_is_an_empty_text(registry):
    assert registry.text() == b""


def test_each_kind_of_figure_is_written_as_the_format_has_it(registry):
    registry.counter("seen_total", "What was seen.").add(by=3)
    registry.counter("by_code_total", "By code.", ("stage", "code")).add("verify", "verify.broken")
    registry.gauge("free", "How much is free.", lambda: 0.25)
    took = registry.histogram("took_seconds", "How long it took.", (1, 0.1))
    for seconds in (0.05, 0.1, 0.5, 7):
        took.add(seconds)
    assert registry.text().decode().splitlines() == [
        "# HELP by_code_total By code.",
        "# TYPE by_code_total counter",
        'by_code_total{stage="verify",code="verify.broken"} 1',
        "# HELP free How much is free.",
        "# TYPE free gauge",
        "free 0.25",
        "# HELP seen_total What was seen.",
        "# TYPE seen_total counter",
        "seen_total 3",
        "# HELP took_seconds How long it took.",
        "# TYPE took_seconds histogram",
        'took_seconds_bucket{le="0.1"} 2',
        'took_seconds_bucket{le="1"} 3',
        'took_seconds_bucket{le="+Inf"} 4',
        "took_seconds_sum 7.65",
        "took_seconds_count 4",
    ]


def test_a_counter_without_labels_is_there_from_the_beginning(registry):
    registry.counter("seen_total", "Seen.")
    assert samples_of(registry) == {("seen_total", ()): 0}


@given(
    st.dictionaries(st.text(), st.one_of(st.integers(-(10**12), 10**12), st.floats(allow_nan=False)), max_size=5),
    st.text(),
)
def test_whatever_stands_in_labels_and_help_a_reader_gets_it_back(values, help_):
    registry = Registry("")
    registry.gauge("g", help_, lambda: {(name,): value for name, value in values.items()}, ("of",))
    assert samples_of(registry) == {("g", (("of", name),)): float(value) for name, value in values.items()}


def test_numbers_beyond_numbers_are_written_as_the_format_says(registry):
    registry.gauge("g", "G.", lambda: {("a",): math.inf, ("b",): -math.inf, ("c",): math.nan}, ("x",))
    assert [line.rpartition(" ")[2] for line in registry.text().decode().splitlines()[2:]] == ["+Inf", "-Inf", "NaN"]


def test_a_gauge_that_is_not_known_is_left_out_and_one_with_a_bug_hides_no_other(registry):
    def away():
        raise Unavailable("the store is away")

    def bug():
        raise ZeroDivisionError

    registry.gauge("away", "Away.", away)
    registry.gauge("bug", "Bug.", bug)
    registry.gauge("here", "Here.", lambda: 1)
    with capture_logs() as said:
        assert samples_of(registry) == {("here", ()): 1}
    assert [(one["event"], one["figure"]) for one in said] == [("ops.figure-bug", "bug")]


def test_a_name_is_taken_once_and_must_be_one(registry):
    registry.counter("a_total", "A.")
    for name, labels in (("a_total", ()), ("a-b", ()), ("b", ("le gal",)), ("c", ("__own",))):
        with pytest.raises(ValueError, match=re.escape(name)):
            registry.counter(name, "No.", labels)


def test_labels_without_end_are_counted_together(registry):
    counter = registry.counter("c_total", "C.", ("of",), most=3)
    for number in range(10):
        counter.add(str(number))
    counter.add("0")
    assert samples_of(registry) == {
        ("c_total", (("of", "0"),)): 2,
        ("c_total", (("of", "1"),)): 1,
        ("c_total", (("of", "2"),)): 1,
        ("c_total", (("of", "other"),)): 7,
    }


def test_nothing_is_lost_when_many_threads_count(registry):
    counter, took = registry.counter("c_total", "C."), registry.histogram("t_seconds", "T.", (1,))

    def count():
        for _ in range(2_000):
            counter.add()
            took.add(0.5)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = samples_of(registry)
    assert found["c_total", ()] == found["t_seconds_count", ()] == 8_000


# ── what the log feeds ──


@pytest.fixture
def counting(registry):
    return Counting(registry)


def test_what_becomes_of_documents_is_counted_from_the_log(counting, registry):
    for event in (
        {"event": "intake.accepted", "level": "info"},
        {"event": "intake.repeated", "level": "info"},
        {"event": "verify.refused", "level": "info", "code": "verify.broken"},
        {"event": "soap.refused", "level": "info", "code": "verify.broken"},  # the way in tells the same again
        {"event": "soap.refused", "level": "info", "code": "soap.too-large"},
        {"event": "intake.put-off", "level": "info", "condition": "disk"},
        {"event": "delivery.acknowledged", "level": "info", "office": "town"},
        {"event": "delivery.refused", "level": "info", "office": "town", "reason": "no"},
    ):
        counting.see(event)
    found = samples_of(registry)
    assert {labels[0][1]: value for (name, labels), value in found.items() if name == "intake_total"} == {
        "accepted": 1,
        "repeated": 1,
        "refused": 2,
        "put-off": 1,
    }
    assert found["refused_total", (("stage", "verify"), ("code", "verify.broken"))] == 1
    assert found["refused_total", (("stage", "soap"), ("code", "soap.too-large"))] == 1
    assert found["put_off_total", (("condition", "disk"),)] == 1
    assert found["delivery_outcomes_total", (("office", "town"), ("outcome", "acknowledged"))] == 1
    assert found["delivery_outcomes_total", (("office", "town"), ("outcome", "refused"))] == 1
    assert found["log_events_total", (("event", "soap.refused"), ("level", "info"))] == 2


def test_how_long_intake_took_is_counted_also_when_it_failed(counting, registry):
    with counting.timed():
        pass
    with pytest.raises(Unavailable), counting.timed():
        raise Unavailable("later")
    assert samples_of(registry)["intake_seconds_count", ()] == 2


def test_second_opinions_are_counted_where_they_let_a_document_in_and_where_they_do_not(counting, registry):
    for event in (
        {"event": "intake.accepted", "level": "info"},
        {"event": "intake.accepted", "level": "info", "second_opinion": "agrees", "unread": ""},
        {"event": "intake.accepted", "level": "info", "second_opinion": "no-opinion", "unread": "comments"},
        {"event": "verify.disagreed", "level": "error", "reason": "digest"},
        {"event": "verify.refused", "level": "info", "code": "verify.second-opinion"},
    ):
        counting.see(event)
    found = {labels: value for (name, labels), value in samples_of(registry).items() if name == "second_opinions_total"}
    assert found == {
        (("opinion", "agrees"), ("reason", "")): 1,
        (("opinion", "no-opinion"), ("reason", "comments")): 1,
        (("opinion", "disagrees"), ("reason", "digest")): 1,
    }
