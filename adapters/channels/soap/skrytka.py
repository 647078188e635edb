"""The box: `nadaj` takes a document as bytes, `nadajAny` as XML inside the envelope (DOMAIN §4).

What the headers say:

| header | becomes |
|---|---|
| ob:IdentyfikatorPodmiotu | the sender; required |
| ob:AdresSkrytki | the box; required, but may be empty: then the form's addressee is looked up |
| ob:AdresOdpowiedzi | the box for the answer; may be missing or empty |
| ob:CzyProbne | whether it is a trial; missing means no |
| ob:NazwaPliku | the file's name (`nadajAny`; for `nadaj` it stands in the document) |
| ob:DaneDodatkowe | Base64 of XML, or the XML itself; of several elements of one name the last counts: IdentyfikatorDokumentu: what this answers · IdentyfikatorSprawy: the office's case · IdentyfikatorKomunikatu: the sender's message id · AdresDoreczen: an e-delivery address · KodTeryt: a territory |
| wsa:MessageID | the sender's message id, if DaneDodatkowe has none |
"""  # noqa: E501 - a row of a table is not wrapped

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NoReturn

from lxml import etree

from adapters.channels.soap.endpoint import Call, Operation, Service, Work
from adapters.wire import ob
from adapters.wire.mtom import XOP_INCLUDE, write
from adapters.wire.soap import WHITE, WSA, Message, elements, text_of
from broker.errors import Malformed
from broker.model import Address, Answer, Envelope, Receipt
from broker.ports import Accept
from broker.texts import TEXTS

NS = "http://ws.epuap.gov.pl/skrytka/"

