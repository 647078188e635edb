"""Reconciliation over SOAP: a sender asks what became of its own documents, and gets its receipts again.

| operation | Body | answer |
|---|---|---|
| podajWykaz | u:ZapytanieOWykaz: since when, and where the page before ended | u:Wykaz: a page of what was accepted and refused |
| sprawdzSkroty | u:ZapytanieOSkroty: up to 500 digests | u:Skroty: what is known of each |
| dajUpp | u:ZapytanieOUpp: a receipt's id | u:Upp: the receipt, byte for byte |

The one header is ob:IdentyfikatorPodmiotu: who asks, proven as for a document.  Nobody is told of another's.
"""  # noqa: E501 - a row of a table is not wrapped

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final

from adapters.channels.soap.endpoint import Call, Operation, Service, Work
from adapters.channels.soap.sender import SENDER
from adapters.wire import ob
from adapters.wire.base64_text import encode
from adapters.wire.kind import Surroundings
from adapters.wire.soap import WHITE, Message, elements, name_of, text_of
from broker.errors import Malformed
from broker.journal import Batch
from broker.model import Refusal
from broker.reconcile import MOST, Asker, Inquiries, Sent, Standing

NS: Final = "urn:goniec:uzgodnienie"

STANDINGS: Final[Mapping[Standing, str]] = {
    Standing.WAITING: "w-drodze",
    Standing.STOPPED: "wstrzymany",
    Standing.DELIVERED: "doreczony",
    Standing.TRIAL: "probny",
}

_PRINTABLE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,100}")
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]{1,9})?(?:Z|[+-][0-9:]{5})"
)


def claims(message: Message) -> str:
    """Return who the message says it is from; raise Malformed."""
    found = [block for block in message.headers if block.tag == SENDER]
    if len(found) != 1:
        code = "soap.duplicate-header" if found else "soap.missing-header"
        raise Malformed(code, place="/Envelope/Header", facts={"name": "IdentyfikatorPodmiotu"})
    said = text_of(found[0]).strip(WHITE)
    if not _PRINTABLE.fullmatch(said):
        raise _value("/Envelope/Header/IdentyfikatorPodmiotu")
    return said


def service(around: Surroundings) -> Service:
    """Return the service; what is asked is asked of `around.inquiries`."""
    asked = {"ZapytanieOWykaz": ("podajWykaz", _list), "ZapytanieOSkroty": ("sprawdzSkroty", _look_up)}
    asked["ZapytanieOUpp"] = ("dajUpp", _receipt)
    return Service(
        name="uzgodnienie",
        wsdl="soap/uzgodnienie.wsdl",
        schemas={"obiekty": "soap/obiekty.xsd", "uzgodnienie": "soap/uzgodnienie.xsd"},
        operations={
            f"{{{NS}}}{element}": Operation(
                action=f"{NS}:{name}",
                headers=frozenset({SENDER}),
                claims=claims,
                read=partial(read, around.inquiries),
            )
            for element, (name, read) in asked.items()
        },
        documents=False,
    )


# ── what is asked ────────────────────────────────────────────────────────────────────────────────────────


def _asker(call: Call) -> Asker:
    return Asker(sender=call.sender.id, proof=call.sender.proof, once=call.sender.once)


def _fields(call: Call, *allowed: str) -> list[tuple[str, str]]:
    """Return the children of what stands in the Body, in order; raise Malformed at one unknown."""
    body = call.message.body
    if body is None:
        raise Malformed("soap.unknown-operation", place="/Envelope/Body")
    found: list[tuple[str, str]] = []
    for child in elements(body):
        if child.tag not in allowed:
            raise Malformed("soap.object", place=f"{name_of(body)}/*")
        found.append((name_of(child), text_of(child).strip(WHITE)))
    return found


def _single(call: Call, *allowed: str) -> Mapping[str, str]:
    """Return them by name, none of them twice."""
    found = _fields(call, *allowed)
    values = dict(found)
    if len(values) != len(found):
        raise Malformed("soap.object", place="/Envelope/Body")
    return values


def _list(inquiries: Inquiries, call: Call) -> Work:
    said = _single(call, "odChwili", "kursor", "najwyzej")
    since, most, asker = _moment(said.get("odChwili", "")), _number(said.get("najwyzej", str(MOST))), _asker(call)
    cursor = said.get("kursor", "")

    def answer() -> bytes:
        page = inquiries.page(asker, since, cursor, most)
        parts = [_wrapped("pozycja", _entry(one)) for one in page.sent]
        parts += [_wrapped("odmowa", _refusal(one)) for one in page.refused]
        if page.cursor:
            parts.append(ob.child("kursor", page.cursor))
        if page.head is not None:
            parts.append(_wrapped("czoloDziennika", _head(page.head)))
        return _element("Wykaz", parts)

    return answer


