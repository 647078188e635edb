"""What else a `ds:KeyInfo` says of the key: nothing signs it, so it must not say another thing than the certificate.

All that stands in it is about one key (XMLDSig 1.1 §4.5), and other verifiers take the first that they find.  Lists of
revocations are no evidence here, for nobody says how old they may be; but one that is none is no KeyInfo either.
Names, numbers and addresses of certificates (`KeyName`, `X509IssuerSerial`, `RetrievalMethod`) are not read: nothing is
looked up by them.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509
from lxml import etree

from broker.verify import key_value, written
from broker.verify.certificate import HOSTILE
from broker.verify.fault import Fault
from broker.verify.names import DS, DSIG11
from broker.verify.trust import PublicKey

_KEYS: Final = 10  # written in one KeyInfo
_LISTS: Final = 10  # of revocations, likewise
_LARGEST: Final = 1_000_000  # octets of a list
_PLACE: Final = "ds:KeyInfo"


def require(key_info: etree._Element | None, key: PublicKey) -> None:
    """Raise Fault unless each key that is written in it is the signer's, and each list of revocations is one."""
    if key_info is None:
        return
    keys = list(key_info.iterchildren(DS + "KeyValue", DSIG11 + "DEREncodedKeyValue"))
    lists = [it for data in key_info.iterchildren(DS + "X509Data") for it in data.iterchildren(DS + "X509CRL")]
    if len(keys) > _KEYS or len(lists) > _LISTS:
        raise Fault("verify.key-info-unreadable", _PLACE, part=f"> {_KEYS}")
    for element in keys:
        _require_same(element, key)
    for element in lists:
        _require_list(element)


def _require_same(element: etree._Element, key: PublicKey) -> None:
    try:
        said = key_value.numbers(element)
    except HOSTILE as error:
        raise _unreadable(element) from error
    if said != key.public_numbers():
        raise Fault("verify.key-value-mismatch", _PLACE, part=_name(element))


def _require_list(element: etree._Element) -> None:
    octets = written.octets(element)
    if octets is None or len(octets) > _LARGEST:
        raise _unreadable(element)
    try:
        x509.load_der_x509_crl(octets)
    except HOSTILE as error:
        raise _unreadable(element) from error


def _unreadable(element: etree._Element) -> Fault:
    return Fault("verify.key-info-unreadable", _PLACE, part=_name(element))


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname
