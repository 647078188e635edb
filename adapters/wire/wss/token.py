"""Whose key signed, as far as the message says: the certificate that KeyInfo points at (X.509 Token Profile §3).

It is in the message, or it is one that we know already; nothing is fetched.  Nothing is believed of it either: a
certificate chosen wrongly does not fit the signature, and one that fits is judged by its fingerprint.  Anybody can
make a certificate with another's key identifier, or issuer and serial number: so all that are described are named, and
the signature tells which of them was meant.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from asn1crypto import parser
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from adapters.wire.soap import WHITE, elements
from adapters.wire.wss.names import (
    BASE64,
    DS,
    KEY_ID,
    KEY_IDENTIFIER,
    PKI_PATH,
    REFERENCE,
    THUMBPRINT,
    TOKEN_REFERENCE,
    X509_DATA,
    X509V3,
)
from adapters.wire.wss.refusal import no
from broker.verify import certificate, issuer_name, written
from broker.verify.certificate import Certificate
from broker.verify.fault import Fault

Known = Callable[[], Iterable[x509.Certificate]]
"""The certificates that a message may point at without carrying them."""

_MOST: Final = 8  # certificates that one description may fit: each costs a look at the signature
_LONGEST_PATH: Final = 10  # certificates
_LARGEST_PATH: Final = 100_000  # octets
_SEQUENCE: Final = b"\x30"
_SERIAL: Final = re.compile(r"[0-9]{1,60}", re.ASCII)

_Test = Callable[[Certificate], bool]


def find(
    key_info: etree._Element | None,
    tokens: tuple[etree._Element, ...],
    ids: Mapping[str, etree._Element],
    known: Known,
    at: datetime,
) -> Sequence[Certificate]:
    """Return the certificates that may be the signer's, likely ones first; mostly there is one, and never none.

    Raises Malformed, Unauthorised, or Fault if one cannot be read.
    `tokens` are those of our Security header, `ids` the bearers of Ids in the whole envelope.
    """
    pointer = _only(_only(key_info, TOKEN_REFERENCE))
    if pointer.tag == REFERENCE:
        return [_referred(pointer, tokens, ids)]
    if pointer.tag == KEY_IDENTIFIER:
        kind = pointer.get("ValueType") or ""
        value = _octets(pointer)
        if kind == X509V3:
            return [_read(value)]
        tests = _IDENTIFIERS.get(kind)
        if tests is None:
            raise no("wss.key-info", "wsse:KeyIdentifier")
        return _resolved([tests(value)], _carried(tokens), known, at)
    if pointer.tag == X509_DATA:
        return _described(pointer, tokens, known, at)
    raise no("wss.key-info", "wsse:SecurityTokenReference")


def _only(above: etree._Element | None, name: str = "") -> etree._Element:
    """Return the only child of an element, by its name if that is given."""
    inside = [] if above is None else elements(above)
    if len(inside) != 1 or (name and inside[0].tag != name):
        raise no("wss.key-info", "ds:KeyInfo")
    return inside[0]


def _octets(element: etree._Element) -> bytes:
    if (element.get("EncodingType") or BASE64) != BASE64:
        raise no("wss.token", "EncodingType")
    value = written.octets(element)
    if value is None:
        raise no("wss.token", "Base64")
    return value


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────


def _referred(
    pointer: etree._Element, tokens: tuple[etree._Element, ...], ids: Mapping[str, etree._Element]
) -> Certificate:
    uri = pointer.get("URI") or ""
    target = ids.get(uri[1:]) if uri.startswith("#") else None
    if target is None or target not in tokens:
        raise no("wss.token-missing", "wsse:Reference")
    if (pointer.get("ValueType") or target.get("ValueType")) != target.get("ValueType"):
        raise no("wss.key-info", "wsse:Reference")
    return _of_token(target)


def _of_token(token: etree._Element) -> Certificate:
    kind = token.get("ValueType")
    if kind == X509V3:
        return _read(_octets(token))
    if kind == PKI_PATH:
        return _read(_end_of_path(_octets(token)))
    raise no("wss.token", "ValueType")


def _carried(tokens: tuple[etree._Element, ...]) -> Iterator[Certificate]:
    return (_of_token(token) for token in tokens if token.get("ValueType") in {X509V3, PKI_PATH})


def _read(der: bytes) -> Certificate:
    (read,) = certificate.distinct([der])
    return read


def _end_of_path(der: bytes) -> bytes:
    """Return the last certificate of a PKIPath: each is issued by the one before it (X.509 §8.5).

    Its octets are cut out as they stand: what is written anew may be something else, or may not be written at all.
    """
    if len(der) > _LARGEST_PATH:
        raise no("wss.token", "X509PKIPathv1")
    try:
        _, _, _, header, content, _ = parser.parse(der, strict=True)
        path = list(_pieces(content))
    except ValueError as error:
        raise no("wss.token", "X509PKIPathv1") from error
    if header[:1] != _SEQUENCE or not 0 < len(path) <= _LONGEST_PATH:
        raise no("wss.token", "X509PKIPathv1")
    return path[-1]


def _pieces(content: bytes) -> Iterator[bytes]:
    """Give the values that stand one after the other, and no more than one beyond what a path may have."""
    for _ in range(_LONGEST_PATH + 1):
        if not content:
            return
        end = parser.peek(content)
        yield content[:end]
        content = content[end:]


# ── descriptions ─────────────────────────────────────────────────────────────────────────────────────────


def _described(
    data: etree._Element, tokens: tuple[etree._Element, ...], known: Known, at: datetime
) -> Sequence[Certificate]:
    """Return the certificates of which all is true that an X509Data says."""
    embedded = [_read(_octets(it)) for it in data.iterchildren(DS + "X509Certificate")]
    tests: list[_Test] = []
    for part in elements(data):
        if part.tag == DS + "X509IssuerSerial":
            tests.append(_issuer_serial(part))
        elif part.tag == DS + "X509SKI":
            tests.append(_key_id(_octets(part)))
        elif part.tag != DS + "X509Certificate":
            raise no("wss.key-info", "ds:X509Data")
    if len(embedded) > 1 or not (tests or embedded):
        raise no("wss.key-info", "ds:X509Data")
    if embedded:
        return _resolved(tests, embedded, lambda: (), at)
    return _resolved(tests, _carried(tokens), known, at)


def _resolved(
    tests: Iterable[_Test], carried: Iterable[Certificate], known: Known, at: datetime
) -> Sequence[Certificate]:
    """Return those that may be meant, out of the message or, failing that, of those known.

    Several with one key are told apart by nothing but their validity: the valid ones come first.
    """
    tests = list(tests)
    found = [it for it in carried if all(test(it) for test in tests)]
    if not found:
        found = [it for it in _readable(known) if all(test(it) for test in tests)]
        found.sort(key=lambda it: not it.report.not_before <= at <= it.report.not_after)
    if not found:
        raise no("wss.token-missing", "wsse:SecurityTokenReference")
    return found[:_MOST]


def _readable(known: Known) -> Iterator[Certificate]:
    """Give what is known; one that cannot be read is nobody's who signs, and must not keep others out."""
    for it in known():
        try:
            read = certificate.load(it.public_bytes(Encoding.DER))
        except Fault:
            continue
        yield read


def _issuer_serial(part: etree._Element) -> _Test:
    inside = elements(part)
    if [child.tag for child in inside] != [DS + "X509IssuerName", DS + "X509SerialNumber"]:
        raise no("wss.key-info", "ds:X509IssuerSerial")
    issuer, serial = ((written.text(child) or "").strip(WHITE) for child in inside)
    if not _SERIAL.fullmatch(serial):
        raise no("wss.key-info", "ds:X509SerialNumber")
    return lambda it: it.x509.serial_number == int(serial) and issuer_name.names(issuer, it.x509.issuer)


def _key_id(value: bytes) -> _Test:
    def test(it: Certificate) -> bool:
        try:
            extension = it.x509.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except x509.ExtensionNotFound:
            return False
        return extension.value.digest == value

    return test


def _thumbprint(value: bytes) -> _Test:
    # SHA-1 only says which of a few certificates is meant; no trust hangs on it.
    return lambda it: hashlib.sha1(it.der, usedforsecurity=False).digest() == value


_IDENTIFIERS: Final[Mapping[str, Callable[[bytes], _Test]]] = {KEY_ID: _key_id, THUMBPRINT: _thumbprint}
