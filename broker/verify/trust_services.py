"""The trust services of a list, read out of its XML (ETSI TS 119 612 §5.4 to §5.6).

A service that is not understood whole is left out and named, never read in part: half a criterion applies to other
certificates than the whole.  What its status was before is read too, so that the services know their times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final, Literal, cast

from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from lxml import etree

from broker.verify import written
from broker.verify.certificate import Certificate, load
from broker.verify.fault import Fault
from broker.verify.flaw import trust_anchor
from broker.verify.names import XADES
from broker.verify.qualified import (
    SVC_INFO,
    Criteria,
    Criterion,
    KeyPurposes,
    KeyUsage,
    Policies,
    Purpose,
    Qualification,
    Service,
    SubjectAttributes,
)

TSL: Final = "{http://uri.etsi.org/02231/v2#}"
_SIE: Final = "{http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#}"
EXTRA: Final = "{http://uri.etsi.org/02231/v2/additionaltypes#}"
_GRANTED: Final = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/granted"

_DEEPEST: Final = 8  # criteria within criteria
_LONGEST_NAME: Final = 200

_FOR: Final = {
    SVC_INFO + "ForeSignatures": Purpose.SIGNATURES,
    SVC_INFO + "ForeSeals": Purpose.SEALS,
    SVC_INFO + "ForWebSiteAuthentication": Purpose.WEBSITES,
}
# TS 119 612 §5.5.9.2.2.1 and what the certificates' library calls the same (RFC 5280 §4.2.1.3).
_BITS: Final = {
    "digitalSignature": "digital_signature",
    "nonRepudiation": "content_commitment",
    "keyEncipherment": "key_encipherment",
    "dataEncipherment": "data_encipherment",
    "keyAgreement": "key_agreement",
    "keyCertSign": "key_cert_sign",
    "crlSign": "crl_sign",
    "encipherOnly": "encipher_only",
    "decipherOnly": "decipher_only",
}
_YES_OR_NO: Final = {"true": True, "1": True, "false": False, "0": False}


class Kind(Enum):
    """The services that signatures are judged by; others are passed over."""

    CERTIFICATES = "http://uri.etsi.org/TrstSvc/Svctype/CA/QC"
    TIME_STAMPS = "http://uri.etsi.org/TrstSvc/Svctype/TSA/QTST"


class NotUnderstood(Exception):
    """An element is not as the standard has it; never leaves this package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A service with its certificates, and the times in which it is or was granted; none is none any more."""

    kind: Kind
    name: str
    certificates: tuple[x509.Certificate, ...]
    times: tuple[Service, ...]


def read(root: etree._Element, territory: str, end: datetime) -> tuple[tuple[Listed, ...], tuple[str, ...]]:
    """Return a list's services, whose times end with the list at `end`, and the names of those not understood."""
    known, left_out = [], []
    for provider in root.iterfind(f"{TSL}TrustServiceProviderList/{TSL}TrustServiceProvider"):
        for service in provider.iterfind(f"{TSL}TSPServices/{TSL}TSPService"):
            try:
                found = _service(service, territory, end)
            except NotUnderstood as why:
                left_out.append(f"{_name(service)}: {why}")
            else:
                known += [] if found is None else [found]
    return tuple(known), tuple(left_out)


def one(parent: etree._Element, tag: str) -> etree._Element:
    """Return the only child of a name; raise NotUnderstood."""
    found = list(parent.iterchildren(tag))
    if len(found) != 1:
        raise NotUnderstood(f"{etree.QName(tag).localname} stands {len(found)} times")
    return found[0]


def text_of(parent: etree._Element, tag: str) -> str:
    """Return the text of the only child of a name; raise NotUnderstood."""
    return _text(one(parent, tag))


def moment_of(parent: etree._Element, tag: str) -> datetime:
    """Return the moment in the only child of a name; raise NotUnderstood."""
    found = written.moment(text_of(parent, tag))
    if found is None:
        raise NotUnderstood(f"{etree.QName(tag).localname} is no moment in UTC")
    return found


