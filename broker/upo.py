"""The text of the official receipts, UPP, UPD and NPP, and of negative evidence, before they are sealed (DOMAIN §2).

Everything here is writing: names and order of the published form, escaping, moments as UTC with Z.  Building is
on the hot path, so it joins strings; that the result obeys `schemas/receipts/upo.xsd` for any text is a property
under test.  Negative evidence is written in the same way under a name of its own, for it is no receipt.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from broker.deadlines import Evidence, Stage
from broker.errors import Rejection
from broker.model import Admitted, Envelope, Submission, Target
from broker.texts import TEXTS
from broker.xml_text import legal

NAMESPACE = "http://crd.gov.pl/xml/schematy/UPO/2008/05/09/"  # the trailing slash belongs to it
NEGATIVE_NAMESPACE = "urn:goniec:dowod-negatywny"

# Kinds of InformacjaUzupelniajaca (@TypInformacjiUzupelniajacej).
DIGEST = "SHA-256"  # Base64 of the SHA-256 of the bytes as received
FORM = "Formularz"
ENVIRONMENT = "Srodowisko"  # test or production
TRIAL = "Proba"  # true: nothing was delivered
VERDICT = "WerdyktPodpisu"  # ETSI EN 319 102-1, or UNSIGNED
UNSIGNED = "NIEPODPISANY"
LEVEL = "PoziomPodpisu"
REVOCATION = "SprawdzenieUniewaznien"  # the policy by name

_ESCAPES = str.maketrans(
    # White space as references too, so that neither the parser nor an attribute's normalisation changes it.
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
)
_GAP = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A Podmiot: who is addressed, who sent, who issued."""

    name: str
    id: str
    kind: str = "ePUAP-ID"  # @TypIdentyfikatora


def upp(admitted: Admitted, submission: Submission, *, id_: str, at: datetime, environment: str) -> bytes:
    """Return the proof of submission: owed at the moment of entry, whatever becomes of the delivery."""
    report = admitted.report
    information = (
        (DIGEST, _base64(submission.digest)),
        (FORM, str(submission.form)),
        (ENVIRONMENT, environment),
        (TRIAL, "true" if submission.trial else "false"),
        (VERDICT, report.indication if report.signatures else UNSIGNED),
        (LEVEL, report.level),
        (REVOCATION, report.revocation),
    )
    return _document(
        "UPP",
        _text("IdentyfikatorPoswiadczenia", id_),
        _party("Adresat", addressee(admitted.target)),
        _party("Nadawca", _sender(submission.sender)),
        _moment("DataDoreczenia", submission.received_at),
        _moment("DataWytworzeniaPoswiadczenia", at),
        _text("IdentyfikatorDokumentu", submission.id),
        _information(information),
    )


def upd(
    *,
    id_: str,
    addressee: Party,
    submission: str,
    digest: str,
    collected_at: datetime,
    at: datetime,
    issuer: Party | None = None,
    case: str = "",
    environment: str,
) -> bytes:
    """Return the proof of delivery for its addressee to sign; `digest` is hexadecimal, as everywhere."""
    return _document(
        "UPD",
        _text("IdentyfikatorPoswiadczenia", id_),
        _party("PodmiotWystawiajacyPoswiadczenie", issuer),
        _party("Adresat", addressee),
        _moment("DataOdbioru", collected_at),
        _moment("DataUtworzeniaPoswiadczenia", at),
        _text("IdentyfikatorSprawy", case) if case else "",
        _text("IdentyfikatorDokumentu", submission),
        _information(((DIGEST, _base64(digest)), (ENVIRONMENT, environment))),
    )


def npp(
    envelope: Envelope, no: Rejection, *, id_: str, at: datetime, environment: str, issuer: Party | None = None
) -> bytes:
    """Return the negative receipt.  It is kept with the refusal, so it quotes nothing of the document: no facts."""
    text = TEXTS.get(no.code)
    said = _GAP.sub("…", text.pl) if text else ""
    place = f' Miejsce="{_escape(no.place)}"' if no.place else ""
    information = (
        (DIGEST, _base64(envelope.digest)),
        (ENVIRONMENT, environment),
        (TRIAL, "true" if envelope.trial else "false"),
    )
    return _document(
        "NPP",
        _text("IdentyfikatorPoswiadczenia", id_),
        _party("PodmiotWystawiajacyPoswiadczenie", issuer),
        _party("Nadawca", _sender(envelope.sender)),
        _moment("DataOtrzymania", envelope.received_at),
        _moment("DataWytworzeniaPoswiadczenia", at),
        f'<pos:Przyczyna Kod="{_escape(no.code)}"{place}>{_escape(said)}</pos:Przyczyna>',
        _information(information),
    )


