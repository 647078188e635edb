"""Signatures for hostile documents: true ones by the authorities that the corpus trusts, and forged ones.

Most are forged: a digest is computed, and a key tried, before anybody knows that a signature is not true.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from functools import cache

from adapters.testkit.certificates import Credential
from adapters.testkit.pki import Pki
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import ENVELOPED, EXCLUSIVE, XPATH
from tests.corpus.kept import remember_keys
from tests.corpus.world import AT

remember_keys()  # then the authorities are those that the corpus trusts
PKI = Pki(at=AT)

END = b"</wnio:Dokument>"
DIGESTS = (
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
)
OWN = f'<ds:Transform Algorithm="{ENVELOPED}"/>'
ALL = (
    f'<ds:Transform Algorithm="{XPATH}"><ds:XPath xmlns:ds="http://www.w3.org/2000/09/xmldsig#">'
    "not(ancestor-or-self::ds:Signature)</ds:XPath></ds:Transform>"
)
MISMATCH = "verify.digest-mismatch"
COSTLY = "verify.too-costly"


def reference(uri: str = "", steps: str = OWN, how: str = EXCLUSIVE, prefixes: str = "", digest: str = "") -> str:
    listed = f'<c:InclusiveNamespaces xmlns:c="{EXCLUSIVE}" PrefixList="{prefixes}"/>' if prefixes else ""
    algorithm = digest or DIGESTS[0]
    length = {DIGESTS[0]: 32, DIGESTS[1]: 48, DIGESTS[2]: 64}[algorithm]
    return (
        f'<ds:Reference URI="{uri}"><ds:Transforms>{steps}<ds:Transform Algorithm="{how}">{listed}</ds:Transform>'
        f'</ds:Transforms><ds:DigestMethod Algorithm="{algorithm}"/>'
        f"<ds:DigestValue>{b64encode(bytes(length)).decode()}</ds:DigestValue></ds:Reference>"
    )


@cache
def _one(by: Credential, **_: object) -> str:
    found = re.search("<ds:Signature .*</ds:Signature>", sign(b"<r/>", by, AT).decode(), re.DOTALL)
    assert found
    return found[0]


def forged(
    number: int = 0, *references: str, by: Credential | None = None, change: Callable[[str], str] = str
) -> bytes:
    """A signature over `<r/>` with Ids of its own, in which further References stand first."""
    text = re.sub(r'((?:Id="|Target="#|URI="#)[a-z-]*id-[^"]*)', rf"\g<1>-{number}", _one(by or PKI.person))
    return change(text.replace("<ds:Reference ", "".join(references) + "<ds:Reference ", 1)).encode()


def with_signatures(document: bytes, *signatures: bytes, end: bytes = END) -> bytes:
    head, _, tail = document.rpartition(end)
    return b"".join([head, *signatures, end, tail])


def application(inside: bytes) -> bytes:
    """A form of which nobody asks anything."""
    return b'<w:Dokument xmlns:w="http://example.test/wzor/">%s</w:Dokument>' % inside


APPLICATION = b"</w:Dokument>"
