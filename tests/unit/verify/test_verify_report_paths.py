"""A report says by which certificates and by whose word: of the signer, and of the units that stamped."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from adapters.testkit.signer import sign
from adapters.testkit.signing.stamped import stamp
from adapters.testkit.tsa import Tsa
from broker.evidence import AnchorReport, Level, ServiceReport, to_json
from broker.evidence_xml import to_xml
from broker.verify import Anchor, TrustSnapshot
from broker.verify.qualified import Purpose, Service
from tests.corpus.verify.scene import AT, FORM, PKI, anchor, judged
from tests.corpus.verify.test_verify_reports import SCHEMA
from tests.revocation import DAY, HOUR, PERSON, REQUIRE
from tests.unit.verify.test_verify_choice import NEW, OLD, STAMPED, STAMPERS, UNIT, Office, letter, stamped, status
from tests.unit.verify.test_verify_choice import tsa_above as above_unit


def digest(certificate: x509.Certificate) -> str:
    return sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def test_two_certificates_of_one_name_are_told_apart() -> None:
    root = REQUIRE.anchors[0].certificate
    for known in (OLD, NEW):
        (signature,) = Office(status(PERSON.certificate), status(known)).judges(letter(OLD, NEW)).signatures
        assert signature.path_sha256 == tuple(digest(it) for it in (PERSON.certificate, known, root))
        assert len(signature.path) == 3
        assert signature.anchor == AnchorReport(name=REQUIRE.anchors[0].name)


def test_without_a_path_there_is_no_anchor() -> None:
    (signature,) = judged(sign(FORM, PKI.stranger, AT)).signatures
    assert (signature.path, signature.path_sha256, signature.anchor) == ((), (), None)


def test_the_services_by_whose_word_an_anchor_counts_at_the_moment_are_named() -> None:
    def service(name: str, begin: int, end: int) -> Service:
        return Service(
            name=name,
            territory="PL",
            since=AT + begin * DAY,
            until=AT + end * DAY,
            purposes=frozenset({Purpose.SIGNATURES}),
        )

    services = (service("past", -3000, -1), service("now", -3000, 1), service("now", -1, 9), service("also", -1, 9))
    listed = Anchor(
        certificate=PKI.qualified_ca.credential.certificate, name="listed", level=Level.NONE, services=services
    )
    report = judged(sign(FORM, PKI.person, AT), TrustSnapshot(anchors=(listed,)))
    named = tuple(ServiceReport(territory="PL", name=name) for name in ("now", "also"))
    assert report.signatures[0].anchor == AnchorReport(name="listed", services=named)
    assert report.level is Level.QUALIFIED
    root = etree.fromstring(to_xml(to_json(report)))
    SCHEMA.assertValid(root)
    assert [it.text for it in root.iterfind(".//{*}Anchor/{*}Services/{*}Service/{*}Name")] == ["now", "also"]


@pytest.mark.parametrize("why", ["", "superseded", "unknown"])
def test_a_stamp_shows_its_path_and_what_is_known_of_it_whether_it_holds_or_not(why: str) -> None:
    above = above_unit(1, 99 * DAY)
    office = Office(
        *(status(it) for it in (PERSON.certificate, OLD, UNIT.certificate)),
        *([] if why == "unknown" else [status(above, why)]),
    )
    report = office.judges(stamped(above), STAMPED, AT + HOUR)
    (told,) = report.signatures[0].time_stamps
    root = STAMPED.timestamp_anchors[0]
    assert told.path_sha256 == tuple(digest(it) for it in (UNIT.certificate, above, root.certificate))
    assert told.path[1:] == (STAMPERS.credential.certificate.subject.rfc4514_string(), told.path[2])
    assert told.anchor == AnchorReport(name=root.name)
    assert [it.certificate for it in told.revocation] == list(told.path_sha256[:2])
    assert told.revocation[0].code == ""
    assert told.revocation[1].code == told.code
    # One that awaits says its moment; one that does not hold proves none.
    assert told.code == {"": "", "superseded": "verify.ca-revoked", "unknown": "verify.revocation-unknown"}[why]
    assert (told.at, bool(told.by), bool(told.policy)) == (
        (None, False, False) if why == "superseded" else (AT, True, True)
    )
    SCHEMA.assertValid(etree.fromstring(to_xml(to_json(report))))


def test_a_stamp_whose_unit_nobody_trusts_shows_no_path() -> None:
    trust = replace(REQUIRE, timestamp_anchors=(anchor(PKI.local_ca, Level.NONE),), revocation="off")
    document = stamp(sign(FORM, PKI.person, AT), Tsa.of(STAMPERS, AT).token)
    (told,) = judged(document, trust).signatures[0].time_stamps
    assert (told.code, told.path, told.path_sha256, told.anchor) == ("verify.timestamp-untrusted", (), (), None)
