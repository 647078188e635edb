"""What a rejection carries, and what it does not."""

from __future__ import annotations

from broker.errors import Malformed


def test_a_place_has_an_end_however_long_the_names_that_a_sender_chose():
    no = Malformed("parse.malformed", place="/" + "x" * 50_000)
    assert len(no.place) == 500
    assert len(str(no)) < 600


def test_the_stage_is_the_codes_prefix():
    assert Malformed("parse.malformed").stage == "parse"
