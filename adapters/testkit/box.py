"""A partner that puts documents into a box over SOAP, by hand: every byte on the wire is chosen here.

For the suites and for integrators' experiments; foreign SOAP stacks are tried in `tests/interop`.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from adapters.wire import mtom, ob, soap
from adapters.wire.base64_text import encode
from adapters.wire.soap import SOAP11, Version
from broker.parse import Limits

NS = "http://ws.epuap.gov.pl/skrytka/"
_XOP = '<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:{}"/>'


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back over HTTP; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def message(self) -> soap.Message:
        """Return the envelope."""
        return soap.read(self.body, Limits())

    def answer(self) -> ob.Answer:
        """Return the `OdpowiedzSkrytki`."""
        body = self.message().body
        if body is None or body.tag != f"{{{ob.NS}}}OdpowiedzSkrytki":
            raise AssertionError(self.body.decode())
        return ob.read_answer(body, mtom.Parts())

    def fault(self) -> soap.ReceivedFault:
        """Return the fault."""
        fault = soap.read_fault(self.message())
        if fault is None:
            raise AssertionError(self.body.decode())
        return fault

    def number(self) -> int:
        """Return the `kod` of the fault's `ob:Wyjatek`."""
        exception = ob.read_exception(self.fault().detail)
        if exception is None:
            raise AssertionError(self.body.decode())
        return exception[0]

    def code(self) -> str:
        """Return the code, as a word, in our own detail of the fault; empty if there is none."""
        detail = self.fault().detail
        return "" if detail is None else detail.findtext("{urn:goniec:odmowa}Odmowa/kod") or ""

    def negative_receipt(self) -> bytes:
        """Return the sealed receipt of the refusal (NPP); empty if there is none."""
        detail = self.fault().detail
        attached = None if detail is None else detail.find("{urn:goniec:odmowa}Odmowa/zalacznik")
        return b"" if attached is None else ob.read_file(attached, mtom.Parts()).content


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What is put into a box; `None` leaves a header out."""

    document: bytes = b"<letter/>"
    sender: str | None = "citizen"
    box: str | None = "/town/SEKAP"
    reply_to: str | None = "/citizen/box"
    trial: str | None = "false"
    extras: bytes | None = b""
    file_name: str = "letter.xml"
    headers: bytes = b""  # further header blocks
    any: bool = False  # nadajAny: the document must be an XML element

    @property
    def operation(self) -> str:
        """Its name."""
        return "nadajAny" if self.any else "nadaj"

    def header_blocks(self) -> bytes:
        """Return the content of the Header."""
        texts = {
            "IdentyfikatorPodmiotu": self.sender,
            "AdresSkrytki": self.box,
            "AdresOdpowiedzi": self.reply_to,
            "CzyProbne": self.trial,
            "NazwaPliku": self.file_name if self.any else None,
        }
        blocks = [ob.element(name, soap.escape(text)) for name, text in texts.items() if text is not None]
        if self.extras is not None:
            blocks.append(ob.element("DaneDodatkowe", encode(self.extras)))
        return b"".join((*blocks, self.headers))

    def body(self, content: bytes) -> bytes:
        """Return the content of the Body; `content` is what stands for the document's bytes."""
        if self.any:
            return b'<ext:Dokument xmlns:ext="%s">%s</ext:Dokument>' % (ob.EXT.encode(), self.document)
        children = (ob.child("nazwaPliku", self.file_name), b"<zawartosc>", content, b"</zawartosc>")
        return ob.element("Dokument", b"".join(children))

    def envelope(self, version: Version) -> bytes:
        """Return it as a plain envelope."""
        return soap.write(version, self.body(encode(self.document)), self.header_blocks())

    def package(self, version: Version) -> tuple[str, bytes]:
        """Return (Content-Type, body) with the document as a part beside the envelope."""
        envelope = soap.write(version, self.body(_XOP.format("document%40box").encode()), self.header_blocks())
        return mtom.pack(version, envelope, {"document@box": self.document}, NS + self.operation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """The address of a box service, and how to speak to it.  A connection a call; used by any threads."""

    url: str
    version: Version = SOAP11
    mtom: bool = False
    timeout: float = 60
    headers: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None  # for https: whom we believe, and what we prove ourselves by

    def submit(self, submission: Submission) -> Reply:
        """Put a document into the box."""
        action = NS + submission.operation
        if self.mtom:
            kind, body = submission.package(self.version)
        else:
            kind, body = soap.content_type(self.version, action), submission.envelope(self.version)
        return self.post(body, kind, f'"{action}"' if self.version is SOAP11 else None)

    def post(self, body: bytes, content_type: str, action: str | None = '""') -> Reply:
        """Send these bytes."""
        headers = {"Content-Type": content_type, **({} if action is None else {"SOAPAction": action}), **self.headers}
        return self.request("POST", body, headers)

    def dial(self) -> http.client.HTTPConnection:
        """Return a connection to the service, not yet opened."""
        parts = urlsplit(self.url)
        if parts.scheme == "https":
            return http.client.HTTPSConnection(
                parts.hostname or "", parts.port or 443, timeout=self.timeout, context=self.tls
            )
        return http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=self.timeout)

    def request(self, method: str, body: bytes | None, headers: Mapping[str, str], query: str = "") -> Reply:
        """Make any HTTP request of the service's address."""
        parts = urlsplit(self.url)
        line = self.dial()
        try:
            line.request(method, parts.path + query, body, dict(headers))
            response = line.getresponse()
            return Reply(
                status=response.status,
                headers={name.lower(): value for name, value in response.getheaders()},
                body=response.read(),
            )
        finally:
            line.close()
