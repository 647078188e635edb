"""What may stand in the ds:Object of an enveloping signature."""

from __future__ import annotations

import re

import pytest

from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import ENVELOPING
from broker.evidence import Indication
from tests.corpus.verify.scene import AT, FORM, PKI, judged

PLAIN = FORM[FORM.index(b"<wnio:Dokument ") :].rstrip()


BASE64 = "http://www.w3.org/2000/09/xmldsig#base64"


def encoded(place, encoding):
    """Let the Object before `place` say how it is encoded, before the signature is made."""

    def rewrite(text):
        changed, count = re.subn(
            rf"<ds:Object\b(?=[^>]*>\s*<{place})", f'<ds:Object Encoding="{encoding}"', text, count=1
        )
        assert count == 1
        return changed

    return rewrite


@pytest.mark.parametrize(("place", "told"), [("wnio:", "ds:Object"), ("xades:", "ds:Signature[1]/ds:Object")])
def test_an_object_that_says_to_be_base64_holds_nothing_else_even_if_an_element_stands_in_it(place, told):
    assert judged(sign(PLAIN, PKI.person, AT, ENVELOPING)).indication is Indication.PASSED
    said = sign(PLAIN, PKI.person, AT, ENVELOPING, rewrite=encoded(place, BASE64))
    assert (judged(said).code, judged(said).place) == ("verify.enveloping-base64", told)


@pytest.mark.parametrize("place", ["wnio:", "xades:"])
@pytest.mark.parametrize("encoding", ["UTF-8", "", "base64", BASE64.upper(), "http://www.w3.org/2000/09/xmldsig#"])
def test_what_else_an_object_says_of_its_encoding_is_for_people(place, encoding):
    said = sign(PLAIN, PKI.person, AT, ENVELOPING, rewrite=encoded(place, encoding))
    assert judged(said).indication is Indication.PASSED
