"""`soap`: any body under any Content-Type gets an answer, and never the one that admits a bug of ours."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.channels.soap.endpoint import Endpoint, Request
from adapters.channels.soap.skrytka import SERVICE
from adapters.testkit.box import NS, Submission
from adapters.testkit.channels import Desk
from adapters.wire import ob, soap
from adapters.wire.soap import SOAP11, SOAP12
from broker.parse import Limits
from tests.builders import NOON

LONGEST = 50_000
LIMITS = Limits()
ACTIONS = ("", f'"{NS}nadaj"', f"{NS}nadajAny", '"urn:other"')


def body(data: bytes) -> None:
    """Send what follows the first line under what stands in the first line: an action's number, a Content-Type."""
    line, _, message = data.partition(b"\n")
    action, content_type = ACTIONS[line[0] % len(ACTIONS) if line else 0], line[1:].decode("latin-1")
    desk = Desk()
    endpoint = Endpoint(service=SERVICE, channel="boxes", limits=LIMITS, accept=desk)
    response = endpoint.answer(Request(body=message, content_type=content_type, action=action, received_at=NOON))
    answer = soap.read(response.body, LIMITS)
    if response.status == 200:
        assert len(desk.envelopes) == 1
        return
    fault = soap.read_fault(answer)
    assert fault is not None, response.body
    assert not fault.receiver, response.body  # the fault is the sender's: nobody else can make one here
    assert not desk.envelopes


def seeds() -> Iterator[bytes]:
    """Right messages, in both versions of SOAP, plain and in parts."""
    extras = ob.write_extras([("IdentyfikatorSprawy", "A.1")])
    for version in (SOAP11, SOAP12):
        for submission in (Submission(), Submission(any=True), Submission(extras=extras, headers=b"<x/>")):
            yield b"0" + soap.content_type(version).encode() + b"\n" + submission.envelope(version)
            if not submission.any:
                kind, package = submission.package(version)
                yield b"0" + kind.encode() + b"\n" + package
