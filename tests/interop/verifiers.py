"""What others say of a signed document: xmlsec1 and signxml (the JDK: `java_signatures.py`).

They know no profile and no authorities here: each is handed the signer's certificate and asked for the mathematics of
every signature that stands where one may.  `None` is no opinion: a shape that the verifier cannot read.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from adapters.verifiers import signxml as signxml_adapter
from broker.evidence import SecondOpinion, Stance
from broker.parse import Limits, read

DS = "{http://www.w3.org/2000/09/xmldsig#}"


def signatures(root: etree._Element) -> list[etree._Element]:
    """Return the signatures that must hold: the root, or the root's children."""
    return [root] if root.tag == DS + "Signature" else list(root.iterchildren(DS + "Signature"))


def xmlsec1_is_here() -> bool:
    """Whether xmlsec1 is installed."""
    return shutil.which("xmlsec1") is not None


def xmlsec1_cannot_read(root: etree._Element) -> str:
    """Return why xmlsec1 has no opinion, or an empty text."""
    methods = [it.get("Algorithm") or "" for it in root.iter(f"{DS}SignatureMethod")]
    return "RSA-PSS: Debian 12 has a version before it" if any(it.endswith("-rsa-MGF1") for it in methods) else ""


def xmlsec1(document: bytes, signers: list[x509.Certificate]) -> bool | None:
    """Whether xmlsec1 accepts every signature, each by its signer's certificate, in document order; None as above."""
    root = read(document, Limits())
    if xmlsec1_cannot_read(root):
        return None
    named = {etree.QName(it).localname for it in root.iter(etree.Element) if {"Id", "ID", "id"} & set(it.attrib)}
    ids = [
        word
        for name in sorted(named)
        for attribute in ("Id", "ID", "id")
        if any(attribute in it.attrib for it in root.iter(f"{{*}}{name}"))
        for word in (f"--id-attr:{attribute}", name)
    ]
    places = (
        ["/*"]
        if root.tag == DS + "Signature"
        else [
            f"/*/*[{1 + position}]"
            for position, it in enumerate(root.iterchildren(etree.Element))
            if it.tag == DS + "Signature"
        ]
    )
    assert len(places) == len(signers)
    with tempfile.TemporaryDirectory() as folder:
        file, certificate = Path(folder, "document.xml"), Path(folder, "signer.pem")
        file.write_bytes(document)
        for place, signer in zip(places, signers, strict=True):
            certificate.write_bytes(signer.public_bytes(Encoding.PEM))
            command = [
                "xmlsec1",
                "--verify",
                "--pubkey-cert-pem",
                str(certificate),
                "--node-xpath",
                place,
                *ids,
                str(file),
            ]
            if subprocess.run(command, capture_output=True, timeout=60, check=False).returncode != 0:
                return False
    return True


def signxml(document: bytes, signers: list[x509.Certificate]) -> bool | None:
    """Whether signxml, as it is the broker's second verifier, accepts every signature; None as above."""
    said = signxml_says(document, signers)
    return None if said.reason in signxml_adapter.CANNOT else said.stance is Stance.AGREES


def signxml_says(document: bytes, signers: list[x509.Certificate]) -> SecondOpinion:
    """Return its words; without a look at what our own verifier finds."""
    asked = [signxml_adapter.Asked(certificate=it) for it in signers]
    return signxml_adapter.opinion(read(document, Limits()), len(document), asked)


def decoded(written: etree._Element) -> bytes | None:
    """Return the octets of a ds:X509Certificate, as far as they are Base64."""
    try:
        return base64.b64decode("".join(written.itertext()))
    except ValueError:
        return None