def _look_up(inquiries: Inquiries, call: Call) -> Work:
    digests, asker = [said.lower() for _, said in _fields(call, "skrot")], _asker(call)

    def answer() -> bytes:
        return _element(
            "Skroty",
            [
                _wrapped(
                    "wynik",
                    b"".join(
                        (
                            ob.child("skrot", found.digest),
                            *(_wrapped("pozycja", _entry(one)) for one in found.sent),
                            _wrapped("odmowa", _refusal(found.refused)) if found.refused else b"",
                        )
                    ),
                )
                for found in inquiries.look_up(asker, digests)
            ],
        )

    return answer


def _receipt(inquiries: Inquiries, call: Call) -> Work:
    wanted, asker = _single(call, "identyfikatorUpp").get("identyfikatorUpp", ""), _asker(call)

    def answer() -> bytes:
        receipt = inquiries.receipt(asker, wanted)
        return _element(
            "Upp",
            [
                ob.child("identyfikatorDokumentu", receipt.submission),
                ob.child("identyfikatorUpp", receipt.id),
                ob.child("nazwaPliku", f"{receipt.kind}-{receipt.id}.xml"),
                ob.child("typPliku", "text/xml"),
                _wrapped("zawartosc", encode(receipt.xml)),
            ],
        )

    return answer


def _moment(said: str) -> datetime:
    """Read an xs:dateTime with its zone."""
    try:
        if _MOMENT.fullmatch(said):
            return datetime.fromisoformat(said).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Malformed("reconcile.since", place="/Envelope/Body/ZapytanieOWykaz/odChwili")


def _number(said: str) -> int:
    if said.isascii() and said.isdigit() and len(said) <= len(str(MOST)) and 1 <= int(said) <= MOST:
        return int(said)
    raise _value("/Envelope/Body/ZapytanieOWykaz/najwyzej")


def _value(place: str) -> Malformed:
    return Malformed("soap.value", place=place, facts={"name": place.rpartition("/")[2]})


# ── what is answered ─────────────────────────────────────────────────────────────────────────────────────


def _element(name: str, parts: list[bytes]) -> bytes:
    tag = name.encode()
    return b'<u:%s xmlns:u="%s">%s</u:%s>' % (tag, NS.encode(), b"".join(parts), tag)


def _wrapped(name: str, content: bytes) -> bytes:
    tag = name.encode()
    return b"<%s>%s</%s>" % (tag, content, tag)


def _at(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _told(pairs: list[tuple[str, str]], optional: frozenset[str]) -> bytes:
    return b"".join(ob.child(name, value) for name, value in pairs if value or name not in optional)


_OPTIONAL = frozenset({"identyfikatorKomunikatu", "znakUrzedu", "dataUsuniecia", "miejsce"})


def _entry(it: Sent) -> bytes:
    """Return the children of a `PozycjaTyp`."""
    return _told(
        [
            ("identyfikatorDokumentu", it.submission),
            ("identyfikatorUpp", it.receipt),
            ("identyfikatorKomunikatu", it.message_id),
            ("skrot", it.digest),
            ("adresSkrytki", it.box),
            ("formularz", str(it.form)),
            ("dataWplywu", _at(it.received_at)),
            ("stan", STANDINGS[it.standing]),
            ("znakUrzedu", it.reference),
            ("dataUsuniecia", _at(it.removed_at) if it.removed_at else ""),
        ],
        _OPTIONAL,
    )


def _refusal(it: Refusal) -> bytes:
    """Return the children of an `OdmowaTyp`."""
    return _told(
        [
            ("data", _at(it.at)),
            ("identyfikatorKomunikatu", it.message_id),
            ("skrot", it.digest),
            ("kod", it.code),
            ("miejsce", it.place),
        ],
        _OPTIONAL,
    )


def _head(it: Batch) -> bytes:
    """Return the children of a `CzoloTyp`."""
    sealed = _wrapped("opieczetowane", encode(it.sealed or b""))
    return ob.child("numer", str(it.number)) + ob.child("skrot", it.head.hex()) + sealed
