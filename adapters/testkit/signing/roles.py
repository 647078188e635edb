"""The person behind a podpis zaufany, as its ClaimedRole says it: the form of today and the form before it.

Element names and order: DOMAIN §5.  Both are in use, so the tests make both.
"""

from __future__ import annotations

from datetime import datetime
from xml.sax.saxutils import escape

from adapters.testkit.certificates import Person


def ep_signature(person: Person, at: datetime) -> str:
    """Return today's form: EPSignature."""
    moment = at.isoformat(timespec="milliseconds")
    return (
        '<pz:EPSignature xmlns:pz="http://crd.gov.pl/xml/schematy/podpis_zaufany/">'
        "<pz:NaturalPerson>"
        f"<pz:CurrentFamilyName>{escape(person.family)}</pz:CurrentFamilyName>"
        f"<pz:FirstName>{escape(person.given)}</pz:FirstName>"
        f"<pz:DateOfBirth>{person.born.isoformat()}</pz:DateOfBirth>"
        f"<pz:PersonalIdentifier>{person.pesel}</pz:PersonalIdentifier>"
        "</pz:NaturalPerson>"
        "<pz:SignatureData>"
        "<pz:IdentityIssuer>test.login</pz:IdentityIssuer>"
        f"<pz:IdentityIssueTimestamp>{moment}</pz:IdentityIssueTimestamp>"
        "</pz:SignatureData></pz:EPSignature>"
    )


def podpis_zp(person: Person, *, account_with_person: bool = True) -> str:
    """Return the form before it: PodpisZP; the account sits with the person, or in DanePodpisu."""
    account = f"<ppZP:IdKontaUzytkownikaEpuap>{escape(person.account)}</ppZP:IdKontaUzytkownikaEpuap>"
    return (
        '<ppZP:PodpisZP xmlns:ppZP="http://crd.gov.pl/xml/schematy/ppzp/"'
        ' xmlns:os="http://crd.gov.pl/xml/schematy/osoba/2009/03/06/">'
        "<ppZP:DaneZP><ppZP:DaneZPOsobyFizycznej>"
        f'<os:Nazwisko rodzajCzlonu="pierwszy">{escape(person.family)}</os:Nazwisko>'
        f"<os:Imie>{escape(person.given)}</os:Imie>"
        f"<os:PESEL>{person.pesel}</os:PESEL>"
        f"{account if account_with_person else ''}"
        "</ppZP:DaneZPOsobyFizycznej></ppZP:DaneZP>"
        f"{'' if account_with_person else f'<ppZP:DanePodpisu>{account}</ppZP:DanePodpisu>'}"
        "</ppZP:PodpisZP>"
    )
