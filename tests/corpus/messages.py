"""Signed SOAP messages as files: one as a client signs it, and all that is done to such a message on its way.

    messages/<code>--<what was done>.xml     must be refused with this code by the reader of WS-Security
    messages/accepted--<what it shows>.xml   must be read

A message holds for some minutes: these do at 2026-01-01T12:00:00Z.  Their one token is the certificate of a person
below `trust/local-ca.pem`.  `scripts/corpus` writes them; nothing in them hangs on chance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from cryptography import x509

from adapters.testkit.box import Submission
from adapters.testkit.wss import secure
from adapters.testkit.wss_attacks import HOSTILE
from adapters.wire import ob, soap, wss
from adapters.wire.soap import SOAP11
from broker.errors import Rejection
from broker.parse import Limits
from tests.corpus.kept import ROOT
from tests.corpus.verify.scene import AT, PKI

FOLDER: Final = ROOT / "messages"
ACCEPTED: Final = "accepted"
_AUTHORITY: Final = ROOT / "trust" / "local-ca.pem"


def made() -> Mapping[str, bytes]:
    """Return all messages by the names of their files."""
    by_box_first = Submission(sender=None, headers=ob.element("IdentyfikatorPodmiotu", b"citizen"))
    good = secure(by_box_first.envelope(SOAP11), PKI.local_person, AT)
    bad = {f"{code}--{_slug(what)}.xml": tamper(good) for what, (code, tamper) in HOSTILE.items()}
    return {f"{ACCEPTED}--as-a-client-signs-it.xml": good, **bad}


def code_of(message: bytes) -> str:
    """Return the code that the reader gives; `accepted` if it is signed by somebody below the local authority."""
    try:
        secured = wss.read(soap.read(message, Limits()), AT)
    except Rejection as no:
        return no.code
    if secured is None:
        return "unsigned"
    secured.certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(_AUTHORITY.read_bytes()))
    return ACCEPTED


def write() -> None:
    """Write all anew, and remove what is made no more."""
    FOLDER.mkdir(exist_ok=True)
    messages = made()
    for name, message in messages.items():
        (FOLDER / name).write_bytes(message)
    for gone in {file.name for file in FOLDER.glob("*.xml")} - messages.keys():
        (FOLDER / gone).unlink()


def _slug(what: str) -> str:
    """Return a file's name that no file system takes for another's: Id, ID and id are three attributes."""
    told_apart = re.sub(r" (id|ID)$", lambda it: f" {'small' if it[1] == 'id' else 'capital'} {it[1]}", what)
    return re.sub(r"[^a-z0-9]+", "-", told_apart.lower())
