"""The layout of an evidence container: ASiC-E with XAdES (ETSI EN 319 162-1 §4.4 and annex A, EN 319 132-1).

A container is a ZIP whose signature covers every file of it but `mimetype` and META-INF.  What stands in META-INF is a
function of those files, the seal's certificates, a moment, the signature value and a time-stamp, and has exactly one
form: `read` takes a signature file apart and lays it out anew, so that nothing else can hide in it.  Here are octets
alone: ZIPs are `adapters/archive`'s.
"""

from __future__ import annotations

import hashlib
import unicodedata
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol
from urllib.parse import quote, unquote

from lxml import etree

from broker import parse, stamped
from broker.errors import Rejection
from broker.verify import written
from broker.verify.names import DS, TYPE_SIGNED_PROPERTIES, XADES

MIMETYPE: Final = "mimetype"
CONTAINER: Final = "application/vnd.etsi.asic-e+zip"
MANIFEST: Final = "META-INF/manifest.xml"
SIGNATURES: Final = "META-INF/signatures001.xml"
META: Final = (MIMETYPE, MANIFEST, SIGNATURES)
"""Everything in a container that its signature does not cover."""

MOST: Final = 1_000
"""Files in a container."""

_LIMITS: Final = parse.Limits(payload=4_000_000, elements=20_000, depth=20)  # 1,000 files need 1.2 MB
_ASIC: Final = "{http://uri.etsi.org/02918/v1.2.1#}"
_ODF: Final = "{urn:oasis:names:tc:opendocument:xmlns:manifest:1.0}"
_DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
_LONGEST: Final = 200  # characters of a name
_ID: Final = "seal"  # there is one signature, and Ids need be unique in its file alone
_PROPERTIES: Final = f"{_ID}-properties"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainedFile:
    """A file of a container, as the signature names it."""

    name: str
    media_type: str
    sha256: bytes


def require_names(names: Sequence[str]) -> None:
    """Raise ValueError unless these can be the names of a container's files, beside one another and on any system."""
    if not names or len(names) > MOST:
        raise ValueError(f"a container has 1 to {MOST} files")
    for name in names:
        parts = name.split("/")
        if (
            len(name) > _LONGEST
            or any(part in {"", ".", ".."} or part != part.strip() for part in parts)
            or any(unicodedata.category(character).startswith("C") or character in '\\:*?"<>|' for character in name)
            or unicodedata.normalize("NFC", name) != name
            or parts[0].casefold() in {"meta-inf", MIMETYPE}
        ):
            raise ValueError(f"no name for a file of a container: {name!a}")
    folders = {name.rpartition("/")[0].casefold() for name in names}
    if len({name.casefold() for name in names}) < len(names) or folders & {name.casefold() for name in names}:
        raise ValueError("two files of a container have one name")


def manifest(files: Sequence[ContainedFile]) -> bytes:
    """Return META-INF/manifest.xml (OpenDocument 1.2 part 3 §4): the container and its files, each with its type."""
    root = etree.Element(f"{_ODF}manifest", nsmap={"manifest": _ODF[1:-1]})
    root.set(f"{_ODF}version", "1.2")
    for path, kind in (("/", CONTAINER), *((file.name, file.media_type) for file in files)):
        etree.SubElement(root, f"{_ODF}file-entry", {f"{_ODF}full-path": path, f"{_ODF}media-type": kind})
    return _DECLARATION + _octets(root)


class ContainerSeal(Protocol):
    """The broker's seal, on containers."""

    def seal_files(self, files: Sequence[ContainedFile]) -> bytes:
        """Return META-INF/signatures001.xml: a detached XAdES baseline-B signature over all these files.

        Raises Unavailable while the key is out of reach, and when these cannot be the files of a container.  May be
        called by many threads.
        """
        ...


