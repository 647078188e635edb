"""Puts one document into a box by zeep with WS-Security, and prints what came back as JSON.

usage: submit.py WSDL FILE BOX SENDER PEM CA SIGNER COVERS VERSION
  PEM: the sender's key and certificate; CA: the one above the server's certificate
  SIGNER: the certificate by which replies are signed, or "-" if they are not
  COVERS: "body" as zeep's BinarySignature does it (Body and Timestamp), or "headers" as docs/reference/soap.md says
  VERSION: 1.1 or 1.2

Runs with Debian's zeep and xmlsec, which share one libxml2 with Debian's lxml.
"""

import base64
import json
import pathlib
import sys
from datetime import UTC, datetime, timedelta

import requests
import xmlsec
import zeep
from lxml import etree
from zeep import ns
from zeep.wsse import signature as zeep_signature
from zeep.wsse.signature import BinarySignature
from zeep.wsse.utils import get_security_header

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "reference" / "soap.md"
OB = "{http://wsdl.epuap.gov.pl/obiekty/}"


class SigningBody(BinarySignature):
    """What zeep has, with a Timestamp and SHA-256."""

    def __init__(self, pem, signer):
        super().__init__(pem, pem, signature_method=xmlsec.Transform.RSA_SHA256, digest_method=xmlsec.Transform.SHA256)
        self.signer = signer

    def apply(self, envelope, headers):
        timestamp = etree.SubElement(get_security_header(envelope), etree.QName(ns.WSU, "Timestamp"))
        now = datetime.now(UTC)
        for name, moment in (("Created", now), ("Expires", now + timedelta(minutes=3))):
            etree.SubElement(timestamp, etree.QName(ns.WSU, name)).text = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        return super().apply(envelope, headers)

    def verify(self, envelope):
        if self.signer and envelope.find(f".//{{{ns.WSSE}}}Security") is not None:
            zeep_signature.verify_envelope(envelope, self.signer)
        return envelope


def printed():
    """Return the class that the reference prints for senders, which signs the header blocks too."""
    block = PAGE.read_text(encoding="utf-8").partition("#### zeep")[2].partition("```python\n")[2].partition("```")[0]
    given = {}
    exec(block.partition("\nclient = ")[0], given)
    return given["Signature"]


def noting(signature):
    """Return it with `verified`: whether an answer was signed, and held."""

    class Noting(signature):
        verified = False

        def verify(self, envelope):
            signed = envelope.find(f".//{{{ns.WSSE}}}Security") is not None
            answer = super().verify(envelope)
            self.verified = bool(self.signer) and signed
            return answer

    return Noting


def main(wsdl, file, box, sender, *rest):
    pem, ca, signer, covers, version = rest
    session = requests.Session()
    session.trust_env = False  # else REQUESTS_CA_BUNDLE would win over the next line
    session.verify = ca
    wsse = noting(printed() if covers == "headers" else SigningBody)(pem, signer.strip("-"))
    client = zeep.Client(wsdl, transport=zeep.Transport(session=session, operation_timeout=30), wsse=wsse)
    service = client.bind("pkSkrytkaService", "skrytka12" if version == "1.2" else "skrytka")
    headers = {
        "podmiot": sender,
        "adresSkrytki": box,
        "adresOdpowiedzi": "",
        "czyProbne": False,
        "daneDodatkowe": b"",
    }
    path = pathlib.Path(file)
    try:
        answer = service.nadaj(
            nazwaPliku=path.name, typPliku="text/xml", zawartosc=path.read_bytes(), _soapheaders=headers
        )
    except zeep.exceptions.Fault as fault:
        exception = None if fault.detail is None else fault.detail.find(f".//{OB}Wyjatek")
        told = {} if exception is None else {child.tag: child.text for child in exception}
        return {"kod": int(told.get("kod", -1)), "komunikat": told.get("komunikat", fault.message)}
    return {
        "code": answer.status.kod,
        "document": answer.identyfikatorDokumentu,
        "receipt": base64.b64encode(answer.zalacznik.zawartosc).decode(),
        "verified": wsse.verified,
    }


sys.stdout.write(json.dumps(main(*sys.argv[1:])))