def _text(element: etree._Element) -> str:
    found = written.text(element)
    if found is None:
        raise NotUnderstood(f"{etree.QName(element).localname} holds more than text")
    return found.strip()


def certificates(identity: etree._Element) -> Iterator[Certificate]:
    """Yield the certificates of a ServiceDigitalIdentity, each once; one that cannot be read is passed over."""
    held = identity.iterfind(f"{TSL}DigitalId/{TSL}X509Certificate")
    for der in dict.fromkeys(written.octets(it) or b"" for it in held):
        found = _sound(der)
        if found is not None:
            yield found


def _sound(der: bytes) -> Certificate | None:
    """Return a certificate that every library here can read: one that cannot be read must not stop the others."""
    try:
        found = load(der)
        trust_anchor(asn1.Certificate.load(der, strict=True))
    except (Fault, ValueError, TypeError, KeyError, IndexError, AttributeError, UnsupportedAlgorithm):
        return None
    return found


def _name(service: etree._Element) -> str:
    for name in service.iterfind(f"{TSL}ServiceInformation/{TSL}ServiceName/{TSL}Name"):
        return " ".join((written.text(name) or "").split())[:_LONGEST_NAME]
    return "a service without a name"


def _service(service: etree._Element, territory: str, end: datetime) -> Listed | None:
    """Return a service; None if it is of a kind that is not asked for."""
    now = one(service, TSL + "ServiceInformation")
    try:
        kind = Kind(text_of(now, TSL + "ServiceTypeIdentifier"))
    except ValueError:
        return None
    identity = certificates(one(now, TSL + "ServiceDigitalIdentity"))
    past = service.findall(f"{TSL}ServiceHistory/{TSL}ServiceHistoryInstance")
    name = _name(service)
    return Listed(
        kind=kind,
        name=name,
        # A signer's own certificate is no anchor, whatever a list holds: only what may issue is.
        certificates=tuple(it.x509 for it in identity if it.authority or kind is not Kind.CERTIFICATES),
        times=tuple(_times([now, *past], name, territory, end)),
    )


def _times(instances: Sequence[etree._Element], name: str, territory: str, end: datetime) -> Iterator[Service]:
    """Yield the times in which the service was granted, each until the next status begins, the latest first.

    The first instance is the present one, the others are its history.
    """
    begins = [(moment_of(it, TSL + "StatusStartingTime"), it) for it in instances]
    begins[1:] = sorted(begins[1:], key=lambda it: it[0], reverse=True)
    since = [it for it, _ in begins]
    if since[0] != max(since):
        raise NotUnderstood("its history is later than its present")
    for (begin, instance), until in zip(begins, [end, *since], strict=False):
        if text_of(instance, TSL + "ServiceStatus") != _GRANTED:
            continue
        purposes, qualifications = _extensions(instance)
        yield Service(
            name=name,
            territory=territory,
            since=begin,
            until=min(until, end),
            purposes=purposes,
            qualifications=qualifications,
        )


def _extensions(instance: etree._Element) -> tuple[frozenset[Purpose], tuple[Qualification, ...]]:
    purposes: set[Purpose] = set()
    qualifications: list[Qualification] = []
    for extension in instance.iterfind(f"{TSL}ServiceInformationExtensions/{TSL}Extension"):
        for content in extension.iterchildren(etree.Element):
            if content.tag == TSL + "AdditionalServiceInformation":
                purpose = _FOR.get(text_of(content, TSL + "URI"))
                purposes |= set() if purpose is None else {purpose}
            elif content.tag == _SIE + "Qualifications":
                qualifications += [_qualification(it) for it in _only(content, _SIE + "QualificationElement")]
            elif content.tag in (TSL + "ExpiredCertsRevocationInfo", EXTRA + "TakenOverBy"):
                continue
            elif _YES_OR_NO.get(extension.get("Critical") or "", True):
                raise NotUnderstood(f"the critical extension {etree.QName(content).localname} is not known")
    return frozenset(purposes), tuple(qualifications)


