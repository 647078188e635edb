"""A delivery id is the same for the same document to the same office, and for nothing else."""

from __future__ import annotations

import uuid
from dataclasses import fields, replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.stores.memory import MemoryStore
from broker.identity import delivery_id, octets
from broker.model import Fingerprint, OfficeId
from tests.builders import NOON, an_envelope
from tests.unit.test_intake import an_intake

TOWN = OfficeId("town")
MESSAGE = Fingerprint(sender="citizen", message_id="m1", box="/town/SEKAP", trial=False, digest="ab" * 32)

texts = st.text(max_size=6)
messages = st.builds(Fingerprint, sender=texts, message_id=texts, box=texts, trial=st.booleans(), digest=texts)


def test_it_is_written_as_it_always_was():
    """An office keeps ids for years: a change of one octet would hand over again what it has."""
    assert delivery_id(MESSAGE, TOWN) == "d4aaac05-dd7f-84a5-a513-63bdf2c0f26f"


@given(messages, texts)
def test_it_is_a_version_8_uuid(message, office):
    made = uuid.UUID(delivery_id(message, OfficeId(office)))
    assert (made.version, made.variant) == (8, uuid.RFC_4122)


@given(messages, texts, texts)
def test_the_message_id_is_not_in_it(message, office, another):
    assert delivery_id(message, OfficeId(office)) == delivery_id(replace(message, message_id=another), OfficeId(office))


@pytest.mark.parametrize("field", [one.name for one in fields(Fingerprint) if one.name != "message_id"])
def test_another_sender_box_kind_or_document_is_another_delivery(field):
    other = True if field == "trial" else "another"
    assert delivery_id(replace(MESSAGE, **{field: other}), TOWN) != delivery_id(MESSAGE, TOWN)


def test_each_office_gets_it_under_an_id_of_its_own():
    assert delivery_id(MESSAGE, OfficeId("village")) != delivery_id(MESSAGE, TOWN)


@given(st.lists(st.tuples(texts, texts, texts), min_size=2, max_size=4, unique=True))
def test_parts_never_run_together(several):
    for one, other in combinations(several, 2):
        assert octets(*one) != octets(*other)


def test_what_is_derived_for_one_purpose_equals_nothing_that_is_derived_for_another():
    plain = octets(MESSAGE.sender, MESSAGE.box, MESSAGE.trial, MESSAGE.digest, TOWN)
    assert uuid.UUID(delivery_id(MESSAGE, TOWN)).bytes[:6] != plain[:6]


def test_a_store_that_has_forgotten_a_document_hands_it_over_under_the_id_of_then():
    """As after the restoring of an old backup: another submission, another receipt, the same delivery."""
    known, forgotten = MemoryStore(lambda: NOON), MemoryStore(lambda: NOON)
    told = []
    for store, number in ((known, "1"), (forgotten, "2")):
        intake = an_intake(store=store, ids=lambda number=number: f"submission {number}")
        receipt = intake.accept(an_envelope(message_id=number))
        told.append(store.show(receipt.submission))
    one, again = told
    assert one.submission.id != again.submission.id
    assert [it.id for it in one.deliveries] == [it.id for it in again.deliveries] != []
