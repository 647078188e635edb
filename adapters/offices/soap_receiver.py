"""What an office's WSDL says about its receiver, and the envelope that a parcel becomes (by zeep).

A WSDL is parsed once in a process and shared; it is read from the package or from the operator's folder, never from
the network.  zeep makes the envelope and nothing more: it sends by our own connection and the answer is not shown
to it, because it would alter binary replies and log what it sees.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, cast

from lxml import etree
from zeep import Client
from zeep import Settings as ZeepSettings
from zeep.exceptions import Error as ZeepError
from zeep.wsdl import Document

from adapters.wire import extras, ob
from adapters.wire.soap import SOAP11, SOAP12, Version
from broker.errors import ConfigError
from broker.model import Parcel

PACKAGED: Final = "soap/odbiorca.wsdl"
SERVICE_NAMESPACE: Final = "urn:goniec:odbiorca"

# XML 1.0 §2.2: what may not stand in a document at all; lxml refuses it with a ValueError.
_ILLEGAL: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_documents: dict[tuple[object, ...], Document] = {}
_parsing = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What may differ from the packaged WSDL; empty: as it is there."""

    wsdl: Path | None = None
    service: str = ""
    port: str = ""
    operation: str = "odbierzDokument"
    service_namespace: str = SERVICE_NAMESPACE
    objects_namespace: str = ob.NS


class Post(Protocol):
    """Sends an envelope and returns whatever came back."""

    def __call__(self, envelope: etree._Element, version: Version, action: str, /) -> Any: ...


class Receiver:
    """One office's receiver as zeep sees it.  For one thread at a time; the parsed WSDL is shared."""

    def __init__(self, dialect: Dialect, text: Callable[[str], bytes], post: Post) -> None:
        """Take in the WSDL.  `text` reads packaged texts.  Raises ConfigError if the WSDL does not fit."""
        self._operation = dialect.operation
        try:
            document = _document(dialect, text)
            client = Client(  # type: ignore[no-untyped-call]
                document,
                transport=_Transport(post),
                service_name=dialect.service or None,
                port_name=dialect.port or None,
                settings=ZeepSettings(raw_response=True, forbid_external=True, forbid_dtd=True),
            )
            self._service = client.service
            self._call = self._service[dialect.operation]
            self._parts = _header_parts(self._service, dialect.operation)
            example = self._arguments(_NOTHING, b"")
            client.create_message(self._service, dialect.operation, **example)  # type: ignore[no-untyped-call]
        except (ZeepError, etree.LxmlError, LookupError, ValueError, TypeError, AttributeError, OSError) as wrong:
            raise ConfigError([f"wsdl: {str(wrong) or type(wrong).__name__}"]) from wrong

    def hand_over(self, parcel: Parcel, *, test: bool, box_name: str, aside: bool) -> Any:
        """Make the parcel's envelope and return what the post made of it.

        `aside`: leave `zawartosc` empty, because the document travels beside the envelope.
        """
        it = parcel.submission
        values = {
            "DanePodmiotu": {"identyfikator": it.sender, "typOsoby": "P", "zgoda": bool(it.reply_to)},
            "DaneNadawcy": {"uzytkownik": it.sender, "system": "goniec"},
            "DataNadania": it.received_at,
            "NazwaSkrytki": box_name or it.box.rpartition("/")[2],
            "AdresSkrytki": it.box,
            "AdresOdpowiedzi": it.reply_to,
            "CzyTestowe": test or it.trial,
            "DaneDodatkowe": extras.write(parcel),
            "nazwaPliku": it.file_name or f"{it.id}.xml",
        }
        return self._call(**self._arguments(values, b"" if aside else parcel.document))

    def _arguments(self, values: dict[str, Any], document: bytes) -> dict[str, Any]:
        return {
            "nazwaPliku": _clean(values["nazwaPliku"]),
            "typPliku": "text/xml",
            "zawartosc": document,
            "_soapheaders": {part: _clean(values[name]) for part, name in self._parts.items()},
        }


_NOTHING: Final[dict[str, Any]] = {
    "DanePodmiotu": {"identyfikator": "", "typOsoby": "P", "zgoda": False},
    "DaneNadawcy": {"uzytkownik": "", "system": ""},
    "DataNadania": "2026-01-01T00:00:00Z",
    "NazwaSkrytki": "",
    "AdresSkrytki": "",
    "AdresOdpowiedzi": "",
    "CzyTestowe": True,
    "DaneDodatkowe": b"",
    "nazwaPliku": "",
}


class _Transport:
    """What zeep needs of a transport when it may neither fetch nor read answers."""

    def __init__(self, post: Post) -> None:
        self._post = post

    def post_xml(self, _address: str, envelope: etree._Element, headers: dict[str, str]) -> Any:
        version = SOAP12 if headers["Content-Type"].startswith(SOAP12.media_type) else SOAP11
        return self._post(envelope, version, headers["SOAPAction"].strip('"'))


class _Texts:
    """Serves zeep the packaged texts, or files of the operator's WSDL folder; `file:` names, never the network."""

    def __init__(self, dialect: Dialect, text: Callable[[str], bytes]) -> None:
        self._folder = dialect.wsdl.resolve().parent if dialect.wsdl else None
        self._text = text
        self._renamed = {
            SERVICE_NAMESPACE: dialect.service_namespace,
            ob.NS: dialect.objects_namespace,
        }

    def load(self, url: str) -> bytes:
        name = url.removeprefix("file:///")
        if name == url:
            raise ValueError(f"{url}: only files beside the WSDL are read")
        if self._folder is not None:
            file = (self._folder / name).resolve()
            if not file.is_relative_to(self._folder):
                raise ValueError(f"{name}: not beside the WSDL")
            return file.read_bytes()
        content = self._text(name)
        for ours, theirs in self._renamed.items():
            content = content.replace(f'"{ours}"'.encode(), f'"{theirs}"'.encode())
        return content


def _document(dialect: Dialect, text: Callable[[str], bytes]) -> Document:
    """Return the parsed WSDL, parsing it if no office in this process has the same."""
    texts = _Texts(dialect, text)
    name = dialect.wsdl.name if dialect.wsdl else PACKAGED
    content = texts.load(f"file:///{name}")
    key = (content, dialect.wsdl, dialect.objects_namespace)
    with _parsing:
        if key not in _documents:
            _documents[key] = Document(
                io.BytesIO(content),
                cast("Any", texts),  # zeep's annotation asks for a class, its code for an instance
                base=f"file:///{name}",
                settings=ZeepSettings(forbid_external=True, forbid_dtd=True),
            )
        return _documents[key]


def _header_parts(service: Any, operation: str) -> dict[str, str]:
    """Return the name of the element that each header part of the operation holds."""
    found = service._binding.get(operation).input.header.type.elements  # noqa: SLF001 - zeep tells it nowhere else
    parts = {part: element.name for part, element in found}
    if unknown := sorted(set(parts.values()) - set(_NOTHING)):
        raise ValueError(f"{operation}: header {', '.join(unknown)} is not one that we can fill")
    if "DaneDodatkowe" not in parts.values():
        raise ValueError(f"{operation}: has no header DaneDodatkowe, which carries the delivery's id")
    return parts


def _clean(value: Any) -> Any:
    """Replace what XML cannot hold by U+FFFD, in a value for zeep."""
    if isinstance(value, str):
        return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {name: _clean(inner) for name, inner in value.items()}
    return value