def _only(parent: etree._Element, *tags: str) -> list[etree._Element]:
    """Return the children, all of these names; raise NotUnderstood."""
    children = list(parent.iterchildren(etree.Element))
    for child in children:
        if child.tag not in tags:
            raise NotUnderstood(f"{etree.QName(child).localname} in {etree.QName(parent).localname} is not known")
    return children


def _qualification(element: etree._Element) -> Qualification:
    _only(element, _SIE + "Qualifiers", _SIE + "CriteriaList")
    qualifiers = [it.get("uri") or "" for it in _only(one(element, _SIE + "Qualifiers"), _SIE + "Qualifier")]
    if not qualifiers:
        raise NotUnderstood("a qualification without a qualifier")
    return Qualification(
        # The whole URI if it does not begin as all do: so it is none that is known.
        qualifiers=frozenset(it.removeprefix(SVC_INFO) for it in qualifiers),
        criteria=_criteria(one(element, _SIE + "CriteriaList"), _DEEPEST),
    )


def _criteria(element: etree._Element, depth: int) -> Criteria:
    combine = element.get("assert")
    if combine not in ("all", "atLeastOne", "none"):
        raise NotUnderstood("criteria that are combined in no known way")
    if depth == 0:
        raise NotUnderstood("criteria within criteria within criteria")
    parts = [
        part
        for child in element.iterchildren(etree.Element)
        if etree.QName(child).localname != "Description"
        for part in _criterion(child, depth)
    ]
    if not parts:
        raise NotUnderstood("a list of criteria without one")
    return Criteria(cast("Literal['all', 'atLeastOne', 'none']", combine), tuple(parts))


def _criterion(element: etree._Element, depth: int) -> Iterator[Criterion]:
    match element.tag:
        case it if it == _SIE + "KeyUsage":
            yield KeyUsage(tuple(_bit(bit) for bit in _some(element, _SIE + "KeyUsageBit")))
        case it if it == _SIE + "PolicySet":
            yield Policies(frozenset(_identifier(it) for it in _some(element, _SIE + "PolicyIdentifier")))
        case it if it == _SIE + "CriteriaList":
            yield _criteria(element, depth - 1)
        case it if it == _SIE + "otherCriteriaList":
            for other in _some(element, EXTRA + "ExtendedKeyUsage", EXTRA + "CertSubjectDNAttribute"):
                if other.tag == EXTRA + "ExtendedKeyUsage":
                    yield KeyPurposes(frozenset(_identifier(it) for it in _some(other, EXTRA + "KeyPurposeId")))
                else:
                    yield SubjectAttributes(frozenset(_identifier(it) for it in _some(other, EXTRA + "AttributeOID")))
        case _:
            raise NotUnderstood(f"the criterion {etree.QName(element).localname} is not known")


def _some(parent: etree._Element, *tags: str) -> list[etree._Element]:
    """Return the children, all of these names and at least one; raise NotUnderstood."""
    found = _only(parent, *tags)
    if not found:
        raise NotUnderstood(f"{etree.QName(parent).localname} is empty")
    return found


def _bit(element: etree._Element) -> tuple[str, bool]:
    name, value = _BITS.get(element.get("name") or ""), _YES_OR_NO.get(_text(element))
    if name is None or value is None:
        raise NotUnderstood("a key usage that is not known")
    return name, value


def _identifier(element: etree._Element) -> str:
    """Return an OID, written bare or as `urn:oid:`; raise NotUnderstood."""
    oid = text_of(element, XADES + "Identifier").removeprefix("urn:oid:")
    if not all(part.isascii() and part.isdigit() for part in oid.split(".")):
        raise NotUnderstood(f"{etree.QName(element).localname} is no object identifier")
    return oid
