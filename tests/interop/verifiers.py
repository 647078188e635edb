"""What others say of a signed document: xmlsec1 and signxml (the JDK: `java_signatures.py`).

They know no profile and no authorities here: each is handed the signer's certificate and asked for the mathematics of
every signature that stands where one may.  `None` is no opinion: a shape that the verifier cannot read.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml import DigestAlgorithm, SignatureMethod
from signxml.verifier import SignatureConfiguration, XMLVerifier

from broker.parse import Limits, read

DS = "{http://www.w3.org/2000/09/xmldsig#}"
XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
INCLUSIVE = ("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2006/12/xml-c14n11")


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
    """Whether signxml accepts the one signature; None for a shape that it is known not to read."""
    root = read(document, Limits())
    if signxml_cannot_read(root):
        return None
    number = len(list(signatures(root)[0].iterfind(f"{DS}SignedInfo/{DS}Reference")))
    config = SignatureConfiguration(
        require_x509=True,
        expect_references=number,
        signature_methods=frozenset(SignatureMethod),
        digest_algorithms=frozenset(DigestAlgorithm),
    )
    try:
        XMLVerifier().verify(document, x509_cert=signers[0], expect_config=config, validate_schema=False)
    except Exception:  # noqa: BLE001 - it lets foreign exceptions through
        return False
    return True


SIGNXML_CANNOT = {
    "several": "several signatures: it looks at the first alone",
    "counters": "counter-signatures: it finds signatures wherever they stand",
    "xpath": "the XPath transform",
    "comments": "methods with comments: it digests them, though a Reference into the document leaves them out",
    "instructions": "instructions outside the root: it forgets that they are digested",
    "inclusive": "inclusive canonicalisation where a default namespace is inherited: it falls into a trap of lxml",
}
"""What signxml does not read of the shapes that we take, and why."""


def signxml_cannot_read(root: etree._Element) -> str:
    """Return why signxml has no opinion, a key of the table above, or an empty text."""
    return next(_reasons(root), "")


def _reasons(root: etree._Element) -> Iterator[str]:
    found = signatures(root)
    if len(found) != 1:
        yield "several"
        return
    transforms = list(found[0].iter(f"{DS}Transform"))
    algorithms = {it.get("Algorithm") or "" for it in (*transforms, *found[0].iter(f"{DS}CanonicalizationMethod"))}
    if any(it is not found[0] for it in root.iter(f"{DS}Signature")):
        yield "counters"
    if XPATH in algorithms:
        yield "xpath"
    if any(it.endswith("WithComments") for it in algorithms) and next(root.iter(etree.Comment), None) is not None:
        yield "comments"
    if any(next(root.itersiblings(etree.PI, preceding=way), None) is not None for way in (True, False)):
        yield "instructions"
    inclusive = any(it.startswith(INCLUSIVE) for it in algorithms) or len(transforms) < 2
    if inclusive and any(None in it.nsmap for it in root.iter(etree.Element)):
        yield "inclusive"


def decoded(written: etree._Element) -> bytes | None:
    """Return the octets of a ds:X509Certificate, as far as they are Base64."""
    try:
        return base64.b64decode("".join(written.itertext()))
    except ValueError:
        return None
