"""The SOAP envelope, both versions: read one, write one, and say no in one.

This file knows nothing of what is inside a Body (that is `adapters/wire/ob.py`), of attachments
(`adapters/wire/mtom.py`) or of HTTP servers.  Envelopes are written as text, because a reply is built for every
message and a tree would cost more than the whole reply.
Sources: SOAP 1.1 (W3C Note, 2000) §4; SOAP 1.2 part 1 §5, part 2 §7.5.2 (status codes).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from lxml import etree

from broker.errors import Malformed, TooLarge
from broker.parse import Limits
from broker.parse import read as read_xml
from broker.xml_text import legal


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What differs between the two versions of SOAP."""

    name: str
    namespace: str
    media_type: str
    role: str  # the attribute that says for whom a header block is
    ours: frozenset[str]  # its values that mean: for whoever reads this


SOAP11 = Version(
    name="1.1",
    namespace="http://schemas.xmlsoap.org/soap/envelope/",
    media_type="text/xml",
    role="actor",
    ours=frozenset({"", "http://schemas.xmlsoap.org/soap/actor/next"}),
)
SOAP12 = Version(
    name="1.2",
    namespace="http://www.w3.org/2003/05/soap-envelope",
    media_type="application/soap+xml",
    role="role",
    ours=frozenset(
        {
            "",
            "http://www.w3.org/2003/05/soap-envelope/role/next",
            "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver",
        }
    ),
)
_VERSIONS = {version.namespace: version for version in (SOAP11, SOAP12)}

WHITE = " \t\r\n"
"""White space as XML has it; Python's own idea of it would strip characters that mean something."""

WSA = "http://www.w3.org/2005/08/addressing"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An envelope that was read: its root, its header blocks, and the one element in its Body (None if it is empty)."""

    version: Version
    root: etree._Element
    headers: tuple[etree._Element, ...]
    body: etree._Element | None


class Blame(StrEnum):
    """Whose fault a fault is; the value is SOAP 1.2's name for it."""

    SENDER = "Sender"
    RECEIVER = "Receiver"
    VERSION = "VersionMismatch"
    MUST_UNDERSTAND = "MustUnderstand"


