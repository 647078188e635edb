"""What a mock document system reads out of a SOAP request, and the envelopes it answers with."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.testkit.dms_conduct import Conduct, Manner
from adapters.testkit.dms_records import Handover
from adapters.wire import extras, ob, soap
from adapters.wire.media import media_type
from adapters.wire.mtom import Parts, unpack
from adapters.wire.soap import SOAP11, Blame, Fault, Version
from broker.errors import Malformed
from broker.parse import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer to be sent."""

    status: int
    kind: str = "text/plain"
    body: bytes = b""


def read_handover(office: str, body: bytes, content_type: str, limits: Limits) -> tuple[Version, Handover]:
    """Read an `odbierzDokument`; raise Malformed or TooLarge."""
    kind = media_type(content_type)
    parts = Parts()
    if kind.name == "multipart/related":
        package = unpack(body, kind)
        body, parts = package.envelope, package.parts
    message = soap.read(body, limits)
    if message.body is None or message.body.tag != ob.DOCUMENT:
        raise Malformed("soap.unknown-operation", place="/Envelope/Body")
    file = ob.read_file(message.body, parts)
    headers = {soap.name_of(block): block for block in message.headers}
    if "DaneDodatkowe" not in headers:
        raise Malformed("soap.missing-header", facts={"name": "DaneDodatkowe"})
    more = extras.read_extras(ob.binary(headers["DaneDodatkowe"], parts), limits)
    parts.demand_none_left()
    envelope = {"nazwaPliku": file.name, "typPliku": file.media_type}
    for name, block in headers.items():
        if name == "DaneDodatkowe":
            continue
        for leaf, value in ob.texts(block).items():
            envelope[name if leaf == name else f"{name}/{leaf}"] = value
    return message.version, Handover(
        office=office,
        delivery=more.facts["delivery"],
        document=file.content,
        receipt=more.receipt,
        report=more.report,
        facts=more.facts,
        envelope=envelope,
    )


def taken(version: Version, number: str, attachment: bytes = b"") -> Reply:
    """Return the answer of an office that has the document, registered under `number`."""
    file = ob.File(name="potwierdzenie.xml", media_type="text/xml", content=attachment) if attachment else None
    return _status(version, ob.Answer(code=ob.SUCCESS, message=number, attachment=file))


def refused(version: Version, code: int, reason: str, *, blame: Blame = Blame.SENDER) -> Reply:
    """Return a fault."""
    fault = Fault(blame=blame, pl=reason, en=reason, detail=ob.write_exception(code, reason))
    return Reply(status=500, kind=soap.content_type(version), body=soap.write_fault(version, fault))


def bad(conduct: Conduct, version: Version = SOAP11) -> Reply | None:
    """Return what an office of this conduct says instead of a good answer, or None if it says the good one."""
    wrong = ob.write_box_answer(ob.Answer(code=ob.SUCCESS, message="OK", document="1"))
    answers = {
        Manner.STATUS: lambda: _status(version, ob.Answer(code=conduct.code, message="Nie teraz")),
        Manner.CLIENT_FAULT: lambda: refused(version, conduct.code, "Dokument nie do przyjęcia"),
        Manner.SERVER_FAULT: lambda: refused(version, conduct.code, "Błąd systemu", blame=Blame.RECEIVER),
        Manner.HTTP: lambda: Reply(status=conduct.code, body=b"no"),
        Manner.GARBAGE: lambda: Reply(status=200, kind="text/xml", body=b"\x00\xff<<<" * 50),
        Manner.WRONG: lambda: Reply(status=200, kind=soap.content_type(version), body=soap.write(version, wrong)),
    }
    return answers[conduct.manner]() if conduct.manner in answers else None


def _status(version: Version, answer: ob.Answer) -> Reply:
    body = soap.write(version, ob.write_receiver_answer(answer))
    return Reply(status=200, kind=soap.content_type(version), body=body)
