"""What else a signature says of the key: nothing signs it, so it must not say another thing than the certificate.

All that stands in a KeyInfo is about one key (XMLDSig 1.1 §4.5), and other verifiers take the first that they find,
some of them wherever it stands.  Lists of revocations are no evidence here, for nobody says how old they may be; but
one that is none is no KeyInfo either.
Names, numbers and addresses of certificates (`KeyName`, `X509IssuerSerial`, `RetrievalMethod`) are not read: nothing is
looked up by them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from cryptography import x509
from lxml import etree

from broker.verify import key_value, unsigned, written
from broker.verify.certificate import HOSTILE
from broker.verify.fault import Fault
from broker.verify.names import DS, KEY_INFO, SIGNATURE
from broker.verify.trust import PublicKey

_KEYS: Final = 10  # written in one signature
_LISTS: Final = 10  # of revocations, likewise
_LARGEST: Final = 1_000_000  # octets of a list


def require(signature: etree._Element, apart: Collection[etree._Element], key: PublicKey) -> None:
    """Raise Fault unless each key that is written in it is the signer's, and each list of revocations is one.

    `apart` are the elements in it that are not asked: what is signed, and the signatures of others.
    """
    keys = list(filter(key_value.is_key, unsigned.elements(signature, apart)))
    lists = list(signature.iterfind(f"{KEY_INFO}/{DS}X509Data/{DS}X509CRL"))
    if len(keys) > _KEYS or len(lists) > _LISTS:
        raise Fault("verify.too-many-keys")
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
        raise Fault("verify.key-value-mismatch", _place(element), part=_name(element))


def _require_list(element: etree._Element) -> None:
    octets = written.octets(element)
    if octets is None or len(octets) > _LARGEST:
        raise _unreadable(element)
    try:
        x509.load_der_x509_crl(octets)
    except HOSTILE as error:
        raise _unreadable(element) from error


def _unreadable(element: etree._Element) -> Fault:
    return Fault("verify.key-info-unreadable", _place(element), part=_name(element))


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname


def _place(element: etree._Element) -> str:
    """Return the part of the signature that holds it."""
    around = list(element.iterancestors())
    return f"ds:{_name(around[[it.tag for it in around].index(SIGNATURE) - 1])}"
