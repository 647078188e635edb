"""An office reached by SOAP: the receiver in its document system is called with each document (DOMAIN §4).

Here stand the settings and the order of things.  How the envelope is made is in `soap_receiver.py`, how it travels
in `adapters/wire/http.py`, what the answer means in `soap_answer.py`.
"""

from __future__ import annotations

import base64
import ssl
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Final

from lxml import etree
from pydantic import Field, field_validator, model_validator

from adapters.offices.soap_answer import Reading
from adapters.offices.soap_receiver import SERVICE_NAMESPACE, Dialect, Receiver
from adapters.wire import ob
from adapters.wire.http import Address, Answer, Http
from adapters.wire.kind import Kind, Surroundings
from adapters.wire.mtom import XOP_INCLUDE, pack
from adapters.wire.secret import SecretFile, WithPassword
from adapters.wire.soap import SOAP11, Version, content_type
from broker.errors import ConfigError, Unavailable
from broker.model import Parcel

_ASIDE: Final = "dokument"  # Content-ID of the document when it travels beside the envelope


class SoapSettings(WithPassword):
    """How one office's receiver is reached; paths are relative to the configuration's folder."""

    url: str  # http:// or https://
    deadline: timedelta = Field(default=timedelta(seconds=45), gt=timedelta(0))  # for a whole call; below the lease
    mtom: bool = False  # send the document beside the envelope: for offices that get large files

    wsdl: Path | None = None  # the office's own; the packaged odbiorca.wsdl by default
    service: str = ""  # the first one by default
    port: str = ""  # the first one by default; `odbiorca12` of the packaged WSDL speaks SOAP 1.2
    operation: str = "odbierzDokument"
    service_namespace: str = SERVICE_NAMESPACE  # other names for what the packaged WSDL describes
    objects_namespace: str = ob.NS
    soap_action: str | None = None  # instead of the WSDL's

    user: str = ""  # HTTP Basic, with password_file or password_variable
    ca: Path | None = None  # PEM: whom to believe instead of the system's authorities
    client_certificate: Path | None = None  # PEM, with its chain
    client_key: SecretFile | None = None  # PEM, unencrypted; when it is not in the certificate's file

    box_name: str = ""  # NazwaSkrytki; the last part of the box's address by default
    final_codes: frozenset[int] = frozenset()  # `kod` that no repeat will change; any other but 1 is tried again
    final_faults: frozenset[str] = frozenset({"Client", "Sender"})  # fault codes likewise

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        Address.of(url)
        return url

    @model_validator(mode="after")
    def _fits_together(self) -> SoapSettings:
        if bool(self.user) != bool(self.password_file or self.password_variable):
            raise ValueError("user and password_file (or password_variable) belong together")
        if self.client_key and not self.client_certificate:
            raise ValueError("client_key needs client_certificate")
        if (self.ca or self.client_certificate) and not Address.of(self.url).tls:
            raise ValueError("ca and client_certificate need an https:// address")
        return self


class SoapOffice:
    """The office.  A repeat of a parcel carries the same `IdentyfikatorDoreczenia` in DaneDodatkowe."""

    def __init__(self, settings: SoapSettings, around: Surroundings) -> None:
        """Read files, open no connection; raise ConfigError with all that is wrong."""
        problems: list[str] = []
        self._settings = settings
        self._test = around.environment != "production"
        self._headers = {"User-Agent": "goniec"}
        try:
            self._headers |= _authorization(settings, around.folder)
        except ConfigError as wrong:
            problems += wrong.problems
        address, tls = Address.of(settings.url), None
        try:
            tls = _tls(settings, around.folder) if address.tls else None
        except ConfigError as wrong:
            problems += wrong.problems
        self._http = Http(address, tls=tls, deadline=settings.deadline.total_seconds(), most=around.limits.payload)
        self._reading = Reading(
            final_codes=settings.final_codes,
            final_faults=settings.final_faults,
            objects_namespace=settings.objects_namespace,
            limits=around.limits,
            clock=around.clock,
        )
        dialect = Dialect(
            wsdl=around.folder / settings.wsdl if settings.wsdl else None,
            service=settings.service,
            port=settings.port,
            operation=settings.operation,
            service_namespace=settings.service_namespace,
            objects_namespace=settings.objects_namespace,
        )
        self._beside = b""
        try:
            self._receiver = Receiver(dialect, around.text, self._post)
        except ConfigError as wrong:
            problems += wrong.problems
        if problems:
            raise ConfigError(problems)

    def deliver(self, parcel: Parcel) -> str:
        self._beside = parcel.document if self._settings.mtom else b""
        try:
            answer: Answer = self._receiver.hand_over(
                parcel, test=self._test, box_name=self._settings.box_name, aside=self._settings.mtom
            )
        finally:
            self._beside = b""
        return self._reading.reference(answer)

    def check(self) -> None:
        """Fetch the address.  An error that a receiver may answer to a GET is no fault; a missing page is."""
        status = self._http.call("GET", self._headers).status
        if status in _AWAY:
            raise Unavailable(f"HTTP {status}", condition=f"office.http-{status}")

    def close(self) -> None:
        self._http.close()

    def _post(self, envelope: etree._Element, version: Version, action: str) -> Answer:
        action = action if self._settings.soap_action is None else self._settings.soap_action
        if self._settings.mtom:
            for content in envelope.iterfind(".//{*}Body//{*}zawartosc"):
                etree.SubElement(content, XOP_INCLUDE, href=f"cid:{_ASIDE}")
        text = etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")
        if self._settings.mtom:
            kind, body = pack(version, text, {_ASIDE: self._beside}, action)
        else:
            kind, body = content_type(version, action), text
        headers = {**self._headers, "Content-Type": kind}
        if version is SOAP11:
            headers["SOAPAction"] = f'"{action}"'
        return self._http.call("POST", headers, (body,))


_AWAY: Final = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.GONE,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


def _authorization(settings: SoapSettings, folder: Path) -> dict[str, str]:
    password = settings.password(folder)
    if password is None:
        return {}
    known = f"{settings.user}:{password.get_secret_value()}".encode()
    return {"Authorization": "Basic " + base64.b64encode(known).decode()}


def _tls(settings: SoapSettings, folder: Path) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=folder / settings.ca if settings.ca else None)
    except OSError as wrong:
        raise ConfigError([f"ca: {_reason(wrong)}"]) from wrong
    if settings.client_certificate:
        key = folder / settings.client_key if settings.client_key else None
        try:
            context.load_cert_chain(folder / settings.client_certificate, key, password=_no_password)
        except (OSError, ValueError) as wrong:
            raise ConfigError([f"client_certificate, client_key: {_reason(wrong)}"]) from wrong
    return context


def _no_password() -> str:
    """Stand in for the prompt on the terminal that OpenSSL would open for an encrypted key."""
    raise ValueError("the key is encrypted")


def _reason(wrong: Exception) -> str:
    if isinstance(wrong, ssl.SSLError):
        return wrong.reason or "not what it should be"
    return wrong.strerror or "cannot be read" if isinstance(wrong, OSError) else str(wrong)


KIND = Kind(settings=SoapSettings, make=SoapOffice)
