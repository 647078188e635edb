"""What makes two messages the same message."""

from __future__ import annotations

from itertools import combinations

from broker.model import Address
from tests.builders import an_envelope

SAME_TEXT = "2474011"


def test_addresses_of_different_kinds_are_never_the_same_even_when_they_read_alike():
    addresses = [Address(box=SAME_TEXT), Address(ade=SAME_TEXT), Address(teryt=SAME_TEXT)]
    for one, other in combinations(addresses, 2):
        assert an_envelope(to=one).fingerprint != an_envelope(to=other).fingerprint


def test_a_trial_and_the_real_message_are_two():
    assert an_envelope(trial=True).fingerprint != an_envelope(trial=False).fingerprint
