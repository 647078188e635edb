"""What a sender is told by SOAP of a document that is refused."""

from __future__ import annotations

import pytest

from adapters.channels.soap.faults import refusal
from adapters.wire.soap import SOAP12
from broker.errors import Invalid
from broker.model import Flaw


@pytest.mark.parametrize(("line", "told"), [(12, "12"), (65_534, "65534"), (65_535, "65535+"), (70_000, "65535+")])
def test_of_a_flaw_the_line_is_told_as_far_as_it_is_known(line: int, told: str) -> None:
    flaws = [Flaw(path="/Dokument", line=line, message="Not valid.")]
    facts = {"form": "letter/1", "count": "1", "first": "Not valid."}
    body = refusal(Invalid("validate.invalid", facts=facts, flaws=flaws), SOAP12).body.decode()
    assert f"- /Dokument (wiersz {told}): Not valid." in body
    assert f"- /Dokument (line {told}): Not valid." in body
    assert f'wiersz="{line}"' in body