_SOAP11_CODES = {Blame.SENDER: "Client", Blame.RECEIVER: "Server"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault to be written: the reason in both languages, and the detail as ready XML."""

    blame: Blame
    pl: str
    en: str
    detail: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedFault:
    """A fault that was read; `code` is the local name of its code, `detail` its detail element."""

    code: str
    reason: str
    detail: etree._Element | None

    @property
    def receiver(self) -> bool:
        """Whether the far side blames itself: the same message may go through later."""
        return self.code.startswith(("Server", "Receiver"))


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────


def elements(parent: etree._Element) -> list[etree._Element]:
    """Return the children that are elements: comments and processing instructions say nothing in SOAP."""
    return [child for child in parent if isinstance(child.tag, str)]


def text_of(element: etree._Element) -> str:
    """Return the characters of an element that holds nothing but text; comments are stepped over.

    Raises Malformed (`soap.value`) if there is an element in it.
    """
    if not len(element):
        return element.text or ""
    if elements(element):
        raise Malformed("soap.value", place=name_of(element), facts={"name": name_of(element)})
    return (element.text or "") + "".join(child.tail or "" for child in element)


def name_of(element: etree._Element) -> str:
    """Return an element's local name."""
    return etree.QName(element).localname


def version_of(root: etree._Element) -> Version:
    """Return the version of SOAP an Envelope belongs to; raise Malformed if it is none."""
    name = etree.QName(root)
    if name.localname != "Envelope":
        raise Malformed("soap.envelope", place="/*")
    version = _VERSIONS.get(name.namespace or "")
    if version is None:
        raise Malformed("soap.version", place="/*")
    return version


def read(data: bytes, limits: Limits) -> Message:
    """Read an envelope.

    Raises Malformed (`soap.envelope`, `soap.version`, or what parse says of bytes that are no safe XML) or
    TooLarge.
    """
    root = read_xml(data, limits)
    version = version_of(root)
    parts = elements(root)
    names = [part.tag for part in parts]
    header, body = f"{{{version.namespace}}}Header", f"{{{version.namespace}}}Body"
    if names not in ([body], [header, body]):
        raise Malformed("soap.envelope", place="/Envelope")
    content = elements(parts[-1])
    if len(content) > 1:
        raise Malformed("soap.envelope", place="/Envelope/Body")
    return Message(
        version=version,
        root=root,
        headers=tuple(elements(parts[0])) if len(parts) > 1 else (),
        body=content[0] if content else None,
    )


def addressed(version: Version, block: etree._Element) -> bool:
    """Whether a header block is for us (SOAP 1.1 §4.2.2, SOAP 1.2 part 1 §2.2)."""
    return (block.get(f"{{{version.namespace}}}{version.role}") or "").strip(WHITE) in version.ours


def demand_understood(message: Message, understood: Collection[str]) -> None:
    """Raise Malformed (`soap.must-understand`) if a header block for us must be understood and is not known.

    `understood` holds the names in Clark notation (SOAP 1.1 §4.2.3, SOAP 1.2 part 1 §5.2.3).
    """
    space = message.version.namespace
    for block in message.headers:
        required = (block.get(f"{{{space}}}mustUnderstand") or "").strip(WHITE) in {"1", "true"}
        if required and addressed(message.version, block) and block.tag not in understood:
            name = name_of(block)
            raise Malformed("soap.must-understand", place="/Envelope/Header/*", facts={"name": name})


_BODY = tuple("Body".encode(codec) for codec in ("ascii", "utf-16-le", "utf-16-be"))


def demand_opened(octets: bytes, most: int) -> None:
    """Raise TooLarge (`soap.header-too-large`) if no Body can begin in these octets, the first of an envelope.

    Its name would stand there, for names cannot be escaped.  So that an envelope need not be there whole, nor be read:
    `most` is what `demand_brief` lets it have, and less than these octets.
    """
    if not any(name in octets for name in _BODY):
        raise TooLarge("soap.header-too-large", place="/Envelope/Header", facts={"limit": str(most)})


def demand_brief(message: Message, most: int) -> None:
    """Raise TooLarge (`soap.header-too-large`) if all but the Body's one element has more than so many characters.

    Names, texts, attributes, comments; what is read of an envelope beside its document stands there.
    """
    left = most
    for node in _around(message):
        name = node.tag if isinstance(node.tag, str) else ""
        left -= len(name) + len(node.text or "") + len(node.tail or "")
        left -= sum(len(key) + len(value) for key, value in node.items())
        if left < 0:
            raise TooLarge("soap.header-too-large", place="/Envelope", facts={"limit": str(most)})


def _around(message: Message) -> Iterator[etree._Element]:
    """Give every element, comment and instruction of an envelope but the Body's one element and what is in it."""
    body = elements(message.root)[-1]
    yield message.root
    yield body
    for child in (*message.root, *body):
        if child is not body and child is not message.body:
            yield from child.iter()


def read_fault(message: Message) -> ReceivedFault | None:
    """Return the fault in a message, or None if it holds something else."""
    space = message.version.namespace
    fault = message.body
    if fault is None or fault.tag != f"{{{space}}}Fault":
        return None
    if message.version is SOAP11:
        code, reason, detail = fault.findtext("faultcode"), fault.findtext("faultstring"), fault.find("detail")
    else:
        code = fault.findtext(f"{{{space}}}Code/{{{space}}}Value")
        reason = fault.findtext(f"{{{space}}}Reason/{{{space}}}Text")
        detail = fault.find(f"{{{space}}}Detail")
    return ReceivedFault(
        code=(code or "").strip(WHITE).rpartition(":")[2], reason=(reason or "").strip(WHITE), detail=detail
    )


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────

_SPECIAL = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"})


def escape(text: str) -> bytes:
    """Return text as UTF-8 fit for element content and attribute values; what XML forbids becomes U+FFFD."""
    return legal(text).translate(_SPECIAL).encode()


def write(version: Version, body: bytes, headers: bytes = b"") -> bytes:
    """Return an envelope around ready XML; `headers` are the header blocks, one after the other."""
    return b"".join(
        (
            b'<?xml version="1.0" encoding="UTF-8"?>\n<soap:Envelope xmlns:soap="',
            version.namespace.encode(),
            b'">',
            b"<soap:Header>" + headers + b"</soap:Header>" if headers else b"",
            b"<soap:Body>",
            body,
            b"</soap:Body></soap:Envelope>",
        )
    )


def write_fault(version: Version, fault: Fault) -> bytes:
    """Return an envelope that says no, in Polish first.

    SOAP 1.2 has a Text for each language; SOAP 1.1 has one faultstring, so both stand in it.
    """
    if version is SOAP11:
        return write(
            version,
            b"<soap:Fault><faultcode>soap:%s</faultcode><faultstring>%s</faultstring>%s</soap:Fault>"
            % (
                _SOAP11_CODES.get(fault.blame, fault.blame.value).encode(),
                escape(f"{fault.pl} / {fault.en}"),
                b"<detail>" + fault.detail + b"</detail>" if fault.detail else b"",
            ),
        )
    return write(
        version,
        b"<soap:Fault><soap:Code><soap:Value>soap:%s</soap:Value></soap:Code><soap:Reason>"
        b'<soap:Text xml:lang="pl">%s</soap:Text><soap:Text xml:lang="en">%s</soap:Text></soap:Reason>%s</soap:Fault>'
        % (
            fault.blame.value.encode(),
            escape(fault.pl),
            escape(fault.en),
            b"<soap:Detail>" + fault.detail + b"</soap:Detail>" if fault.detail else b"",
        ),
    )


def content_type(version: Version, action: str = "") -> str:
    """Return the Content-Type of an envelope sent as it is; SOAP 1.2 carries the action in it."""
    suffix = f'; action="{action}"' if action and version is SOAP12 else ""
    return f"{version.media_type}; charset=utf-8{suffix}"
