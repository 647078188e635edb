"""What a sender asks over SOAP about its own documents, by zeep and our description: lists, digests, receipts again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import zeep
from zeep.exceptions import Fault
from zeep.transports import Transport

from adapters.stores.memory import MemoryStore
from adapters.testkit.certificates import Credential
from adapters.testkit.stores.values import (
    ACKNOWLEDGED,
    LEASE,
    NOON,
    TOWN,
    Hands,
    a_refusal,
    kept,
    limits,
)
from adapters.wire.soap import SOAP11
from broker.errors import NotYet
from broker.journal import Batch
from broker.partner import Partner, Partners, Proof
from config.reconcile import Desk
from tests.partners import Cast, a_partner, signed
from tests.soap_serving import serving

OB = "http://wsdl.epuap.gov.pl/obiekty/"
U = "urn:goniec:uzgodnienie"
PORTAL, NOTARY = "portal", "notary"


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore(Hands())
    made.enrol([limits(TOWN)])
    return made


@pytest.fixture
def desk(store: MemoryStore) -> Desk:
    made = Desk(Partners)
    made.custody = store
    return made


@pytest.fixture
def transport() -> Iterator[Transport]:
    made = Transport(timeout=30, operation_timeout=30)
    yield made
    made.session.close()


@contextmanager
def opened(desk: Desk, **about: Any) -> Iterator[str]:
    """Serve, and give the address of the service."""
    with serving(lambda _envelope: pytest.fail("nothing was sent"), inquiries=desk, **about) as url:
        yield url.replace("/skrytka", "/uzgodnienie")


@pytest.fixture(params=["uzgodnienie", "uzgodnienie12"])
def ask(request: pytest.FixtureRequest, desk: Desk, transport: Transport) -> Iterator[Any]:
    """Calls an operation as somebody, over SOAP 1.1 and 1.2."""
    with opened(desk) as url:
        service = zeep.Client(f"{url}?wsdl", transport=transport).bind("uzgodnienieService", request.param)
        yield lambda operation, who=PORTAL, **said: service[operation](**said, _soapheaders={"podmiot": who})


def code(fault: Fault) -> str:
    return str(fault.detail.findtext("{urn:goniec:odmowa}Odmowa/kod"))


def test_a_sender_lists_all_that_it_sent_unfinished_and_refused_included(ask: Any, store: MemoryStore) -> None:
    done = kept(store, sender=PORTAL, box="/town/first")
    store.record(store.claim(LEASE)[0], ACKNOWLEDGED)
    waits, trial = kept(store, sender=PORTAL), kept(store, sender=PORTAL, trial=True, message_id="")
    store.refuse(a_refusal(sender=PORTAL, message_id="<m&m>", code="parse.dtd", place="line 3"))
    kept(store, sender=NOTARY)
    first = ask("podajWykaz", odChwili=NOON)
    second = ask("podajWykaz", odChwili=NOON, kursor=first.kursor)
    assert [(one.identyfikatorDokumentu, one.stan, one.znakUrzedu) for one in first.pozycja] == [
        (done.submission.id, "doreczony", "EZD/1/2026"),
        (waits.submission.id, "w-drodze", None),
        (trial.submission.id, "probny", None),
    ]
    one = first.pozycja[0]
    assert (one.identyfikatorUpp, one.identyfikatorKomunikatu) == (done.receipt.id, done.submission.message_id)
    assert (one.skrot, one.adresSkrytki, one.formularz) == (done.submission.digest, "/town/first", "pismo-ogolne/1410")
    assert (one.dataWplywu, one.dataUsuniecia) == (NOON, None)
    assert first.pozycja[2].identyfikatorKomunikatu is None
    assert (first.odmowa, second.pozycja, second.kursor) == ([], [], None)
    (no,) = second.odmowa
    assert (no.data, no.identyfikatorKomunikatu, no.kod, no.miejsce) == (NOON, "<m&m>", "parse.dtd", "line 3")


def test_a_list_is_read_page_by_page_and_begins_at_its_moment(ask: Any, store: MemoryStore) -> None:
    kept(store, sender=PORTAL, accepted_at=NOON - timedelta(hours=1))
    letters = [kept(store, sender=PORTAL) for _ in range(5)]
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = ask("podajWykaz", odChwili=NOON, kursor=cursor, najwyzej=2)
        seen += [one.identyfikatorDokumentu for one in page.pozycja]
        cursor, pages = page.kursor, pages + 1
    assert seen == [letter.submission.id for letter in letters]
    assert pages >= 3


def test_digests_are_looked_up_each_known_refused_or_unknown(ask: Any, store: MemoryStore) -> None:
    letter = kept(store, sender=PORTAL, digest="ab" * 32)
    store.refuse(a_refusal(sender=PORTAL, digest="cd" * 32))
    kept(store, sender=NOTARY, digest="ef" * 32)
    known, refused, unknown = ask("sprawdzSkroty", skrot=["AB" * 32, "cd" * 32, "ef" * 32])
    assert [one.identyfikatorUpp for one in known.pozycja] == [letter.receipt.id]
    assert (known.odmowa, refused.pozycja, refused.odmowa.kod) == (None, [], "parse.doctype")
    assert (unknown.skrot, unknown.pozycja, unknown.odmowa) == ("ef" * 32, [], None)


def test_a_receipt_is_given_again_byte_for_byte_and_to_nobody_else(ask: Any, store: MemoryStore) -> None:
    letter = kept(store, sender=PORTAL)
    again = ask("dajUpp", identyfikatorUpp=letter.receipt.id)
    assert again.zawartosc == letter.receipt.xml
    assert (again.identyfikatorDokumentu, again.nazwaPliku) == (letter.submission.id, f"UPP-{letter.receipt.id}.xml")
    for who, wanted in ((NOTARY, letter.receipt.id), (PORTAL, "r-nobody")):
        with pytest.raises(Fault) as fault:
            ask("dajUpp", who, identyfikatorUpp=wanted)
        assert code(fault.value) == "reconcile.receipt"


MEANINGLESS = [
    ("podajWykaz", {"odChwili": "2026-01-01"}, "reconcile.since"),
    ("podajWykaz", {"odChwili": "2026-01-01T12:00:00"}, "reconcile.since"),
    ("podajWykaz", {"odChwili": "2026-13-01T12:00:00Z"}, "reconcile.since"),
    ("podajWykaz", {"odChwili": NOON, "kursor": "r:x"}, "reconcile.cursor"),
    ("podajWykaz", {"odChwili": NOON, "najwyzej": 0}, "soap.value"),
    ("podajWykaz", {"odChwili": NOON, "najwyzej": 501}, "soap.value"),
    ("sprawdzSkroty", {"skrot": ["ab"]}, "reconcile.digest"),
    ("dajUpp", {"identyfikatorUpp": "x", "who": "a\u0085b"}, "soap.value"),
    ("dajUpp", {"identyfikatorUpp": "x", "who": " "}, "soap.value"),
]


def test_a_question_that_means_nothing_is_refused_by_its_code(ask: Any) -> None:
    for operation, said, expected in MEANINGLESS:
        with pytest.raises(Fault) as fault:
            ask(operation, **said)
        assert code(fault.value) == expected


def test_what_is_not_in_the_description_is_refused(desk: Desk) -> None:
    header = f'<o:IdentyfikatorPodmiotu xmlns:o="{OB}">portal</o:IdentyfikatorPodmiotu>'
    receipt = f'<u:ZapytanieOUpp xmlns:u="{U}"><identyfikatorUpp>x</identyfikatorUpp>%s</u:ZapytanieOUpp>'
    digest = f"<skrot>{'ab' * 32}</skrot>"
    cases = {
        "soap.missing-header": ("", receipt % ""),
        "soap.duplicate-header": (header * 2, receipt % ""),
        "soap.object": (header, receipt % "<identyfikatorUpp>y</identyfikatorUpp>"),
        "soap.unknown-operation": (header, f'<u:Inne xmlns:u="{U}"/>'),
        "reconcile.many": (header, f'<u:ZapytanieOSkroty xmlns:u="{U}">{digest * 501}</u:ZapytanieOSkroty>'),
    }
    with opened(desk) as url:
        for expected, (headers, body) in cases.items():
            answer = requests.post(url, data=envelope(headers, body), headers={"Content-Type": "text/xml"}, timeout=30)
            assert f"<kod>{expected}</kod>" in answer.text
        unknown = envelope(header, receipt % "<inne/>")
        answer = requests.post(url, data=unknown, headers={"Content-Type": "text/xml"}, timeout=30)
        assert "<miejsce>ZapytanieOUpp/*</miejsce>" in answer.text


def envelope(headers: str, body: str) -> bytes:
    return (
        f'<soap:Envelope xmlns:soap="{SOAP11.namespace}"><soap:Header>{headers}</soap:Header>'
        f"<soap:Body>{body}</soap:Body></soap:Envelope>"
    ).encode()


def test_the_newest_sealed_head_of_the_journal_comes_with_a_page(ask: Any, store: MemoryStore) -> None:
    assert ask("podajWykaz", odChwili=NOON).czoloDziennika is None
    kept(store, sender=PORTAL)
    batch = store.journal.chain(100)
    assert isinstance(batch, Batch)
    assert ask("podajWykaz", odChwili=NOON).czoloDziennika is None
    store.journal.keep_sealed(batch.number, b"<sealed/>\n")
    head = ask("podajWykaz", odChwili=NOON).czoloDziennika
    assert (head.numer, head.skrot, head.opieczetowane) == (1, batch.head.hex(), b"<sealed/>\n")


def test_who_asks_too_fast_or_while_the_store_is_away_is_told_to_come_back(
    ask: Any, desk: Desk, store: MemoryStore
) -> None:
    def hurried(_partner: Partner) -> None:
        raise NotYet("too fast", retry_after=timedelta(seconds=7))

    desk.partners = lambda: Partners([Partner(id=PORTAL)])
    desk.pace = hurried
    with pytest.raises(Fault) as fault:
        ask("podajWykaz", odChwili=NOON)
    assert fault.value.code.endswith(("Server", "Receiver"))
    ask("podajWykaz", NOTARY, odChwili=NOON)
    store.close()
    with pytest.raises(Fault) as fault:
        ask("podajWykaz", NOTARY, odChwili=NOON)
    assert fault.value.code.endswith(("Server", "Receiver"))


# ── where who asks must be proven ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Guarded:
    """A channel that asks for WS-Security, and those who may sign."""

    url: str
    people: dict[str, Credential]
    now: datetime

    def message(self, wanted: str, *, who: str = PORTAL, by: str = "", signs: bool = True) -> bytes:
        """A question for a receipt as `who`, signed by somebody."""
        header = f'<o:IdentyfikatorPodmiotu xmlns:o="{OB}">{who}</o:IdentyfikatorPodmiotu>'
        body = f'<u:ZapytanieOUpp xmlns:u="{U}"><identyfikatorUpp>{wanted}</identyfikatorUpp></u:ZapytanieOUpp>'
        plain = envelope(header, body)
        return signed(plain, self.people[by or who], self.now) if signs else plain

    def post(self, message: bytes) -> str:
        return requests.post(self.url, data=message, headers={"Content-Type": "text/xml"}, timeout=30).text


@pytest.fixture
def guarded(tmp_path: Path, store: MemoryStore) -> Iterator[Guarded]:
    cast = Cast(tmp_path)
    people = {name: cast.client(name) for name in (PORTAL, NOTARY)}
    partners = Partners([a_partner(name, one) for name, one in people.items()])
    desk = Desk(lambda: partners)
    desk.custody = store
    with opened(desk, proof=["ws-security"], partners=lambda: partners, clock=lambda: cast.now) as url:
        yield Guarded(url, people, cast.now)


def test_where_proof_is_asked_for_a_partner_sees_its_own_and_nobody_anothers(
    guarded: Guarded, store: MemoryStore
) -> None:
    letter = kept(store, sender=PORTAL, proof=Proof.WS_SECURITY)
    wanted = letter.receipt.id
    said = {
        "its own": guarded.message(wanted),
        "another's receipt": guarded.message(wanted, who=NOTARY),
        "as another": guarded.message(wanted, by=NOTARY),
        "unsigned": guarded.message(wanted, signs=False),
        "for another, after signing": guarded.message("x").replace(b">x<", b">" + wanted.encode() + b"<"),
        "as another, after signing": guarded.message(wanted, by=NOTARY, who=NOTARY).replace(b">notary<", b">portal<"),
    }
    answers = {what: guarded.post(message) for what, message in said.items()}
    assert f"<identyfikatorDokumentu>{letter.submission.id}<" in answers.pop("its own")
    codes = {what: re.findall(r"<kod>([a-z-]+[.][a-z-]+)</kod>", answer) for what, answer in answers.items()}
    assert codes == {
        "another's receipt": ["reconcile.receipt"],
        "as another": ["partner.another"],
        "unsigned": ["partner.unproven"],
        "for another, after signing": ["wss.digest-mismatch"],
        "as another, after signing": ["wss.digest-mismatch"],
    }


def test_a_question_that_somebody_repeats_is_not_answered_again(guarded: Guarded, store: MemoryStore) -> None:
    letter = kept(store, sender=PORTAL)
    message = guarded.message(letter.receipt.id)
    assert letter.submission.id in guarded.post(message)
    again = guarded.post(message)
    assert "<kod>intake.replayed</kod>" in again
    assert letter.submission.id not in again
