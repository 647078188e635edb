"""The stage: how a question is put together from envelope and form."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from lxml import etree

from broker.errors import Unroutable
from broker.evidence import UNSIGNED
from broker.model import Address, Document, Form, FormKey, Target, Valid, Verified
from broker.parse import Limits, read
from broker.ports import Question
from broker.read import addressees
from config.demo.forms import Kind, form
from config.demo.markup import Style
from config.demo.offices import boxes_csv, offices, routing_csv
from routing.load import load
from routing.route import Route, question
from tests.builders import NOON, an_envelope

CIESZYN, MARSHAL, CITY = offices()[:3]
LIMITS = Limits()
ROUTE = Route(router=load(boxes_csv(offices()), routing_csv(offices())), limits=LIMITS)


def verified(kind: Kind = Kind.LETTER_1410, *, signed_for=CIESZYN, style: Style = Style.NUMBERED, **about) -> Verified:
    payload = form(kind, signed_for, 4, style=style)
    root = read(payload, LIMITS)
    name, _, version = kind.partition("/")
    its = Form(
        key=FormKey(name=name, version=version), namespace=kind.namespace, root="Dokument", title_pl="", title_en=""
    )
    document = Document(envelope=an_envelope(payload, **about), root=root, form=root)
    content = etree.tostring(root, method="c14n", exclusive=True)
    return Verified(valid=Valid(document=document, form=its), report=UNSIGNED, content=content)


def target(kind: Kind = Kind.LETTER_1410, **about) -> Target:
    return ROUTE(verified(kind, **about)).target


@pytest.mark.parametrize("style", Style)
def test_a_form_alone_finds_the_office_that_it_is_addressed_to(style: Style) -> None:
    found = target(to=Address(), style=style)
    assert (found.office, found.box, found.row, found.notes) == (
        CIESZYN.id,
        "/u390efc0tm/SEKAP",
        "regon:000515709",
        (),
    )


def test_the_envelope_is_followed_and_the_disagreement_noted() -> None:
    found = target(to=Address(box=MARSHAL.box))
    assert (found.office, found.notes) == (MARSHAL.id, ("route.addressee-differs",))


def test_an_ade_finds_its_office() -> None:
    assert target(to=Address(ade=CITY.ade), signed_for=CITY).office == CITY.id


def test_an_unknown_box_is_refused() -> None:
    with pytest.raises(Unroutable, match="unknown-box"):
        target(to=Address(box="/nobody/here"))


def test_only_the_signed_octets_are_read_never_the_tree() -> None:
    value = verified(to=Address())
    for key in value.valid.document.root.iter("{*}REGON", "{*}NIP"):
        key.text = MARSHAL.regon
    assert ROUTE(value).target.office == CIESZYN.id


def test_the_moment_of_entry_decides_which_row_is_in_force() -> None:
    table = ROUTE.router
    assert question(verified(received_at=NOON + timedelta(days=3)), LIMITS).at == NOON + timedelta(days=3)
    county = next(office for office in offices() if office.kind == "powiat_ziemski")
    asked = question(verified(Kind.ENTRY), LIMITS)
    inside = Address(teryt=f"{county.teryt}992")
    moved = Question(to=inside, form=asked.form, at=NOON.replace(year=2027))
    assert table.target(Question(to=inside, form=asked.form, at=NOON)).box == county.box
    assert table.target(moved).box == f"/demo-{county.id}/wnioski"


def test_a_reply_to_a_resident_names_no_office() -> None:
    asked = question(verified(Kind.DECISION, to=Address(box=CIESZYN.box)), LIMITS)
    assert (asked.regons, asked.nips) == ((), ())
    assert target(Kind.DECISION, to=Address(box=CIESZYN.box)).notes == ()


def test_the_nip_of_a_person_is_no_key_of_an_office() -> None:
    value = verified(Kind.DECISION, to=Address(box=CIESZYN.box))
    content = re.sub(rb"(<(\w+:)?PESEL[^>]*>)[0-9]+(</(\w+:)?PESEL>)", rb"\g<0>\1\3", value.content, count=1)
    content = re.sub(rb"PESEL([^>]*)></(\w+:)?PESEL>", rb"NIP\1>5480018504</\2NIP>", content)
    assert b"NIP>5480018504" in content.partition(b"Nadawcy")[0]
    taxpayer = Verified(valid=value.valid, report=UNSIGNED, content=content)
    assert addressees(content, LIMITS)[0].nip == "5480018504"
    assert question(taxpayer, LIMITS).nips == ()


def test_hyphens_in_a_number_do_not_hide_the_office() -> None:
    value = verified(to=Address())
    content = value.content.replace(b"000515709", b"").replace(b"5480018504", b"548-001-85-04")
    assert ROUTE(Verified(valid=value.valid, report=UNSIGNED, content=content)).target.row == "nip:5480018504"


def test_content_without_such_numbers_is_not_read_at_all() -> None:
    value = verified(to=Address(box=CIESZYN.box))
    unreadable = Verified(valid=value.valid, report=UNSIGNED, content=b"<not-closed>")
    assert ROUTE(unreadable).target.office == CIESZYN.id
