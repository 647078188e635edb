"""The time-stamped copy of a receipt: made from it, judged by its parts, and no other change gets in by that door."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.testkit.pki import JAN
from adapters.testkit.tsa import Tsa
from broker.errors import Malformed
from broker.evidence import Indication
from broker.model import ReceiptKind
from broker.proof import check
from broker.stamped import apart, to_stamp, with_stamp
from broker.texts import TEXTS
from broker.verify import TrustSnapshot, anchors
from tests.builders import an_envelope
from tests.receipts import ISSUED, PKI, SCHEMA, TRUST, a_registrar, a_seal, a_upp

LETTER = b"<letter/>"
UPP = a_upp(LETTER)
LATER = ISSUED + timedelta(hours=3)
LAST = timedelta(days=365 * 2)
CA = PKI.local_ca  # whose time-stamps are believed: not the authority of the seal
STAMPS = TrustSnapshot(anchors=anchors(CA.credential.pem))
TSA = Tsa.of(CA, LATER)
DECLARED = len(b'<?xml version="1.0" encoding="UTF-8"?>\n')


def stamped(receipt=UPP, tsa=TSA, **about):
    return with_stamp(receipt, tsa.token(to_stamp(receipt), **about))


COPY = stamped()


def judge(receipt, **about):
    return check(receipt, **{"schema": SCHEMA, "trust": TRUST, "stamps": STAMPS, "document": LETTER, **about})


def refused(receipt, code, **about):
    found = judge(receipt, **about)
    assert not found.holds
    assert found.code == code, found
    assert code in TEXTS
    return found


def test_a_copy_proves_what_the_receipt_does_and_by_when_and_who_says_so():
    found, plain = judge(COPY), judge(UPP)
    assert found.holds, found
    assert found.stamped_at == LATER.replace(microsecond=0)
    assert found.stamped_by.startswith("CN=Goniec Test Time-Stamping Unit")
    assert found.facts == plain.facts
    assert found.kind is ReceiptKind.UPP
    assert found.document is True
    assert found.notes == plain.notes
    assert (plain.stamped_at, plain.stamped_by) == (None, "")


def test_the_receipt_comes_out_of_its_copy_octet_for_octet():
    assert apart(COPY[DECLARED:])[0] == UPP[DECLARED:]
    assert apart(UPP[DECLARED:]) is None


@pytest.mark.parametrize("credential", [PKI.personal(PKI.seal_ca, JAN, kind="ec-256")], ids=["elliptic"])
def test_a_receipt_of_an_elliptic_key_is_stamped_too(credential):
    assert judge(stamped(a_upp(LETTER, seal=a_seal(credential)))).holds


def test_the_seal_is_judged_as_of_the_time_stamp():
    """A receipt that says it was made while its seal was valid, but was stamped after that, is not believed."""
    ended = PKI.seal.certificate.not_valid_after_utc
    late = stamped(tsa=Tsa.of(CA, ended - timedelta(days=1)), at=ended + timedelta(days=1))
    assert judge(UPP).holds
    found = refused(late, "receipt.seal")
    assert found.report.code == "verify.certificate-expired"
    assert found.verdict is Indication.INDETERMINATE


def test_what_was_stamped_in_time_holds_for_ever_after():
    for later in (LATER + LAST, datetime(2050, 1, 1, tzinfo=UTC)):
        assert judge(COPY, at=later).holds
        assert not judge(UPP, at=later).holds


def test_an_earlier_moment_than_the_time_stamps_may_be_asked_for():
    before = PKI.seal.certificate.not_valid_before_utc - timedelta(days=1)
    refused(COPY, "receipt.seal", at=before)


def test_without_an_authority_to_trust_the_receipt_stands_alone_and_that_is_told():
    found = judge(COPY, stamps=None)
    assert found.holds
    assert found.stamped_at is None
    assert "receipt.stamp-not-judged" in found.notes


@pytest.mark.parametrize(
    ("copy", "place"),
    [
        (stamped(tsa=Tsa.of(PKI.untrusted_ca, LATER)), "verify.timestamp-untrusted"),
        (with_stamp(UPP, TSA.token(b"something else")), "verify.timestamp-imprint"),
        (with_stamp(UPP, TSA.token(to_stamp(a_upp(LETTER)))), "verify.timestamp-imprint"),
        (with_stamp(UPP, b"rubbish"), "verify.timestamp-unreadable"),
    ],
    ids=["stranger", "other-octets", "of-another-receipt", "rubbish"],
)
def test_a_time_stamp_that_does_not_hold_is_no_proof(copy, place):
    assert refused(copy, "receipt.stamp").place == place


def test_a_time_stamp_from_before_the_receipt_is_a_contradiction():
    assert judge(stamped(at=ISSUED - timedelta(minutes=4))).holds
    refused(stamped(at=ISSUED - timedelta(minutes=6)), "receipt.stamp-order")


INSIDE = re.search(rb"<xades:EncapsulatedTimeStamp>(.*)</xades:EncapsulatedTimeStamp>", COPY)[1]
PROPERTY = re.search(rb"<xades:SignatureTimeStamp>.*</xades:SignatureTimeStamp>", COPY)[0]


@pytest.mark.parametrize(
    "free",
    [
        (b"<xades:UnsignedProperties>", b'<xades:UnsignedProperties Id="x">'),
        (b"<xades:SignatureTimeStamp>", b'<xades:SignatureTimeStamp Id="x">'),
        (b"<xades:EncapsulatedTimeStamp>", b'<xades:EncapsulatedTimeStamp Encoding="x">'),
        (b"</xades:SignatureTimeStamp>", b"</xades:SignatureTimeStamp> "),
        (b"</xades:SignatureTimeStamp>", b"</xades:SignatureTimeStamp>" + PROPERTY),
        (
            b"</xades:SignatureTimeStamp>",
            b"</xades:SignatureTimeStamp><xades:CounterSignature></xades:CounterSignature>",
        ),
        (
            b"</xades:UnsignedProperties>",
            b"</xades:UnsignedProperties><xades:UnsignedProperties></xades:UnsignedProperties>",
        ),
        (INSIDE, INSIDE[:64] + b"\n" + INSIDE[64:]),
        (INSIDE, INSIDE + b"<!-- x --><x></x>"),
        (
            b'exc-c14n#"></ds:CanonicalizationMethod><xades:Enc',
            b'exc-c14n#WithComments"></ds:CanonicalizationMethod><xades:Enc',
        ),
        (b"</pos:Dokument>", b"<?x?></pos:Dokument>"),
        (b"</pos:Dokument>", b"</pos:Dokument><?x?>"),
        (b"</ds:KeyInfo><ds:Object>", b"</ds:KeyInfo><ds:Object Encoding='x'>"),
        (b"T12:00:00.005Z", b"T11:00:00.005Z"),
        ("Urząd".encode(), "Urzęd".encode()),
    ],
    ids=[
        "properties-id",
        "stamp-id",
        "encoding",
        "white-space",
        "two-stamps",
        "counter-signature",
        "two-properties",
        "line-end-in-token",
        "element-in-token",
        "other-c14n",
        "instruction-inside",
        "instruction-outside",
        "object-encoding",
        "moment",
        "name",
    ],
)
def test_the_door_is_for_one_time_stamp_in_one_form(free):
    assert free[0] in COPY
    changed = COPY.replace(free[0], free[1], 1)
    assert changed != COPY
    assert not judge(changed).holds


def test_a_time_stamp_in_another_place_is_no_copy_of_ours():
    loose = COPY.replace(PROPERTY, b"")
    block = re.search(rb"<xades:UnsignedProperties>.*</xades:UnsignedProperties>", COPY)[0]
    moved = UPP.replace(b"<xades:SignedProperties", block + b"<xades:SignedProperties", 1)
    for other in (loose, moved):
        assert not judge(other).holds


def test_a_copy_that_some_program_wrote_anew_is_accepted_and_told():
    found = judge(COPY.replace(b"'", b'"') + b"\n<!-- kept -->")
    assert found.holds
    assert "receipt.rewritten" in found.notes


def test_a_negative_receipt_can_be_stamped_too():
    receipt = a_registrar(a_seal()).npp(an_envelope(LETTER), Malformed("parse.malformed"), ISSUED)
    assert judge(stamped(receipt)).kind is ReceiptKind.NPP


@pytest.mark.parametrize(
    "other",
    [b"", b"<a/>", COPY, UPP[:-1], UPP.replace(b"ds:SignatureValue>", b"ds:SignatureVal>")],
    ids=["nothing", "another", "copy", "cut", "no-value"],
)
def test_what_is_no_receipt_as_issued_is_not_stamped(other):
    with pytest.raises(ValueError, match=r"receipt|signature"):
        to_stamp(other)


def test_changing_the_token_changes_neither_the_moment_nor_the_receipt():
    """A token may be written in several ways (certificates that nobody needs): whatever is accepted says the same."""
    token, expected = base64.b64decode(INSIDE), judge(COPY)
    for at in range(0, len(token), 17):
        found = judge(with_stamp(UPP, token[:at] + bytes([token[at] ^ 1]) + token[at + 1 :]))
        if found.holds:
            assert replace(found, report=None) == replace(expected, report=None)
        else:
            assert found.code == "receipt.stamp"


def test_a_copy_without_its_value_is_refused_and_raises_nothing():
    value = re.search(rb"<ds:SignatureValue>.*</ds:SignatureValue>", COPY)[0]
    refused(COPY.replace(value, b""), "receipt.seal")
    refused(COPY.replace(value, value * 2), "receipt.seal")
