"""What the benchmarks send: general letters of about 4 kB under the signatures that offices meet most.

Every second letter bears a podpis zaufany (the platform's one certificate, the person in the ClaimedRole), every
other a qualified signature in the public signing service's shape, each by a resident with a certificate of their
own: somebody who files once a year is new to every cache.  All keys are RSA-2048.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing import get_context

from adapters.testkit.box import NS, Submission
from adapters.testkit.certificates import QC_PERSON, Credential, Person, distinguished, key, statements_of
from adapters.testkit.pki import Pki
from adapters.testkit.signer import sign, sign_on_platform
from adapters.testkit.signing.recipe import QUALIFIED
from adapters.wire import soap
from adapters.wire.soap import SOAP11
from config.demo.forms import Attachment, Kind, form
from config.demo.offices import DemoOffice
from config.demo.people import person

CONTENT_TYPE = soap.content_type(SOAP11)
ACTION = f'"{NS}nadaj"'
ABREAST = 25  # letters that a process signs in one go

_BARE = 8_500  # octets of a signed letter without attachments
_PART = 7_000_000
_OCTETS = "application/octet-stream"

_HEAD = "POST /skrytka HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {}\r\nSOAPAction: {}\r\nContent-Length: {}\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A signed document and the box it is for."""

    document: bytes
    box: str

    def envelope(self, sender: str) -> bytes:
        """Return the SOAP message.  From another sender the same document is another message."""
        submission = Submission(document=self.document, box=self.box, sender=sender, reply_to="")
        return submission.envelope(SOAP11)

    def request(self, sender: str) -> bytes:
        """Return the whole HTTP request, ready for a socket."""
        body = self.envelope(sender)
        return _HEAD.format(CONTENT_TYPE, ACTION, len(body)).encode() + body


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes letters, each by its number."""

    offices: Sequence[DemoOffice]
    pki: Pki
    at: datetime

    def letter(self, index: int) -> Letter:
        """Return the letter of this number."""
        office = self.offices[index % len(self.offices)]
        kind = (Kind.LETTER_1410, Kind.LETTER_4566)[index // 2 % 2]
        text = form(kind, office, index, at=self.at, attachments=())
        resident = _resident(index)
        if index % 2:
            document = sign(text, _qualified(resident, self.pki, self.at), self.at, QUALIFIED)
        else:
            document = sign_on_platform(text, self.pki.platform, resident, self.at)
        return Letter(document=document, box=office.box)


def letters(number: int, offices: Sequence[DemoOffice], pki: Pki, at: datetime) -> list[Letter]:
    """Return `number` distinct letters, to every office in turn, signed by as many processes as there are cores."""
    _ = pki.platform, pki.qualified_ca, key("residents")  # made now, so that all processes have the same
    writer = Writer(offices=offices, pki=pki, at=at)
    # Forked, for keys cannot be sent to another process.
    with ProcessPoolExecutor(
        os.cpu_count() or 1, mp_context=get_context("fork"), initializer=_sit_down, initargs=(writer,)
    ) as pool:
        return list(pool.map(_write, range(number), chunksize=ABREAST))


def large_letter(office: DemoOffice, octets: int, pki: Pki, at: datetime) -> Letter:
    """Return a signed letter of about so many octets: attachments of noise, 7 MB each at most, written as Base64."""
    noise = max(octets - _BARE, 0) * 3 // 4
    attached = [
        Attachment(name=f"{begin}.bin", content=secrets.token_bytes(min(_PART, noise - begin)), mime=_OCTETS)
        for begin in range(0, noise, _PART)
    ]
    text = form(Kind.LETTER_1410, office, secrets.randbits(30), at=at, attachments=attached)
    return Letter(document=sign(text, pki.person, at, QUALIFIED), box=office.box)


_writers: list[Writer] = []  # of this process, when it is one of the pool


def _sit_down(writer: Writer) -> None:
    _writers.append(writer)


def _write(index: int) -> Letter:
    return _writers[0].letter(index)


def _resident(index: int) -> Person:
    one = person(index)
    return Person(given=one.given_name, family=one.family_name, pesel=one.pesel, born=one.born)


def _qualified(resident: Person, pki: Pki, at: datetime) -> Credential:
    """Return a certificate of the resident's own.  The key is shared: making one would take longer than all else."""
    subject = distinguished(
        common_name=f"{resident.given} {resident.family}",
        given=resident.given,
        family=resident.family,
        serial=f"PNOPL-{resident.pesel}",
    )
    year = timedelta(days=365)
    return pki.qualified_ca.issue(
        subject,
        key("residents"),
        not_before=at - year,
        not_after=at + year,
        extras=[statements_of(QC_PERSON)],
        person=resident,
    )