_NOT_IN_TIME = {
    Stage.RELAY: "W terminie nie rozpoczęto przekazywania dokumentu do systemu adresata.",
    Stage.DELIVERY: "System adresata nie potwierdził w terminie, że ma dokument.",
    Stage.RETRIEVAL: "Adresat nie odpowiedział w terminie na dokument.",
}


def negative_evidence(
    it: Evidence,
    submission: Submission,
    receipt: str,
    *,
    id_: str,
    at: datetime,
    environment: str,
    issuer: Party | None = None,
) -> bytes:
    """Return the evidence that something did not happen in time, for a sender that holds this receipt.

    The form is `schemas/receipts/dowod-negatywny.xsd`; it quotes nothing that an office said but a code.
    """
    reason = it.cause or f"deadline.{it.stage}"
    return _document(
        "DowodNegatywny",
        _text("IdentyfikatorPoswiadczenia", id_),
        _party("PodmiotWystawiajacyPoswiadczenie", issuer),
        _party("Adresat", Party(name=it.office, id=it.office, kind="Goniec")),
        _party("Nadawca", _sender(submission.sender)),
        _moment("DataDoreczenia", submission.received_at),
        _text("Etap", it.stage),
        _text("StanDoreczenia", it.state),
        _moment("Termin", it.deadline),
        _moment("DataStwierdzenia", it.at),
        _moment("DataWytworzeniaPoswiadczenia", at),
        f'<pos:Przyczyna Kod="{_escape(reason)}">{_NOT_IN_TIME[it.stage]}</pos:Przyczyna>',
        _text("IdentyfikatorDokumentu", submission.id),
        _text("IdentyfikatorUPP", receipt),
        _text("IdentyfikatorDoreczenia", it.delivery),
        _information(((DIGEST, _base64(submission.digest)), (ENVIRONMENT, environment))),
        namespace=NEGATIVE_NAMESPACE,
    )


def is_receipt(head: bytes) -> bool:
    """Whether a file that begins like this is a receipt, or evidence that something did not happen in time."""
    return any(f'="{one}"'.encode() in head for one in (NAMESPACE, NEGATIVE_NAMESPACE))


def moment(at: datetime) -> str:
    """Write a moment as every receipt does: UTC with Z, milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def addressee(target: Target) -> Party:
    """Name the addressee by the first part of its box, its ePUAP-ID, or by our own key if it has no box."""
    epuap = target.box.strip("/").partition("/")[0]
    if epuap:
        return Party(name=target.office_name, id=epuap)
    return Party(name=target.office_name, id=target.office, kind="Goniec")


def _sender(partner: str) -> Party | None:
    """Name the partner that sent, as the configuration does: no person is named here."""
    return Party(name=partner, id=partner, kind="Goniec") if partner else None


def _document(kind: str, *parts: str, namespace: str = NAMESPACE) -> bytes:
    body = "".join(parts)
    return f'<pos:Dokument xmlns:pos="{namespace}"><pos:{kind}>{body}</pos:{kind}></pos:Dokument>'.encode()


def _text(name: str, value: str) -> str:
    return f"<pos:{name}>{_escape(value)}</pos:{name}>"


def _moment(name: str, at: datetime) -> str:
    return f"<pos:{name}>{moment(at)}</pos:{name}>"


def _party(name: str, party: Party | None) -> str:
    if party is None:
        return ""
    return (
        f"<pos:{name}><pos:Nazwa>{_escape(party.name)}</pos:Nazwa>"
        f'<pos:IdentyfikatorPodmiotu TypIdentyfikatora="{_escape(party.kind)}">{_escape(party.id)}'
        f"</pos:IdentyfikatorPodmiotu></pos:{name}>"
    )


def _information(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(
        f'<pos:InformacjaUzupelniajaca TypInformacjiUzupelniajacej="{kind}">{_escape(value)}'
        "</pos:InformacjaUzupelniajaca>"
        for kind, value in pairs
    )


def _escape(text: str) -> str:
    """Escape for element and attribute alike; what XML cannot hold becomes U+FFFD."""
    return legal(text).translate(_ESCAPES)


def _base64(hexadecimal: str) -> str:
    return b64encode(bytes.fromhex(hexadecimal)).decode()
