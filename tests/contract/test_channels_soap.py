"""The SOAP way in keeps a channel's contract, in both versions of SOAP and with MTOM."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from adapters.channels.soap import SoapChannel
from adapters.testkit.box import Box, Submission
from adapters.testkit.channels import PATIENCE, Answer, ChannelSuite, Message, Word
from adapters.testkit.desk import Desk
from adapters.wire import mtom, ob
from adapters.wire.soap import SOAP11, SOAP12, Version
from broker.parse import Limits
from tests.builders import NOON
from tests.soap_serving import a_channel

LIMITS = Limits(payload=1_000_000)


@dataclass
class SoapHarness:
    channel: SoapChannel
    unopenable: SoapChannel
    box: Callable[[], Box]
    name: str = "boxes"
    now: datetime = NOON
    limit: int = LIMITS.payload
    reads_on: bool = True
    carries: frozenset[str] = field(default_factory=lambda: frozenset(Message.__slots__))

    def wait_until_open(self) -> None:
        assert self.channel.ready.wait(PATIENCE)

    def send(self, message: Message) -> Answer:
        extras = ob.write_extras(
            [
                ("IdentyfikatorSprawy", message.case),
                ("IdentyfikatorKomunikatu", message.message_id),
                ("IdentyfikatorDokumentu", message.in_reply_to),
            ]
        )
        reply = self.box().submit(
            Submission(
                document=message.payload,
                sender=message.sender,
                box=message.box,
                reply_to=message.reply_to,
                trial="1" if message.trial else "0",
                extras=extras,
                file_name=message.file_name,
            )
        )
        if reply.status == 200:
            attachment = reply.answer().attachment
            assert attachment is not None
            return Answer(word=Word.RECEIPT, receipt=attachment.content)
        if reply.fault().receiver:
            return Answer(word=Word.LATER)
        detail = reply.fault().detail
        attached = detail.find("{urn:goniec:odmowa}Odmowa/zalacznik")
        negative = b"" if attached is None else ob.read_file(attached, mtom.Parts()).content
        return Answer(word=Word.REFUSAL, code=reply.code(), negative_receipt=negative)

    def insist(self, message: Message) -> Answer:
        while (answer := self.send(message)).word is Word.LATER:
            pass
        return answer

    def send_unreadable(self) -> Answer:
        reply = self.box().post(b"<not-soap/>", "text/xml")
        return Answer(word=Word.REFUSAL, code=reply.code())


class SoapChannelSuite(ChannelSuite):
    version: Version = SOAP11
    mtom = False

    @pytest.fixture
    def harness(self, desk: Desk) -> Iterator[SoapHarness]:
        channel = a_channel(limits=LIMITS)
        channel.bind()
        url = f"{channel.base}/skrytka"
        with socket.create_server(("127.0.0.1", 0)) as taken:
            yield SoapHarness(
                channel=channel,
                unopenable=a_channel(listen=f"127.0.0.1:{taken.getsockname()[1]}"),
                box=lambda: Box(url=url, version=self.version, mtom=self.mtom),
            )
        channel.close()


class TestSoap11(SoapChannelSuite):
    pass


class TestSoap12(SoapChannelSuite):
    version = SOAP12


class TestMtom(SoapChannelSuite):
    mtom = True
