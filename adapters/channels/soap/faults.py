"""How a no is said in SOAP: the broker's errors as faults, HTTP statuses, and text in two languages.

A Rejection is the sender's fault (Client, Sender), everything else ours (Server, Receiver).  The fault's detail
holds the `ob:Wyjatek` that clients of this dialect know, `kod` being the number of the text that never changes;
beside it stands our own element with the same for machines, and the sealed negative receipt if there is one.
HTTP: SOAP 1.1 says 500 for every fault; SOAP 1.2 says 400 when the sender is at fault.  Where HTTP has a word of
its own for what is wrong (413, 415, 503 …) it is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from adapters.wire import ob, soap
from adapters.wire.soap import Blame, Fault, Version
from broker.errors import Rejection, Unavailable
from broker.lines import line
from broker.texts import TEXTS, explain, hint

NS = "urn:goniec:odmowa"
MOST_FLAWS = 20
RETRY_AFTER = timedelta(seconds=30)  # when nobody asked for another wait

_BLAME = {"soap.version": Blame.VERSION, "soap.must-understand": Blame.MUST_UNDERSTAND}
_STATUS = {
    "soap.http": 400,
    "soap.not-found": 404,
    "soap.method": 405,
    "soap.too-slow": 408,
    "soap.too-large": 413,
    "soap.part-too-large": 413,
    "soap.too-many-parts": 413,
    "soap.header-too-large": 413,
    "soap.fields": 431,
    "soap.content-type": 415,
    "soap.content-encoding": 415,
    "soap.charset": 415,
}
_HEADERS: dict[str, dict[str, str]] = {"soap.method": {"Allow": "GET, POST"}}
_WORDS = {"pl": ("Miejsce", "wiersz", "oraz {} innych"), "en": ("Place", "line", "and {} more")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What goes back over HTTP."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def refusal(no: Rejection, version: Version) -> Response:
    """Return the fault for a message that cannot be accepted, now or ever."""
    blame = _BLAME.get(no.code, Blame.SENDER)
    status = _STATUS.get(no.code, 400 if version is soap.SOAP12 and blame is Blame.SENDER else 500)
    pl, en = _say(no, "pl"), _say(no, "en")
    detail = ob.write_exception(TEXTS[no.code].number, f"{pl}\n\n{en}") + _own(no)
    return _response(status, version, Fault(blame=blame, pl=pl, en=en, detail=detail), _HEADERS.get(no.code, {}))


def later(away: Unavailable, version: Version) -> Response:
    """Return the fault that asks the sender to send the same again, and when."""
    wait = away.retry_after if away.retry_after is not None else RETRY_AFTER
    return _ours("broker.unavailable", 503, version, {"Retry-After": str(max(1, math.ceil(wait.total_seconds())))})


def internal(version: Version) -> Response:
    """Return the fault for a bug of ours."""
    return _ours("broker.internal", 500, version, {})


def _ours(code: str, status: int, version: Version, headers: Mapping[str, str]) -> Response:
    text = TEXTS[code]
    pl, en = f"{text.pl} {text.hint_pl}", f"{text.en} {text.hint_en}"
    detail = ob.write_exception(text.number, f"{pl}\n\n{en}")
    return _response(status, version, Fault(blame=Blame.RECEIVER, pl=pl, en=en, detail=detail), headers)


def _response(status: int, version: Version, fault: Fault, headers: Mapping[str, str]) -> Response:
    return Response(
        status=status,
        content_type=soap.content_type(version),
        body=soap.write_fault(version, fault),
        headers=headers,
    )


def _say(no: Rejection, language: str) -> str:
    """Return all that the sender can use: what happened, where, which flaws, and what to do."""
    place, word, more = _WORDS[language]
    said = [f"{explain(no, language)} {hint(no.code, language)}".strip()]
    if no.place:
        said.append(f"{place}: {no.place}")
    said += [f"- {flaw.path} ({word} {line(flaw.line)}): {flaw.message}" for flaw in no.flaws[:MOST_FLAWS]]
    if len(no.flaws) > MOST_FLAWS:
        said.append(more.format(len(no.flaws) - MOST_FLAWS))
    return "\n".join(said)


def _own(no: Rejection) -> bytes:
    """Return our own detail: the code as a word, the place, each flaw apart, the negative receipt."""
    flaws = b"".join(
        b'<usterka sciezka="%s" wiersz="%d">%s</usterka>'
        % (soap.escape(flaw.path), flaw.line, soap.escape(flaw.message))
        for flaw in no.flaws[:MOST_FLAWS]
    )
    receipt = b""
    if no.negative_receipt is not None:
        file = ob.File(name="NPP.xml", media_type="text/xml", content=no.negative_receipt)
        receipt = b"<zalacznik>" + ob.write_file(file) + b"</zalacznik>"
    return b'<g:Odmowa xmlns:g="%s">%s%s%s%s</g:Odmowa>' % (
        NS.encode(),
        ob.child("kod", no.code),
        ob.child("miejsce", no.place) if no.place else b"",
        flaws,
        receipt,
    )
