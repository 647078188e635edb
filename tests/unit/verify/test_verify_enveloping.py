"""What may stand in the ds:Object of an enveloping signature."""

from __future__ import annotations

import re

import pytest

from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import ENVELOPING
from broker.evidence import Indication
from tests.corpus.verify.scene import AT, FORM, PKI, judged

PLAIN = FORM[FORM.index(b"<wnio:Dokument ") :].rstrip()


@pytest.mark.parametrize("encoding", ["http://www.w3.org/2000/09/xmldsig#base64", "utf-8", ""])
def test_an_object_that_names_an_encoding_holds_no_form_even_if_an_element_stands_in_it(encoding):
    def encoded(text):
        changed, count = re.subn(r"<ds:Object\b(?=[^>]*>\s*<wnio:)", f'<ds:Object Encoding="{encoding}"', text, count=1)
        assert count == 1
        return changed

    assert judged(sign(PLAIN, PKI.person, AT, ENVELOPING)).indication is Indication.PASSED
    assert judged(sign(PLAIN, PKI.person, AT, ENVELOPING, rewrite=encoded)).code == "verify.enveloping-base64"
