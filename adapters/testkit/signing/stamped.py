"""XAdES-T made by hand: a signature time-stamp put into a signed document (ETSI EN 319 132-1 §5.3)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

from adapters.testkit.signing.canonical import canonical, tree
from adapters.testkit.signing.recipe import C14N, EXCLUSIVE

_DS = "{http://www.w3.org/2000/09/xmldsig#}"
_END = b"</xades:SignedProperties>"


def stamp(document: bytes, token: Callable[[bytes], bytes], *, how: str = EXCLUSIVE, times: int = 1) -> bytes:
    """Return a document, signed once with the prefixes of `signer.py`, with time-stamps over its SignatureValue.

    `token` makes one of the octets that it is given; `how` canonicalises them, empty: inclusively and unsaid.
    """
    value = next(tree(document).iter(f"{_DS}SignatureValue"))
    octets = canonical(value, how or C14N)
    method = f'<ds:CanonicalizationMethod Algorithm="{how}"/>' if how else ""
    one = (
        f"<xades:SignatureTimeStamp>{method}<xades:EncapsulatedTimeStamp>"
        f"{b64encode(token(octets)).decode()}</xades:EncapsulatedTimeStamp></xades:SignatureTimeStamp>"
    )
    unsigned = (
        f"<xades:UnsignedProperties><xades:UnsignedSignatureProperties>{one * times}"
        "</xades:UnsignedSignatureProperties></xades:UnsignedProperties>"
    )
    before, found, after = document.rpartition(_END)
    if not found:
        raise ValueError("not signed in the way of signer.py")
    return before + found + unsigned.encode() + after
