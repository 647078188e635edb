"""What we sign is read by our own reader and agrees with what was to be said."""

from __future__ import annotations

import pytest

from adapters.wire import soap, wss
from adapters.wire.soap import SOAP11, SOAP12, WSA
from broker.parse import Limits
from tests.corpus.verify.scene import AT, PKI

VERSIONS = pytest.mark.parametrize("version", [SOAP11, SOAP12], ids=["1.1", "1.2"])
KEYS = pytest.mark.parametrize("by", [PKI.seal, PKI.elliptic_person], ids=["rsa", "ec"])
RELATES = f'<wsa:RelatesTo xmlns:wsa="{WSA}">urn:m-1</wsa:RelatesTo>'.encode()


def sign(version, by, body: bytes, headers: bytes = b"") -> soap.Message:
    envelope = soap.write(version, body, headers)
    return soap.read(wss.sign(version, envelope, by.key, by.certificate, AT), Limits())


@VERSIONS
@KEYS
def test_a_reply_is_signed_whole(version, by) -> None:
    message = sign(version, by, b"<a/>", RELATES + b"<h/>")
    secured = wss.read(message, AT)
    assert secured is not None
    assert secured.certificate == by.certificate
    assert secured.headers == message.headers[1:]
    assert [block.tag for block in message.headers[1:]] == [f"{{{WSA}}}RelatesTo", "h"]
    secured.demand(timestamp=True, headers=message.headers[1:])
    assert secured.created == AT
    assert secured.expires == AT + wss.WINDOW


@VERSIONS
def test_a_reply_keeps_its_content(version) -> None:
    said = 'zażółć "gęślą" <&> \r\n koniec'
    message = sign(version, PKI.seal, b"<a b='1'>" + soap.escape(said) + b"</a>")
    assert message.version is version
    assert message.body is not None
    assert (message.body.tag, message.body.text, dict(message.body.attrib)) == ("a", said, {"b": "1"})
    secured = wss.read(message, AT)
    assert secured is not None
    assert secured.body


@VERSIONS
def test_a_fault_can_be_signed(version) -> None:
    fault = soap.Fault(blame=soap.Blame.SENDER, pl="Nie", en="No", detail=b"<d/>")
    envelope = soap.write_fault(version, fault)
    message = soap.read(wss.sign(version, envelope, PKI.seal.key, PKI.seal.certificate, AT), Limits())
    said = soap.read_fault(message)
    assert said is not None
    assert said.reason.startswith("Nie")
    secured = wss.read(message, AT)
    assert secured is not None
    secured.demand(timestamp=True, headers=())


def test_whoever_does_not_know_the_header_may_pass_over_it() -> None:
    security = sign(SOAP11, PKI.seal, b"<a/>").headers[0]
    assert security.get(f"{{{SOAP11.namespace}}}mustUnderstand") is None