_BOX = re.compile(r"/[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_HEADERS = ("IdentyfikatorPodmiotu", "AdresSkrytki", "AdresOdpowiedzi", "CzyProbne", "DaneDodatkowe", "NazwaPliku")
_REQUIRED = ("IdentyfikatorPodmiotu", "AdresSkrytki")
_LONGEST = 100  # of an identifier
_LONGEST_NAME = 255  # of a file, or of a message id

Content = Callable[[Call], tuple[str, bytes]]
"""Takes the file's name (may be empty) and the document's bytes out of a message."""


def by_bytes(call: Call) -> tuple[str, bytes]:
    """`nadaj`: the document is the bytes in `zawartosc`, untouched."""
    file = ob.read_file(_body(call), call.parts)
    return file.name, file.content


def by_element(call: Call) -> tuple[str, bytes]:
    """`nadajAny`: the document is the one element in ext:Dokument, written anew.

    As UTF-8 without an XML declaration, with the namespace declarations that stand on it and in it, and those
    from around it that its names use: nothing of the envelope comes along.
    """
    holder = _body(call)
    inside = elements(holder)
    if len(inside) != 1 or (holder.text or "").strip(WHITE) or any((child.tail or "").strip(WHITE) for child in holder):
        raise Malformed("soap.object", place="Dokument")
    return "", write(inside[0], call.parts)


def _submission(content: Content) -> Callable[[Call], Work]:
    """Return the reader of a message whose document `content` takes out."""

    def read(call: Call) -> Work:
        headers = _headers(call.message)
        extras = _extras(call, headers)
        message_id = extras.get("IdentyfikatorKomunikatu", "") or _addressing_id(call)
        name, payload = content(call)
        # One that is too large goes to intake as well: it is refused there by its length, and that is recorded.
        envelope = Envelope(
            channel=call.channel,
            sender=call.sender.id,
            proof=call.sender.proof,
            received_at=call.received_at,
            payload=payload,
            to=Address(
                box=_box(headers, "AdresSkrytki"),
                ade=_fit("AdresDoreczen", extras.get("AdresDoreczen", "")),
                teryt=_fit("KodTeryt", extras.get("KodTeryt", "")),
            ),
            message_id=_fit("IdentyfikatorKomunikatu", message_id, _LONGEST_NAME),
            reply_to=_box(headers, "AdresOdpowiedzi"),
            file_name=_fit("NazwaPliku", name or _text(headers, "NazwaPliku"), _LONGEST_NAME),
            trial=_trial(headers),
            case=_fit("IdentyfikatorSprawy", extras.get("IdentyfikatorSprawy", "")),
            in_reply_to=_fit("IdentyfikatorDokumentu", extras.get("IdentyfikatorDokumentu", "")),
            once=call.sender.once,
        )
        return _work(call.accept, envelope)

    return read


def _work(accept: Accept, envelope: Envelope) -> Work:
    return lambda: answer(accept(envelope), trial=envelope.trial)


def answer(receipt: Receipt, *, trial: bool) -> bytes:
    """Return the `ob:OdpowiedzSkrytki`: the receipt is attached unless the box answers with a status only."""
    attached = ob.File(name=f"{receipt.kind}-{receipt.id}.xml", media_type="text/xml", content=receipt.xml)
    return ob.write_box_answer(
        ob.Answer(
            code=ob.SUCCESS,
            message=TEXTS["soap.accepted-trial" if trial else "soap.accepted"].pl,
            document=receipt.submission,
            receipt=receipt.id,
            attachment=attached if receipt.answer is Answer.UPP else None,
        )
    )


# ── headers ──────────────────────────────────────────────────────────────────────────────────────────────


def _body(call: Call) -> etree._Element:
    if call.message.body is None:
        raise Malformed("soap.unknown-operation", place="/Envelope/Body")
    return call.message.body


def claims(message: Message) -> str:
    """Return who the message says it is from; raise Malformed."""
    return _identifier(_headers(message), "IdentyfikatorPodmiotu")


def _headers(message: Message) -> Mapping[str, etree._Element]:
    """Return the header blocks of this dialect by name; raise Malformed if one is missing or there twice."""
    found: dict[str, etree._Element] = {}
    for block in message.headers:
        name = etree.QName(block)
        if name.namespace != ob.NS or name.localname not in _HEADERS:
            continue
        if name.localname in found:
            raise Malformed("soap.duplicate-header", place="/Envelope/Header", facts={"name": name.localname})
        found[name.localname] = block
    for required in _REQUIRED:
        if required not in found:
            raise Malformed("soap.missing-header", place="/Envelope/Header", facts={"name": required})
    return found


def _extras(call: Call, headers: Mapping[str, etree._Element]) -> Mapping[str, str]:
    """Return what DaneDodatkowe says, whether as Base64 (the interface) or as XML (some clients)."""
    block = headers.get("DaneDodatkowe")
    if block is None:
        return {}
    inside = elements(block)
    if inside and inside[0].tag != XOP_INCLUDE:
        return ob.texts(block)
    return ob.read_extras(ob.binary(block, call.parts))


def _addressing_id(call: Call) -> str:
    found = [block for block in call.message.headers if block.tag == f"{{{WSA}}}MessageID"]
    if len(found) > 1:
        raise Malformed("soap.duplicate-header", place="/Envelope/Header", facts={"name": "MessageID"})
    return text_of(found[0]).strip(WHITE) if found else ""


def _text(headers: Mapping[str, etree._Element], name: str) -> str:
    return text_of(headers[name]).strip(WHITE) if name in headers else ""


def _identifier(headers: Mapping[str, etree._Element], name: str) -> str:
    return _fit(name, _text(headers, name)) or _refuse(name)


def _box(headers: Mapping[str, etree._Element], name: str) -> str:
    value = _text(headers, name)
    return value if not value or _BOX.fullmatch(value) else _refuse(name)


def _trial(headers: Mapping[str, etree._Element]) -> bool:
    if "CzyProbne" not in headers:
        return False
    value = _BOOLEANS.get(_text(headers, "CzyProbne"))
    return _refuse("CzyProbne") if value is None else value


def _fit(name: str, value: str, longest: int = _LONGEST) -> str:
    return value if len(value) <= longest and _PRINTABLE.fullmatch(value) else _refuse(name)


def _refuse(name: str) -> NoReturn:
    raise Malformed("soap.value", place=f"/Envelope/Header/{name}", facts={"name": name})


def _operation(name: str, content: Content) -> Operation:
    return Operation(
        action=NS + name,
        headers=frozenset(f"{{{ob.NS}}}{header}" for header in _HEADERS),
        claims=claims,
        read=_submission(content),
    )


SERVICE = Service(
    name="skrytka",
    wsdl="soap/skrytka.wsdl",
    schemas={"obiekty": "soap/obiekty.xsd", "obiekty-ext": "soap/obiekty-ext.xsd"},
    operations={ob.DOCUMENT: _operation("nadaj", by_bytes), ob.ANY_DOCUMENT: _operation("nadajAny", by_element)},
)
