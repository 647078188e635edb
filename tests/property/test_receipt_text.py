"""Whatever names and ids hold, a receipt obeys its schema and says exactly what was said."""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import UTC, datetime
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from broker import upo
from broker.errors import Malformed
from broker.model import SubmissionId
from broker.parse import Limits, read
from broker.texts import TEXTS
from tests.builders import an_envelope
from tests.receipts import POS, SCHEMA, a_registrar, an_admitted, its_submission

COMPILED = etree.XMLSchema(read(SCHEMA, Limits()))
ANY = st.text() | st.text(alphabet="ąćęłńóśźż<>&\"'\r\n\t\x00\x0b\x1f\ud800\ufffe]\u2028 \U0001f4ec", max_size=12)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001


def readable(text):
    return re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


@given(office=ANY, sender=ANY, box=ANY, id_=ANY.filter(bool), payload=st.binary(), entry=MOMENTS, at=MOMENTS)
def test_a_upp_is_valid_and_true_for_any_text(*, office, sender, box, id_, payload, entry, at):
    admitted = an_admitted(payload, office_name=office, sender=sender, box=box)
    submission = its_submission(admitted, id=SubmissionId(id_), received_at=entry)
    root = read(a_registrar().upp(admitted, submission, at).xml, Limits())
    COMPILED.assertValid(root)
    body = root[0]
    assert body.findtext(f"{POS}Adresat/{POS}Nazwa") == readable(office)
    assert (body.findtext(f"{POS}Nadawca/{POS}Nazwa") or "") == readable(sender)
    assert body.findtext(f"{POS}IdentyfikatorDokumentu") == readable(id_)
    assert b64decode(body.findtext(f"{POS}InformacjaUzupelniajaca")) == sha256(payload).digest()
    for name, moment in (("DataDoreczenia", entry), ("DataWytworzeniaPoswiadczenia", at)):
        written = body.findtext(f"{POS}{name}")
        assert written.endswith("Z")
        assert datetime.fromisoformat(written) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@given(code=st.sampled_from(sorted(TEXTS)), place=ANY, sender=ANY, fact=ANY)
def test_a_negative_receipt_is_valid_for_any_code_and_place(code, place, sender, fact):
    no = Malformed(code, place=place, facts={"limit": fact})
    root = read(a_registrar().npp(an_envelope(sender=sender), no, datetime(2026, 1, 1, tzinfo=UTC)), Limits())
    COMPILED.assertValid(root)
    reason = root[0].find(f"{POS}Przyczyna")
    assert reason.get("Kod") == code
    assert (reason.get("Miejsce") or "") == readable(place)


@given(name=ANY, id_=ANY.filter(bool), case=ANY, at=MOMENTS)
def test_a_proof_of_delivery_is_valid_for_any_text(name, id_, case, at):
    party = upo.Party(name=name, id=id_)
    xml = upo.upd(
        id_=id_,
        addressee=party,
        submission=id_,
        digest="00" * 32,
        collected_at=at,
        at=at,
        issuer=party,
        case=case,
        environment="test",
    )
    root = read(xml, Limits())
    COMPILED.assertValid(root)
    assert (root[0].findtext(f"{POS}IdentyfikatorSprawy") or "") == readable(case)
