"""`soap`: any body under any Content-Type gets an answer, and never the one that admits a bug of ours.

Half of the inputs go to an endpoint that believes nobody without a signature.  The fuzzer has no key: so what this one
takes in must be what the partner signed, in every respect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from adapters.channels.soap.endpoint import Endpoint, Request, arriving
from adapters.channels.soap.sender import Gate
from adapters.channels.soap.skrytka import SERVICE
from adapters.testkit.box import NS, Submission
from adapters.testkit.certificates import Credential, key
from adapters.testkit.desk import Desk
from adapters.testkit.wss import ALL, NODE, ZEEP, secure
from adapters.wire import mtom, ob, soap
from adapters.wire.multipart import Part
from adapters.wire.soap import SOAP11, SOAP12
from broker.errors import Rejection
from broker.model import Envelope
from broker.parse import Limits, read
from broker.partner import Partner, Partners, Proof
from tests.builders import NOON
from tests.corpus import kept
from tests.interop import verifiers

LONGEST = 50_000
LIMITS = Limits()
ACTIONS = ("", f'"{NS}nadaj"', f"{NS}nadajAny", '"urn:other"')
_GUARDED = 8  # the bit of the first octet that chooses the endpoint: "0" the open one, "8" the guarded


@cache
def partner() -> Credential:
    """Return who may send to the guarded endpoint: a person of the corpus, whose keys are kept."""
    kept.remember_keys()
    document = read((kept.ROOT / "accepted" / "local-person.xml").read_bytes(), LIMITS)
    der = verifiers.decoded(next(document.iter("{http://www.w3.org/2000/09/xmldsig#}X509Certificate")))
    assert der is not None
    certificate = x509.load_der_x509_certificate(der)
    own = key(f"{certificate.issuer} 90010100016")
    assert isinstance(own, rsa.RSAPrivateKey)
    assert own.public_key() == certificate.public_key()
    return Credential(key=own, certificate=certificate)


@cache
def endpoint_parts() -> Gate:
    """Return the gate of the guarded endpoint."""
    known = Partners([Partner(id="citizen", certificates=(partner().certificate,))])
    return Gate(proofs=frozenset({Proof.WS_SECURITY}), partners=lambda: known)


def body(data: bytes) -> None:
    """Send what follows the first line under what stands in the first line: an octet to choose by, a Content-Type."""
    line, _, message = data.partition(b"\n")
    choice, content_type = line[0] if line else 0, line[1:].decode("latin-1")
    desk = Desk()
    guarded = bool(choice & _GUARDED)
    gate = endpoint_parts() if guarded else Gate()
    endpoint = Endpoint(service=SERVICE, channel="boxes", limits=LIMITS, accept=desk, gate=gate)
    action = ACTIONS[choice % len(ACTIONS)]
    whole, parts = arrived(message, content_type, piece=1 + choice)
    response, _ = endpoint.answer(
        Request(body=message, content_type=content_type, action=action, received_at=NOON, parts=parts)
    )
    answer = soap.read(response.body, LIMITS)
    if response.status == 200:
        assert whole, "accepted, and it could not be taken apart while it arrived"
        assert len(desk.envelopes) == 1
        assert not guarded or meaning(desk.envelopes[0]) in signed(), "accepted, and nobody signed it"
        return
    fault = soap.read_fault(answer)
    assert fault is not None, response.body
    assert not fault.receiver, response.body  # the fault is the sender's: nobody else can make one here
    assert not desk.envelopes


def arrived(message: bytes, content_type: str, piece: int) -> tuple[bool, Sequence[Part] | None]:
    """Return whether a message that arrives in such pieces is taken in, and where its parts stand if it has parts."""
    try:
        parted = arriving(content_type, LIMITS)
        if parted is None:
            return True, None
        for start in range(0, len(message), piece):
            parted.add(message[start : start + piece])
        return True, parted.end()
    except Rejection:
        return False, None


def meaning(envelope: Envelope) -> tuple[object, ...]:
    """Return all that intake would believe of a message."""
    return (
        envelope.payload,
        envelope.sender,
        envelope.to,
        envelope.message_id,
        envelope.reply_to,
        envelope.file_name,
        envelope.trial,
        envelope.case,
        envelope.in_reply_to,
    )


_SUBMISSIONS = (
    Submission(),
    Submission(any=True, document=b"<l:letter xmlns:l='urn:l' a='1'><b/>text</l:letter>"),
    Submission(extras=ob.write_extras([("IdentyfikatorSprawy", "A.1")])),
)


@cache
def signed() -> frozenset[tuple[object, ...]]:
    """Return what the partner signed."""
    found = []
    for submission in _SUBMISSIONS:
        desk = Desk()
        Endpoint(service=SERVICE, channel="boxes", limits=LIMITS, accept=desk).answer(
            Request(
                body=submission.envelope(SOAP11), content_type=soap.content_type(SOAP11), action="", received_at=NOON
            )
        )
        found.append(meaning(desk.envelopes[0]))
    return frozenset(found)


def seeds() -> Iterator[bytes]:
    """Right messages, in both versions of SOAP, plain and in parts, signed and not."""
    assert signed()
    for version in (SOAP11, SOAP12):
        kind = soap.content_type(version).encode()
        for submission in _SUBMISSIONS:
            envelope = submission.envelope(version)
            yield b"0" + kind + b"\n" + envelope
            for recipe in (ALL, NODE, ZEEP):
                yield b"8" + kind + b"\n" + secure(envelope, partner(), NOON, recipe)
            yield b"8" + kind + b"\n" + secure(envelope, partner(), NOON, token="pkipath")
            by_name = secure(envelope, partner(), NOON, key_info="issuer-serial")
            yield b"8" + kind + b"\n" + by_name
            yield b"8" + kind + b"\n" + re.sub(rb"(<ds:X509IssuerName>)[^<]*", rb"\1CN=#0c0141,C=#0900", by_name)
        parts_kind, package = Submission().package(version)
        yield b"0" + parts_kind.encode() + b"\n" + package
        for parted in (SOAP11, SOAP12):
            other, body_ = mtom.pack(parted, secure(Submission().envelope(version), partner(), NOON), {}, NS + "nadaj")
            yield b"8" + other.encode() + b"\n" + body_
