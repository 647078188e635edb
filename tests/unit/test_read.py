"""What a form says about itself, whatever prefixes it was written with."""

from __future__ import annotations

import pytest
from lxml import etree

from broker.parse import Limits, read
from broker.read import INST, META, OSO, STR, Party, addressees, facts, numbers_parties
from config.demo.forms import Attachment, Kind, form
from config.demo.markup import Style
from config.demo.offices import offices
from config.demo.people import person

CIESZYN = offices()[0]
LIMITS = Limits()


def canonical(document: bytes, *, exclusive: bool = True, comments: bool = False) -> bytes:
    return etree.tostring(read(document, LIMITS), method="c14n", exclusive=exclusive, with_comments=comments)


def a_form(parties: str, own: str = "urn:form", more: str = "") -> bytes:
    return (
        f'<f:Dokument xmlns:f="{own}" xmlns:s="{STR}" xmlns:m="{META}" xmlns:i="{INST}" xmlns:o="{OSO}">'
        f"<f:DaneDokumentu>{parties}</f:DaneDokumentu>{more}</f:Dokument>"
    ).encode()


def to(*ids: str) -> str:
    parties = "".join(
        f"<m:Podmiot><i:Instytucja><i:IdInstytucji>{each}</i:IdInstytucji></i:Instytucja></m:Podmiot>" for each in ids
    )
    return f"<s:Adresaci>{parties}</s:Adresaci>"


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("kind", [kind for kind in Kind if not kind.reply])
def test_every_form_tells_its_parties_in_every_style(kind: Kind, style: Style, exclusive: bool) -> None:
    found = facts(canonical(form(kind, CIESZYN, 6, style=style), exclusive=exclusive), LIMITS)
    office = Party(person=False, name=CIESZYN.name, nip=CIESZYN.nip, regon=CIESZYN.regon)
    resident = person(6)
    name = f"{resident.given_name} {resident.second_name} {resident.family_name}"
    assert resident.second_name
    assert found.addressees == (office,)
    assert found.senders == (Party(person=True, name=name, pesel=resident.pesel),)
    assert found.document == "TEST-000006"
    assert found.kind == "Pismo"


@pytest.mark.parametrize("kind", [Kind.CALL, Kind.DECISION])
def test_a_reply_goes_from_the_office_to_the_resident_under_its_case_number(kind: Kind) -> None:
    found = facts(canonical(form(kind, CIESZYN, 1, case="WO.1.2026")), LIMITS)
    assert [(party.person, party.pesel) for party in found.addressees] == [(True, person(1).pesel)]
    assert [party.regon for party in found.senders] == [CIESZYN.regon]
    assert found.case == "WO.1.2026"
    assert facts(canonical(form(kind, CIESZYN, 1)), LIMITS).case == "TEST.1.2026"


def test_titles_and_names_are_the_forms_own() -> None:
    assert facts(canonical(form(Kind.LETTER_1410, CIESZYN, 3)), LIMITS).title.startswith("Pismo próbne nr 3")
    question = facts(canonical(form(Kind.QUESTION, CIESZYN, 3)), LIMITS)
    assert (question.title, question.name) == ("Pytanie próbne nr 3", "Pytanie")


def test_several_addressees_stand_in_document_order() -> None:
    found = addressees(a_form(to("<i:NIP>2</i:NIP>", "<i:KRS>3</i:KRS><i:REGON>1</i:REGON>")), LIMITS)
    assert [(party.nip, party.krs, party.regon) for party in found] == [("2", "", ""), ("", "3", "1")]


def test_other_identifiers_keep_their_kind() -> None:
    office = '<i:InnyIdentyfikator typIdentyfikatora="ePUAP-ID">urzad</i:InnyIdentyfikator>'
    assert addressees(a_form(to(office)), LIMITS)[0].others == (("ePUAP-ID", "urzad"),)


def test_a_form_that_says_nothing_leaves_everything_empty() -> None:
    found = facts(b"<Dokument></Dokument>", LIMITS)
    assert (found.addressees, found.senders, found.title, found.case) == ((), (), "", "")


def test_a_comment_inside_a_number_hides_no_digit() -> None:
    document = a_form(to("<i:REGON>0005<!-- 9 -->15<?x 9?>709</i:REGON>"))
    for content in (canonical(document), canonical(document, comments=True)):
        assert addressees(content, LIMITS)[0].regon == "000515709"


def test_parties_in_other_places_or_namespaces_are_not_addressees() -> None:
    elsewhere = f"<f:TrescDokumentu>{to('<i:REGON>1</i:REGON>')}</f:TrescDokumentu>"
    assert addressees(a_form("", more=elsewhere), LIMITS) == ()
    assert addressees(a_form(to("<o:REGON>1</o:REGON>")), LIMITS)[0].regon == ""
    foreign = a_form(to("<i:REGON>1</i:REGON>")).replace(b"<f:Dane", b"<m:Dane").replace(b"</f:Dane", b"</m:Dane")
    assert addressees(foreign, LIMITS) == ()


@pytest.mark.parametrize("style", Style)
def test_a_number_that_is_there_is_seen_in_the_octets(style: Style) -> None:
    assert numbers_parties(canonical(form(Kind.LETTER_1410, CIESZYN, 1, style=style)))
    assert numbers_parties(canonical(a_form(to('<i:REGON a="1"/>'))))
    assert not numbers_parties(
        canonical(form(Kind.LETTER_1410, CIESZYN, 1)).replace(b"REGON", b"R").replace(b"NIP", b"N")
    )


def test_canonical_content_may_be_longer_than_the_document_was() -> None:
    document = a_form(to("<i:NIP/>" * 200))
    limits = Limits(payload=len(document), markup=document.count(b"<") + document.count(b"="))
    read(document, limits)
    content = canonical(document)
    assert len(content) > limits.payload
    assert addressees(content, limits)[0].nip == ""


def test_a_large_attachment_is_read_over() -> None:
    content = canonical(
        form(Kind.LETTER_4566, CIESZYN, 1, attachments=[Attachment(name="x", content=bytes(9_000_000))])
    )
    assert addressees(content, LIMITS)[0].regon == CIESZYN.regon


def test_a_party_does_not_tell_who_it_is_when_printed() -> None:
    found = facts(canonical(form(Kind.LETTER_1410, CIESZYN, 3)), LIMITS)
    assert person(3).pesel not in repr(found)
    assert person(3).family_name not in repr(found)
