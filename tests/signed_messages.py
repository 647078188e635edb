"""Signed messages and what the reader says of them: what the tests of WS-Security have in common."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.testkit.box import Submission
from adapters.testkit.certificates import Credential
from adapters.testkit.wss import ALL, Recipe, secure
from adapters.wire import soap, wss
from adapters.wire.soap import SOAP11, SOAP12
from broker.errors import Malformed, Rejection, Unauthorised
from broker.parse import Limits
from broker.texts import explain
from tests.corpus.verify.scene import AT, PKI

VERSIONS = pytest.mark.parametrize("version", [SOAP11, SOAP12], ids=["1.1", "1.2"])
BY = PKI.local_person
LETTER = Submission(document=b"<letter/>\n\n")
MINUTE = timedelta(minutes=1)


def read(message: bytes, at=AT, **how):
    return wss.read(soap.read(message, Limits()), at, **how)


def signed(recipe: Recipe = ALL, version=SOAP11, by: Credential = BY, **changes) -> bytes:
    return secure(LETTER.envelope(version), by, AT, recipe, **changes)


def refused(code: str, message: bytes, at=AT, **how) -> Rejection:
    with pytest.raises((Malformed, Unauthorised)) as no:
        read(message, at, **how)
    assert no.value.code == code
    assert explain(no.value).count("?") == 0
    return no.value
