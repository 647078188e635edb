"""Puts one document into a box by zeep with WS-Security, and prints what came back as JSON.

usage: submit.py WSDL FILE BOX SENDER PEM CA SIGNER COVERS VERSION
  PEM: the sender's key and certificate; CA: the one above the server's certificate
  SIGNER: the certificate by which replies are signed, or "-" if they are not
  COVERS: "body" as zeep's BinarySignature does it (Body and Timestamp), or "headers" as well
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

OB = "{http://wsdl.epuap.gov.pl/obiekty/}"


class Signature(BinarySignature):
    """What zeep has, with a Timestamp, with SHA-256, and with the reply judged by the server's certificate."""

    def __init__(self, pem, signer):
        super().__init__(pem, pem, signature_method=xmlsec.Transform.RSA_SHA256, digest_method=xmlsec.Transform.SHA256)
        self.signer = signer
        self.verified = False

    def apply(self, envelope, headers):
        timestamp = etree.SubElement(get_security_header(envelope), etree.QName(ns.WSU, "Timestamp"))
        now = datetime.now(UTC)
        for name, moment in (("Created", now), ("Expires", now + timedelta(minutes=3))):
            etree.SubElement(timestamp, etree.QName(ns.WSU, name)).text = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        return super().apply(envelope, headers)

    def verify(self, envelope):
        # A refusal is not signed where it is not known yet whom it goes to; it says nothing that must be believed.
        if self.signer != "-" and envelope.find(f".//{{{ns.WSSE}}}Security") is not None:
            zeep_signature.verify_envelope(envelope, self.signer)
            self.verified = True
        return envelope


class SigningHeaders(Signature):
    """zeep signs the Body and the Timestamp; here the header blocks join them, right before the Body does."""

    def apply(self, envelope, headers):
        sign_node = zeep_signature._sign_node

        def with_headers(ctx, signature, target, digest_method=None):
            if etree.QName(target).localname == "Body":
                for block in envelope[0]:
                    if etree.QName(block).namespace == OB[1:-1]:
                        sign_node(ctx, signature, block, digest_method)
            sign_node(ctx, signature, target, digest_method)

        zeep_signature._sign_node = with_headers
        try:
            return super().apply(envelope, headers)
        finally:
            zeep_signature._sign_node = sign_node


def main(wsdl, file, box, sender, *rest):
    pem, ca, signer, covers, version = rest
    session = requests.Session()
    session.trust_env = False  # else REQUESTS_CA_BUNDLE would win over the next line
    session.verify = ca
    wsse = (SigningHeaders if covers == "headers" else Signature)(pem, signer)
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
