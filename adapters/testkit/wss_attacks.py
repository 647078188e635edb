"""What is done on its way to a message that WS-Security signs: the wrapping attacks, and plain tampering.

code, tamper = HOSTILE["the Body moved into a header, another in its place"]
tamper(secure(envelope, pki.local_person, at))          bytes that must be refused with this code
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lxml import etree

from adapters.testkit.signing import canonical
from adapters.testkit.wss import DS, ID, WSSE, WSU

_ANOTHER = (
    b'<ob:Dokument xmlns:ob="http://wsdl.epuap.gov.pl/obiekty/"><zawartosc>PGV2aWwvPg==</zawartosc></ob:Dokument>'
)


class Wire:
    """A signed message on its way: its tree, and the parts that attacks move about."""

    def __init__(self, secured: bytes) -> None:
        self.root = canonical.tree(secured)
        space = etree.QName(self.root).namespace
        self.head, self.body = (self._child(f"{{{space}}}{name}") for name in ("Header", "Body"))
        found = self.head.find(f"{{{WSSE}}}Security")
        if found is None:
            raise ValueError("the message is not signed")
        self.security = found

    def _child(self, name: str) -> etree._Element:
        found = self.root.find(name)
        if found is None:
            raise ValueError(name)
        return found

    def part(self, name: str) -> etree._Element:
        """Return a descendant of the Security header by its local name."""
        return next(it for it in self.security.iter(etree.Element) if etree.QName(it).localname == name)

    def replace_body(self, *, keep_id: bool = False) -> etree._Element:
        """Take the signed Body out, put one with another document in its place, and return the signed one."""
        signed = self.body
        self.body = etree.Element(signed.tag)
        self.body.append(canonical.tree(_ANOTHER))
        if keep_id:
            self.body.attrib.update(signed.attrib)
        self.root.replace(signed, self.body)
        return signed

    def sent(self) -> bytes:
        """Return the message as it goes on."""
        return etree.tostring(self.root, encoding="UTF-8", xml_declaration=True)


def _attack(do: Callable[[Wire], object]) -> Callable[[bytes], bytes]:
    def tampered(secured: bytes) -> bytes:
        wire = Wire(secured)
        do(wire)
        return wire.sent()

    return tampered


def _wrapped_in_header(wire: Wire) -> None:
    etree.SubElement(wire.head, "{urn:wrapper}Wrapper").append(wire.replace_body())


def _wrapped_in_header_same_id(wire: Wire) -> None:
    etree.SubElement(wire.head, "{urn:wrapper}Wrapper").append(wire.replace_body(keep_id=True))


def _body_as_header_block(wire: Wire) -> None:
    wire.head.append(wire.replace_body())


def _wrapped_in_body(wire: Wire) -> None:
    signed = wire.replace_body()
    etree.SubElement(wire.body[0], "{urn:wrapper}Wrapper").append(signed)


def _wrapped_in_security(wire: Wire) -> None:
    wire.security.append(wire.replace_body())


def _wrapped_in_signature(wire: Wire) -> None:
    etree.SubElement(wire.part("Signature"), f"{{{DS}}}Object").append(wire.replace_body())


def _second_body(wire: Wire) -> None:
    wire.root.append(wire.replace_body())


def _second_body_first(wire: Wire) -> None:
    signed = wire.replace_body()
    wire.root.insert(1, signed)


def _body_under_trailer(wire: Wire) -> None:
    etree.SubElement(wire.root, "{urn:wrapper}Trailer").append(wire.replace_body())


def _shadow(name: str) -> Callable[[Wire], None]:
    def do(wire: Wire) -> None:
        signed = wire.replace_body()
        wire.body.set(name, next(value for key, value in signed.attrib.items() if key in {ID, "Id"}))
        etree.SubElement(wire.head, "{urn:wrapper}Wrapper").append(signed)

    return do


def _other_soap_body(wire: Wire) -> None:
    """Let the signed Body go on as that of an envelope inside a header block."""
    signed = wire.replace_body()
    block = etree.SubElement(etree.SubElement(wire.head, "{urn:wrapper}Envelope"), "{urn:wrapper}Header")
    block.append(signed)


def _timestamp_wrapped(wire: Wire) -> None:
    signed = wire.part("Timestamp")
    fresh = etree.Element(signed.tag)
    for child in signed:
        etree.SubElement(fresh, child.tag).text = child.text
    wire.security.replace(signed, fresh)
    etree.SubElement(wire.head, "{urn:wrapper}Wrapper").append(signed)


def _timestamp_as_header_block(wire: Wire) -> None:
    wire.head.append(wire.part("Timestamp"))


def _timestamp_second(wire: Wire) -> None:
    fresh = etree.SubElement(wire.security, f"{{{WSU}}}Timestamp")
    etree.SubElement(fresh, f"{{{WSU}}}Created").text = "2030-01-01T00:00:00Z"


def _header_moved(wire: Wire) -> None:
    """Move a signed header block to where nobody reads it, and put another one in its place."""
    signed = wire.head[0]
    other = etree.Element(signed.tag)
    other.text = "/evil/box"
    wire.head.replace(signed, other)
    etree.SubElement(wire.head, "{urn:wrapper}Wrapper").append(signed)


def _changed(text: str, *path: str) -> Callable[[Wire], None]:
    def do(wire: Wire) -> None:
        element = wire.root
        for name in path:
            element = next(it for it in element.iter(etree.Element) if etree.QName(it).localname == name)
        element.text = text

    return do


def _comment(wire: Wire) -> None:
    next(wire.body.iterchildren(etree.Element)).append(etree.Comment("not signed"))


def _second_security(wire: Wire) -> None:
    wire.head.append(etree.Element(wire.security.tag))


def _second_signature(wire: Wire) -> None:
    wire.security.append(canonical.tree(etree.tostring(wire.part("Signature"), with_tail=False)))


def _token_swapped(wire: Wire) -> None:
    wire.part("BinarySecurityToken").text = "TUlJQw=="


def _signature_cut(wire: Wire) -> None:
    value = wire.part("SignatureValue")
    value.text = (value.text or "")[:-8]


def _encrypted(wire: Wire) -> None:
    etree.SubElement(wire.security, "{http://www.w3.org/2001/04/xmlenc#}EncryptedKey")


HOSTILE: Mapping[str, tuple[str, Callable[[bytes], bytes]]] = {
    name: (code, _attack(do))
    for name, code, do in (
        ("the Body moved into a header, another in its place", "wss.body-elsewhere", _wrapped_in_header),
        (
            "the Body moved into a header, another with its Id in its place",
            "wss.duplicate-id",
            _wrapped_in_header_same_id,
        ),
        ("the Body made a header block", "wss.body-elsewhere", _body_as_header_block),
        ("the Body moved into another Body", "wss.body-elsewhere", _wrapped_in_body),
        ("the Body moved into the Security header", "wss.body-elsewhere", _wrapped_in_security),
        ("the Body moved into the signature", "wss.signature-shape", _wrapped_in_signature),
        ("a second Body before the signed one", "soap.envelope", _second_body),
        ("a second Body behind the signed one", "soap.envelope", _second_body_first),
        ("the Body moved behind another one", "soap.envelope", _body_under_trailer),
        ("the Body in a foreign envelope in a header", "wss.body-elsewhere", _other_soap_body),
        ("another Body with the Id as Id", "wss.duplicate-id", _shadow("Id")),
        ("another Body with the Id as ID", "wss.duplicate-id", _shadow("ID")),
        ("another Body with the Id as id", "wss.duplicate-id", _shadow("id")),
        ("another Body with the Id as xml:id", "wss.duplicate-id", _shadow("{http://www.w3.org/XML/1998/namespace}id")),
        ("another Body with the Id as wsu:Id", "wss.duplicate-id", _shadow(ID)),
        ("the Timestamp moved into a header, a fresh one in its place", "wss.timestamp-elsewhere", _timestamp_wrapped),
        ("the Timestamp made a header block", "wss.timestamp-elsewhere", _timestamp_as_header_block),
        ("a second Timestamp", "wss.two-timestamps", _timestamp_second),
        ("a header block moved, another in its place", "wss.reference-target", _header_moved),
        ("the document changed", "wss.digest-mismatch", _changed("PGV2aWwvPg==", "Body", "zawartosc")),
        ("the box changed", "wss.digest-mismatch", _changed("/evil/box", "AdresSkrytki")),
        ("the time changed", "wss.digest-mismatch", _changed("2026-01-01T12:01:00Z", "Created")),
        ("a comment in the Body", "wss.comment", _comment),
        ("a second Security header", "wss.two-headers", _second_security),
        ("the signature given twice", "wss.two-signatures", _second_signature),
        ("another token", "wss.token", _token_swapped),
        ("the signature value cut short", "wss.signature-mismatch", _signature_cut),
        ("an encrypted key", "wss.encrypted", _encrypted),
    )
}
"""What is done to a message on the wire: the code that it must give, and the deed.

Made for a message of which everything is signed, its first header block included.
"""
