"""What an office's answer means: it has the document, it will never take it, or try later.

Only `status/kod` 1 in a successful HTTP answer is a yes.  The office's own words are a reference when it said yes;
when it said no they stay out of the reason, because they may quote the document and reasons are logged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, NoReturn

from lxml import etree

from adapters.wire import ob, soap
from adapters.wire.http import Answer
from adapters.wire.media import media_type
from adapters.wire.mtom import Parts, unpack
from broker.errors import Refused, Rejection, Unavailable
from broker.parse import Limits
from broker.ports import Clock

LONGEST_REFERENCE: Final = 200  # characters
_LONGEST_WAIT: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How one office's answers are to be read."""

    final_codes: frozenset[int]  # kod of a status or of an ob:Wyjatek that no repeat will change
    final_faults: frozenset[str]  # fault codes (local names) that no repeat will change
    objects_namespace: str
    limits: Limits
    clock: Clock

    def reference(self, answer: Answer) -> str:
        """Return the office's reference: `status/komunikat`, or the attachment's name; raise Refused or Unavailable.

        Unavailable names the wait that the office asked for by Retry-After.
        """
        wait = retry_after(answer.headers.get("retry-after", ""), self.clock)
        try:
            message, parts = self._message(answer)
            fault = soap.read_fault(message)
            if fault is not None:
                self._fault(fault, wait)
            body = message.body
            if body is None or body.tag != f"{{{ob.NS}}}OdpowiedzOdbiorcy":
                reason = f"HTTP {answer.status}, and the answer is no OdpowiedzOdbiorcy"
                raise Unavailable(reason, retry_after=wait, condition=_unread(answer))
            said = ob.read_answer(body, parts)
        except Rejection as unreadable:
            raise Unavailable(
                f"HTTP {answer.status}, and the answer cannot be read: {unreadable.code}",
                retry_after=wait,
                condition=_unread(answer),
            ) from unreadable
        if said.code in self.final_codes:
            raise Refused(f"the office answered status {said.code}", condition=f"office.status-{said.code}")
        if not said.success or answer.status >= HTTPStatus.BAD_REQUEST:
            reason = f"HTTP {answer.status}, the office answered status {said.code}"
            raise Unavailable(reason, retry_after=wait, condition=f"office.status-{said.code}")
        name = said.attachment.name if said.attachment else ""
        return " ".join((said.message or name).split())[:LONGEST_REFERENCE]

    def _message(self, answer: Answer) -> tuple[soap.Message, Parts]:
        kind = media_type(answer.headers.get("content-type", "") or "text/xml")
        if kind.name == "multipart/related":
            package = unpack(answer.body, kind)
            envelope, parts = package.envelope, package.parts
        else:
            envelope, parts = answer.body, Parts()
        message = soap.read(envelope, self.limits)
        if message.body is not None and self.objects_namespace != ob.NS:
            for element in message.body.iter(f"{{{self.objects_namespace}}}*"):
                element.tag = f"{{{ob.NS}}}{etree.QName(element).localname}"
        return message, parts

    def _fault(self, fault: soap.ReceivedFault, wait: timedelta | None) -> NoReturn:
        code = fault.code.partition(".")[0]  # SOAP 1.1 §4.4.1: Client.Authentication is a Client
        exception = ob.read_exception(fault.detail)
        number = exception[0] if exception else None
        known = code if code in {"Client", "Server", "Sender", "Receiver", "VersionMismatch", "MustUnderstand"} else "?"
        reason = f"the office answered a fault: {known}" + (f", kod {number}" if number is not None else "")
        kind = known.lower() if known != "?" else "other"
        cause = f"office.fault-{kind}" if number is None else f"office.fault-kod-{number}"
        if code in self.final_faults or number in self.final_codes:
            raise Refused(reason, condition=cause)
        raise Unavailable(reason, retry_after=wait, condition=cause)


def _unread(answer: Answer) -> str:
    """Name the cause when what came back says nothing: the status of HTTP, if that is an error."""
    return f"office.http-{answer.status}" if answer.status >= HTTPStatus.BAD_REQUEST else "office.other-answer"


def retry_after(value: str, clock: Clock) -> timedelta | None:
    """Read the header Retry-After (RFC 9110 §10.2.3): seconds or a date; None if it says nothing of use."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(timedelta(seconds=int(value[:9])), _LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the library takes a year of any length
        return None
    if moment.tzinfo is None:  # "-0000": of unknown zone, by the RFC always GMT
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment - clock(), timedelta(0)), _LONGEST_WAIT)
