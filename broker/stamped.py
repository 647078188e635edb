"""The time-stamped copy of a receipt: XAdES-T, a second artefact beside the receipt that was issued.

A receipt as issued is its canonical octets.  The copy is the same octets with one SignatureTimeStamp put in its place
(ETSI EN 319 132-1 §5.3): so each can be made from the other, and what else a copy might hold has no room in it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final

from lxml import etree

from broker.errors import Rejection
from broker.parse import Limits, read
from broker.verify import written
from broker.verify.names import SIGNATURE, SIGNATURE_VALUE

_HEAD: Final = (
    b"<xades:UnsignedProperties><xades:UnsignedSignatureProperties><xades:SignatureTimeStamp>"
    b'<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:CanonicalizationMethod>'
    b"<xades:EncapsulatedTimeStamp>"
)
_TAIL: Final = (
    b"</xades:EncapsulatedTimeStamp></xades:SignatureTimeStamp>"
    b"</xades:UnsignedSignatureProperties></xades:UnsignedProperties>"
)
_END: Final = b"</xades:QualifyingProperties></ds:Object></ds:Signature></pos:Dokument>"
_STAMP: Final = re.compile(re.escape(_HEAD) + b"([A-Za-z0-9+/]+={0,2})" + re.escape(_TAIL) + b"(?=" + _END + b"$)")
_LIMITS: Final = Limits(payload=1_000_000, elements=2_000, depth=30)


def to_stamp(receipt: bytes) -> bytes:
    """Return the octets that a time-stamp is for: the canonical ds:SignatureValue.

    Raises ValueError if the receipt does not have the form in which it is issued.
    """
    if not receipt.endswith(_END) or _HEAD in receipt:
        raise ValueError("no receipt as it is issued")
    try:
        return octets(read(receipt, _LIMITS))
    except Rejection as no:
        raise ValueError("no receipt as it is issued") from no


def octets(root: etree._Element) -> bytes:
    """Return the canonical ds:SignatureValue of a receipt; raise ValueError if it has not exactly one."""
    values = root.findall(f"{SIGNATURE}/{SIGNATURE_VALUE}")
    if len(values) != 1:
        raise ValueError("not one signature value")
    return etree.tostring(values[0], method="c14n", exclusive=True)


def properties(token: bytes) -> bytes:
    """Return the UnsignedProperties that hold a token (DER), and nothing else."""
    return _HEAD + b64encode(token) + _TAIL


def with_stamp(receipt: bytes, token: bytes) -> bytes:
    """Return the copy of a receipt, as it was issued, with a token (DER) in it."""
    return receipt[: -len(_END)] + properties(token) + _END


def apart(canonical: bytes) -> tuple[bytes, bytes] | None:
    """Return the receipt and the token of a copy, both octets; None if it holds no time-stamp in the right form."""
    found = _STAMP.search(canonical)
    token = written.decoded(found[1].decode()) if found else None
    if found is None or token is None:
        return None
    return canonical[: found.start()] + canonical[found.end() :], token
