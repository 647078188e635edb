"""PHP's own SoapClient, which many offices' sites are built on, speaks to a box by its WSDL alone."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.interop.conftest import Goniec, Run

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_form_goes_in_by_nadaj_and_the_upp_comes_back(goniec: Goniec, php: Run, form: Path, version: str) -> None:
    said = php(goniec.wsdl_url, form, goniec.box, version)
    assert list(goniec.submitted()) == [form.read_bytes()], said
    assert said["code"] == 1
    assert said["document"]
    assert [base64.b64decode(said["receipt"])] == list(goniec.receipts())


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_refusal_tells_its_number_and_its_reason(goniec: Goniec, php: Run, form: Path, version: str) -> None:
    said = php(goniec.wsdl_url, form, "/nowhere/box", version)
    assert "kod" in said, said
    assert 400 <= said["kod"] < 500
    assert "/nowhere/box" in said["komunikat"]
    assert not goniec.submitted()