# ── the signature ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """All of a signature but its value: XAdES baseline B, detached (EN 319 132-1 §6)."""

    files: tuple[ContainedFile, ...]
    chain: tuple[bytes, ...]  # certificates, DER: the seal's own, then those above it
    at: datetime  # claimed by the signer; to the second
    method: str  # of the signature, its identifier

    def __post_init__(self) -> None:
        require_names([file.name for file in self.files])

    @property
    def to_sign(self) -> bytes:
        """The octets that the signature value is for: the canonical ds:SignedInfo."""
        return _octets(self._info())

    def signed(self, value: bytes, token: bytes = b"") -> bytes:
        """Return META-INF/signatures001.xml with a signature value, and a time-stamp on it (DER) if there is one."""
        root = etree.Element(f"{_ASIC}XAdESSignatures", nsmap={"asic": _ASIC[1:-1]})
        signature = etree.SubElement(root, f"{DS}Signature", Id=_ID, nsmap={"ds": DS[1:-1]})
        signature.append(self._info())
        signature.append(_value(value))
        data = etree.SubElement(etree.SubElement(signature, f"{DS}KeyInfo"), f"{DS}X509Data")
        for der in self.chain:
            etree.SubElement(data, f"{DS}X509Certificate").text = _base64(der)
        holder = etree.SubElement(signature, f"{DS}Object")
        qualifying = etree.SubElement(
            holder, f"{XADES}QualifyingProperties", Target=f"#{_ID}", nsmap={"xades": XADES[1:-1]}
        )
        qualifying.append(self._properties())
        octets = _DECLARATION + _octets(root)
        end = b"</xades:QualifyingProperties></ds:Object></ds:Signature></asic:XAdESSignatures>"
        return octets[: -len(end)] + stamped.properties(token) + end if token else octets

    def _info(self) -> etree._Element:
        info = etree.Element(f"{DS}SignedInfo", nsmap={"ds": DS[1:-1]})
        etree.SubElement(info, f"{DS}CanonicalizationMethod", Algorithm=_EXCLUSIVE)
        etree.SubElement(info, f"{DS}SignatureMethod", Algorithm=self.method)
        for number, file in enumerate(self.files, start=1):
            it = etree.SubElement(info, f"{DS}Reference", Id=_reference(number), URI=quote(file.name))
            _digest(it, file.sha256)
        it = etree.SubElement(info, f"{DS}Reference", Type=TYPE_SIGNED_PROPERTIES, URI=f"#{_PROPERTIES}")
        etree.SubElement(etree.SubElement(it, f"{DS}Transforms"), f"{DS}Transform", Algorithm=_EXCLUSIVE)
        _digest(it, hashlib.sha256(_octets(self._properties())).digest())
        return info

    def _properties(self) -> etree._Element:
        names = {"xades": XADES[1:-1], "ds": DS[1:-1]}
        root = etree.Element(f"{XADES}SignedProperties", Id=_PROPERTIES, nsmap=names)
        about = etree.SubElement(root, f"{XADES}SignedSignatureProperties")
        etree.SubElement(about, f"{XADES}SigningTime").text = self.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        certificates = etree.SubElement(about, f"{XADES}SigningCertificateV2")
        for der in self.chain:
            cert = etree.SubElement(certificates, f"{XADES}Cert")
            _digest(etree.SubElement(cert, f"{XADES}CertDigest"), hashlib.sha256(der).digest())
        formats = etree.SubElement(root, f"{XADES}SignedDataObjectProperties")
        for number, file in enumerate(self.files, start=1):
            it = etree.SubElement(formats, f"{XADES}DataObjectFormat", ObjectReference=f"#{_reference(number)}")
            etree.SubElement(it, f"{XADES}MimeType").text = file.media_type
        return root


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A signature file, taken apart; whether the value and the time-stamp hold is not judged here."""

    unsigned: Unsigned
    value: bytes
    token: bytes  # of a time-stamp, DER; empty if there is none

    @property
    def to_stamp(self) -> bytes:
        """The octets that a time-stamp is for: the canonical ds:SignatureValue."""
        return _octets(_value(self.value))


def read(signatures: bytes) -> Signed:
    """Take META-INF/signatures001.xml apart; raise ValueError unless it is, to the octet, what `signed` writes."""
    try:
        found = _parts(parse.read(signatures, _LIMITS))
    except Rejection as no:
        raise ValueError("no signature of a container") from no
    if found.unsigned.signed(found.value, found.token) != signatures:
        raise ValueError("no signature of a container in the form that Goniec writes")
    return found


def _parts(root: etree._Element) -> Signed:
    references = root.findall(f"{DS}Signature/{DS}SignedInfo/{DS}Reference")[:-1]  # the last is on the properties
    files = tuple(
        ContainedFile(
            name=unquote(reference.get("URI", ""), errors="strict"),
            media_type=kind.text or "",
            sha256=_decoded(_text(reference, "DigestValue")),
        )
        for reference, kind in zip(references, root.iter(f"{XADES}MimeType"), strict=True)
    )
    at = written.moment(_text(root, "SigningTime", XADES))
    if at is None:
        raise ValueError("a signature of a container without its moment")
    tokens = [it.text or "" for it in root.iter(f"{XADES}EncapsulatedTimeStamp")]
    return Signed(
        unsigned=Unsigned(
            files=files,
            chain=tuple(_decoded(it.text or "") for it in root.iter(f"{DS}X509Certificate")),
            at=at,
            method=next((it.get("Algorithm", "") for it in root.iter(f"{DS}SignatureMethod")), ""),
        ),
        value=_decoded(_text(root, "SignatureValue")),
        token=_decoded(tokens[0]) if tokens else b"",
    )


def _text(element: etree._Element, name: str, namespace: str = DS) -> str:
    """Return what the first element of a name holds; raise ValueError if there is none."""
    found = next(element.iter(namespace + name), None)
    if found is None:
        raise ValueError(f"a signature of a container without {name}")
    return found.text or ""


def _decoded(text: str) -> bytes:
    value = written.decoded(text)
    if value is None:
        raise ValueError("no Base64")
    return value


def _value(value: bytes) -> etree._Element:
    element = etree.Element(f"{DS}SignatureValue", nsmap={"ds": DS[1:-1]})
    element.text = _base64(value)
    return element


def _digest(parent: etree._Element, sha256: bytes) -> None:
    etree.SubElement(parent, f"{DS}DigestMethod", Algorithm=_SHA256)
    etree.SubElement(parent, f"{DS}DigestValue").text = _base64(sha256)


def _reference(number: int) -> str:
    return f"file-{number}"


def _base64(octets: bytes) -> str:
    return b64encode(octets).decode()


def _octets(element: etree._Element) -> bytes:
    """Return the canonical octets, exclusively: what a part is signed by does not hang on where it stands."""
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
