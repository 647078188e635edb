"""What the demo sends: forms of every kind under signatures of every kind, and ten that must be refused.

Each letter carries what must become of it, so that the audit has something to hold the broker to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.testkit.box import Submission
from adapters.testkit.certificates import Credential
from adapters.testkit.pki import JAN, ZOFIA, Pki
from adapters.testkit.signer import countersign, sign, sign_on_platform
from adapters.testkit.signing.recipe import BASELINE, ENVELOPING, QUALIFIED
from config.demo.forms import Kind, form
from config.demo.markup import Style
from config.demo.offices import DemoOffice

PORTAL = "portal"  # sends the residents' forms, and takes the offices' answers
PORTAL_BOX = "/demo-portal/odpowiedzi"
LARGEST = 1_000_000  # bytes: the cap that the demo's broker sets on a document

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A document on its way, and what must become of it."""

    name: str  # of its file, without the ending
    about: str  # for the table: the kind of form, or what is wrong
    signed: str  # for the table: how it is signed
    submission: Submission
    code: str = ""  # of the refusal that it must get; empty if it must be accepted


def signatures(pki: Pki, at: datetime) -> Sequence[tuple[str, Sign]]:
    """Return every kind of signature that is accepted, by its name for the table."""
    person, platform = pki.person, pki.platform
    return (
        ("qualified", lambda it: sign(it, person, at, QUALIFIED)),
        ("podpis zaufany", lambda it: sign_on_platform(it, platform, JAN, at)),
        ("local CA", lambda it: sign(it, pki.local_person, at)),
        ("podpis zaufany, old form", lambda it: sign_on_platform(it, platform, ZOFIA, at, old=True)),
        ("qualified, enveloping", lambda it: sign(it, person, at, ENVELOPING)),
        ("two qualified", lambda it: sign(sign(it, person, at, QUALIFIED), pki.other_person, at, QUALIFIED)),
        ("qualified, counter-signed", lambda it: countersign(sign(it, person, at), pki.other_person, at)),
        ("qualified, P-256", lambda it: sign(it, pki.elliptic_person, at)),
    )


def good(number: int, offices: Sequence[DemoOffice], pki: Pki, at: datetime) -> Iterator[Letter]:
    """Yield letters that must be accepted: every kind of form, to every office in turn."""
    ways, kinds = signatures(pki, at), tuple(Kind)
    for index in range(number):
        kind, office = kinds[index % len(kinds)], offices[index % len(offices)]
        text = form(kind, office, index, at=at, mark=index % 9 == 0)
        if kind.reply:
            signed, document = "office's seal", sign(text, pki.organisation, at)
        elif kind is Kind.QUESTION:
            signed, document = "none needed", text
        else:
            signed, way = ways[index % len(ways)]
            document = way(text)
        name = f"{index + 1:04}-{kind.replace('/', '-')}"
        yield Letter(
            name=name,
            about=str(kind),
            signed=signed,
            submission=Submission(
                document=document,
                sender=office.id if kind.reply else PORTAL,
                box=PORTAL_BOX if kind.reply else office.box,
                reply_to=office.box if kind.reply else PORTAL_BOX,
                file_name=f"{name}.xml",
            ),
        )


def trial(office: DemoOffice, pki: Pki, at: datetime) -> Letter:
    """Return a letter that is only a trial: a receipt, but no delivery."""
    document = sign(form(Kind.LETTER_4566, office, 9_000, at=at), pki.person, at, QUALIFIED)
    return Letter(
        name="trial",
        about="trial (CzyProbne)",
        signed="qualified",
        submission=Submission(
            document=document, sender=PORTAL, box=office.box, reply_to=PORTAL_BOX, trial="true", file_name="trial.xml"
        ),
    )


def bad(office: DemoOffice, pki: Pki, at: datetime) -> Iterator[Letter]:
    """Yield ten letters that must be refused, each for a reason of its own."""
    plain = form(Kind.LETTER_1410, office, 9_001, at=at, attachments=(), style=Style.PREFIXED)
    signed = sign(plain, pki.person, at, BASELINE)
    strange = b'<z:Zamowienie xmlns:z="urn:nobody-knows"><z:Tresc>1</z:Tresc></z:Zamowienie>'
    title = b"<wnio:Tytul>"
    cases: tuple[tuple[str, bytes, str], ...] = (
        ("broken XML", signed[:-20], "parse.malformed"),
        ("a DTD", _after_declaration(plain, b'<!DOCTYPE Dokument [<!ENTITY a "b">]>'), "parse.dtd"),
        (
            "wrong schema",
            _sign(plain.replace(title, b"<wnio:Tutyl>").replace(b"</wnio:Tytul>", b"</wnio:Tutyl>"), pki.person, at),
            "validate.invalid",
        ),
        ("unknown form", _sign(strange, pki.person, at), "validate.unknown-form"),
        ("changed after signing", signed.replace(title, title + b"NIE "), "verify.digest-mismatch"),
        ("untrusted signer", _sign(plain, pki.stranger, at), "verify.chain-untrusted"),
        ("wrapped signature", _wrapped(signed), "verify.signature-misplaced"),
        ("unknown office", signed, "route.unknown-box"),
        ("too large", signed.replace(b"</wnio:Dokument>", b" " * LARGEST + b"</wnio:Dokument>"), "parse.too-large"),
        ("no signature", plain, "admit.signature-missing"),
    )
    for index, (about, document, code) in enumerate(cases, start=1):
        box = "/nobody/SEKAP" if about == "unknown office" else office.box
        name = f"bad-{index:02}-{code.partition('.')[2]}"
        yield Letter(
            name=name,
            about=about,
            signed="",
            submission=Submission(
                document=document, sender=PORTAL, box=box, reply_to=PORTAL_BOX, file_name=f"{name}.xml"
            ),
            code=code,
        )


def _sign(document: bytes, by: Credential, at: datetime) -> bytes:
    return sign(document, by, at, QUALIFIED)


def _after_declaration(document: bytes, insertion: bytes) -> bytes:
    head, end, rest = document.partition(b"?>")
    return head + end + insertion + rest


def _wrapped(signed: bytes) -> bytes:
    """Put another text where readers look, and hide the signed one, signature and all, in an attachment's place.

    The signature's own Reference covers the whole document that it was made for; here that document is an inner
    element, and the outer one is the attacker's.
    """
    head, end, inner = signed.partition(b"?>")
    start = inner.index(b"<wnio:Dokument")
    form_, tail = inner[start:], b"</wnio:Dokument>"
    signature = form_.index(b"<ds:Signature")
    attacker = form_[:signature].replace(b"<wnio:Tytul>", b"<wnio:Tytul>Oddaj wszystko: ")
    return (
        head
        + end
        + inner[:start]
        + attacker
        + b'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:Object>'
        + form_
        + b"</ds:Object></ds:Signature>"
        + tail
    )
