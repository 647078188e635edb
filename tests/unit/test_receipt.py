"""What a receipt says, and when."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import pytest
import xmlschema

from broker import upo
from broker.errors import Malformed, Unavailable
from broker.evidence import Indication, Level, Report, SignatureReport
from broker.model import Answer, BoxPolicy, ReceiptKind
from broker.parse import Limits, read
from tests.builders import an_envelope
from tests.receipts import ENTRY, ISSUED, POS, SCHEMA, Plain, a_registrar, an_admitted, its_submission, obeys_schema

EXAMPLES = sorted((Path(__file__).parents[2] / "schemas/receipts/examples").glob("*.xml"))
SIGNED = Report(
    indication=Indication.PASSED,
    level=Level.QUALIFIED,
    signatures=(SignatureReport(id="#1", indication=Indication.PASSED),),
)


def upp(admitted=None, **about):
    admitted = admitted or an_admitted()
    xml = a_registrar(**about).upp(admitted, its_submission(admitted), ISSUED).xml
    return read(xml, Limits())[0]


def information(body):
    return {e.get("TypInformacjiUzupelniajacej"): e.text for e in body.findall(f"{POS}InformacjaUzupelniajaca")}


def names(body):
    return [e.tag.removeprefix(POS) for e in body if not e.tag.endswith("InformacjaUzupelniajaca")]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_gives_the_result_in_its_name(path):
    text = path.read_bytes()
    expected = path.name.startswith("ok-")
    assert obeys_schema(text) is expected
    assert xmlschema.XMLSchema(SCHEMA.decode()).is_valid(text.decode()) is expected


def test_there_are_examples_of_every_kind_good_and_bad():
    stems = [path.stem for path in EXAMPLES]
    for kind in ("upp", "upd", "npp"):
        assert any(s.startswith(f"ok-{kind}") for s in stems)
        assert any(s.startswith(f"invalid-{kind}") for s in stems)


def test_a_upp_names_its_parts_in_the_published_order():
    assert names(upp()) == [
        "IdentyfikatorPoswiadczenia",
        "Adresat",
        "Nadawca",
        "DataDoreczenia",
        "DataWytworzeniaPoswiadczenia",
        "IdentyfikatorDokumentu",
    ]


def test_entry_and_receipt_are_two_moments_in_utc():
    body = upp()
    assert body.findtext(f"{POS}DataDoreczenia") == "2026-01-01T12:00:00.005Z"
    assert body.findtext(f"{POS}DataWytworzeniaPoswiadczenia") == "2026-01-01T12:00:01.250Z"
    warsaw = timezone(timedelta(hours=1))
    assert upo.moment(datetime(2026, 7, 1, 0, 30, tzinfo=warsaw)) == "2026-06-30T23:30:00.000Z"


def test_a_upp_carries_the_digest_of_the_bytes_as_received():
    payload = b"\xef\xbb\xbf<letter>\r\n</letter>\n\n"
    expected = b64encode(sha256(payload).digest()).decode()
    assert information(upp(an_admitted(payload)))["SHA-256"] == expected


def test_a_upp_tells_form_environment_verdict_level_policy_and_trial():
    assert information(upp(an_admitted(report=SIGNED), environment="production")) | {"SHA-256": ""} == {
        "SHA-256": "",
        "Formularz": "pismo-ogolne/1410",
        "Srodowisko": "production",
        "Proba": "false",
        "WerdyktPodpisu": "TOTAL-PASSED",
        "PoziomPodpisu": "qualified",
        "SprawdzenieUniewaznien": "off",
    }
    assert information(upp(an_admitted(trial=True)))["Proba"] == "true"


def test_an_unsigned_document_is_never_said_to_have_passed():
    assert information(upp())["WerdyktPodpisu"] == "NIEPODPISANY"


def test_an_unclear_verdict_is_told_as_it_is():
    unclear = replace(SIGNED, indication=Indication.INDETERMINATE, revocation="require")
    told = information(upp(an_admitted(report=unclear)))
    assert (told["WerdyktPodpisu"], told["SprawdzenieUniewaznien"]) == ("INDETERMINATE", "require")


def test_the_addressee_is_the_office_and_the_sender_the_partner():
    body = upp(an_admitted(sender="portal"))
    assert body.findtext(f"{POS}Adresat/{POS}Nazwa") == "Urząd Miasta"
    identifier = body.find(f"{POS}Adresat/{POS}IdentyfikatorPodmiotu")
    assert (identifier.text, identifier.get("TypIdentyfikatora")) == ("town", "ePUAP-ID")
    assert body.findtext(f"{POS}Nadawca/{POS}IdentyfikatorPodmiotu") == "portal"


def test_an_office_without_a_box_is_named_by_our_key():
    identifier = upp(an_admitted(box="")).find(f"{POS}Adresat/{POS}IdentyfikatorPodmiotu")
    assert (identifier.text, identifier.get("TypIdentyfikatora")) == ("town-hall", "Goniec")


def test_no_sender_no_element():
    assert "Nadawca" not in names(upp(an_admitted(sender="")))


def test_the_receipt_is_what_the_store_keeps_of_it():
    admitted = an_admitted()
    quiet = replace(admitted.routed, target=replace(admitted.target, policy=BoxPolicy(answer=Answer.STATUS)))
    submission = its_submission(admitted)
    receipt = a_registrar().upp(replace(admitted, routed=quiet), submission, ISSUED)
    assert (receipt.id, receipt.submission, receipt.kind) == ("receipt-1", submission.id, ReceiptKind.UPP)
    assert (receipt.issued_at, receipt.answer) == (ISSUED, Answer.STATUS)


def test_a_negative_receipt_tells_entry_and_receipt_apart_too():
    xml = a_registrar().npp(an_envelope(b"<broken", received_at=ENTRY), Malformed("parse.malformed"), ISSUED)
    body = read(xml, Limits())[0]
    assert body.findtext(f"{POS}DataOtrzymania") == "2026-01-01T12:00:00.005Z"
    assert body.findtext(f"{POS}DataWytworzeniaPoswiadczenia") == "2026-01-01T12:00:01.250Z"


def test_a_negative_receipt_says_why_and_quotes_nothing_of_the_document():
    envelope = an_envelope(b"<broken", received_at=ENTRY, sender="portal")
    no = Malformed("parse.malformed", place="line 1", facts={"detail": "SECRET-90010100016"})
    issuer = upo.Party(name="Urząd Marszałkowski", id="marszalek")
    xml = a_registrar(issuer=issuer).npp(envelope, no, ISSUED)
    assert obeys_schema(xml)
    body = read(xml, Limits())[0]
    assert names(body) == [
        "IdentyfikatorPoswiadczenia",
        "PodmiotWystawiajacyPoswiadczenie",
        "Nadawca",
        "DataOtrzymania",
        "DataWytworzeniaPoswiadczenia",
        "Przyczyna",
    ]
    reason = body.find(f"{POS}Przyczyna")
    assert (reason.get("Kod"), reason.get("Miejsce")) == ("parse.malformed", "line 1")
    assert "SECRET" not in xml.decode()
    assert "{" not in xml.decode()
    assert information(body)["SHA-256"] == b64encode(sha256(b"<broken").digest()).decode()


def test_a_proof_of_delivery_is_prepared_for_its_addressee_to_sign():
    xml = upo.upd(
        id_="upd-1",
        addressee=upo.Party(name="JAN TESTOWY", id="jtestowy"),
        submission="s1",
        digest=sha256(b"<letter/>").hexdigest(),
        collected_at=ENTRY,
        at=ISSUED,
        issuer=upo.Party(name="Urząd", id="urzad"),
        case="OR.1.2026",
        environment="test",
    )
    assert obeys_schema(xml)
    assert names(read(xml, Limits())[0]) == [
        "IdentyfikatorPoswiadczenia",
        "PodmiotWystawiajacyPoswiadczenie",
        "Adresat",
        "DataOdbioru",
        "DataUtworzeniaPoswiadczenia",
        "IdentyfikatorSprawy",
        "IdentyfikatorDokumentu",
    ]


def test_a_seal_that_is_away_gives_no_receipt():
    class Away(Plain):
        def seal(self, unsigned):
            raise Unavailable("away")

    admitted = an_admitted()
    with pytest.raises(Unavailable):
        a_registrar(Away()).upp(admitted, its_submission(admitted), ISSUED)
