"""Causes, and what is put together under one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.testkit.stores.values import NOON
from broker.custody import READMITTED
from broker.model import DeliveryId, OfficeId
from broker.quarantine import Pile, cause, grouped, may_be_there
from broker.states import DeliveryEvent, DeliveryState

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("line.silent: no whole answer within 45 s", "line.silent"),
        ("office.http-503: HTTP 503, and the answer is no OdpowiedzOdbiorcy", "office.http-503"),
        ("store: out of reach", "store"),
        ("connection refused", "other.connection-refused"),
        ("case 4711/2026 of 2026-01-02T03:04:05Z is closed", "other.case-of-is-closed"),
        ("document 'letter of Jan' is not for us", "other.document-is-not-for-us"),
        ("delivery 0190aa10-0000-7000-8000-000000000001 unknown", "other.delivery-unknown"),
        ("Błąd: brak sprawy", "other.błąd-brak-sprawy"),
        ("", "other.unsaid"),
        ("12345", "other.unsaid"),
    ],
)
def test_a_cause_is_one_word_without_ids_and_moments(text, why):
    assert cause(text) == why


@given(st.uuids(), st.uuids(), st.datetimes(), st.integers(0))
def test_ids_and_moments_do_not_split_a_cause(one, other, at, number):
    text = "document {} of {} was turned away after {} ms"
    assert cause(text.format(one, at.isoformat(), number)) == cause(text.format(other, at.date(), 7))


@given(st.text())
def test_any_text_has_a_short_cause_that_is_one_word(text):
    why = cause(text)
    assert 0 < len(why) <= 60
    assert not any(letter.isspace() for letter in why)


def test_every_error_on_the_way_to_an_office_names_its_cause():
    """Of what the shipped adapters raise; an integrator's need not."""
    files = [*(ROOT / "adapters/offices").glob("*.py"), ROOT / "config/lending.py", ROOT / "adapters/wire/http.py"]
    made = [
        (file.name, node)
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"Unavailable", "Refused"}
    ]
    assert len(made) > 10
    nameless = [(name, node.lineno) for name, node in made if "condition" not in {it.arg for it in node.keywords}]
    assert nameless == []


E = DeliveryEvent


@pytest.mark.parametrize(
    ("events", "perhaps"),
    [
        ([(E.CLAIMED, ""), (E.POSTPONED, "line.unreachable: connection refused")], False),
        ([(E.CLAIMED, ""), (E.POSTPONED, "line.silent: no whole answer within 45 s")], True),
        ([(E.CLAIMED, ""), (E.POSTPONED, "line.broken: cut"), (E.REFUSED, "office.status-7: no")], True),
        ([(E.CLAIMED, ""), (E.TAKEN_OVER, ""), (E.GAVE_UP, "line.unreachable: x")], True),
        ([(E.CLAIMED, ""), (E.GAVE_UP, "office.http-503: HTTP 503")], True),
        ([(E.CLAIMED, ""), (E.GAVE_UP, "office.http-403: HTTP 403")], False),
        ([(E.CLAIMED, ""), (E.REFUSED, "office.status-7: no"), (E.REQUEUED, "again")], False),
        ([(E.CLAIMED, ""), (E.RELEASED, "")], False),
        ([(E.CLAIMED, ""), (E.POSTPONED, "whatever an integrator says")], True),
        *(
            ([(E.CLAIMED, ""), (E.GAVE_UP, f"office.{said}: the office answered")], True)
            for said in ("fault-server", "fault-receiver", "fault-other", "fault-kod-7", "status-500")
        ),
        *(
            ([(E.CLAIMED, ""), (E.GAVE_UP, f"office.fault-{whose}: the office answered a fault")], False)
            for whose in ("client", "sender", "versionmismatch", "mustunderstand")
        ),
        ([(E.CLAIMED, ""), (E.REFUSED, "office.fault-server: final there")], False),
        ([], False),
    ],
)
def test_what_was_sent_without_an_answer_may_be_there(events, perhaps):
    assert may_be_there((), events) is perhaps


def test_what_was_taken_back_into_custody_may_be_there_whatever_its_events_say():
    assert may_be_there(("verify.graced", READMITTED), [])


def test_transient_causes_stand_apart_from_permanent_ones_the_largest_first():
    def pile(state, error, number, *ids, office="town"):
        return Pile(
            office=OfficeId(office),
            state=state,
            error=error,
            number=number,
            oldest=NOON,
            examples=tuple(map(DeliveryId, ids)),
        )

    q, r = DeliveryState.QUARANTINED, DeliveryState.REFUSED
    piles = [
        pile(r, "office.status-7: no", 9, "d9"),
        pile(q, "line.silent: no whole answer within 45 s", 2, "d1", "d2"),
        pile(q, "line.silent: no whole answer within 30 s", 3, "d3", "d4", office="county"),
        pile(q, "node.crashed: …", 4, "d5"),
        pile(q, "office.status-7: no", 1, "d6"),
    ]
    groups = grouped(piles)
    assert [(it.permanent, it.cause, it.number) for it in groups] == [
        (False, "line.silent", 5),
        (False, "node.crashed", 4),
        (False, "office.status-7", 1),
        (True, "office.status-7", 9),
    ]
    assert groups[0].examples == ("d1", "d2", "d3")
    assert groups[0].offices == {"county": 3, "town": 2}
    assert [it.permanent for it in grouped(piles, "office.status-7")] == [False, True]
