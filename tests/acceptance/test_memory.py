"""Large documents, many at once, by SOAP and by AMQP, in and out: the whole process stays under its ceiling."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pika
import pytest

from adapters.testkit.box import Submission
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import QUALIFIED
from config.demo.forms import Attachment, Kind, form

CEILING = 3_000  # MB, of a process (docs/explanation/limits.md)
MB = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Load:
    """How many documents each way, how many bytes of them may be worked on at once, and the ceiling in MB."""

    number: int
    large: int
    ceiling: int


ONE_AT_A_TIME = Load(number=3, large=35 * MB, ceiling=1_500)
AS_CONFIGURED = Load(number=12, large=100 * MB, ceiling=CEILING)


def a_large_letter(town, number):
    """Some 30 MB when written out, of three attachments."""
    noise = secrets.token_bytes(7 * MB)
    attachments = [Attachment(name=f"{part}.bin", content=noise, mime="application/octet-stream") for part in range(3)]
    letter = form(Kind.LETTER_1410, town.office, number, attachments=attachments)
    return sign(letter, town.site.pki.person, datetime.now(UTC), QUALIFIED)


def most_resident(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1_000


def publish(url, queue, town, documents):
    about = pika.BasicProperties(headers={"sender": "portal", "box": town.office.box}, delivery_mode=2)
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for document in documents:
            channel.basic_publish("", queue, document, about, mandatory=True)


def wait_until_accepted(town, number):
    deadline = time.monotonic() + 200
    while town.log().count('"intake.accepted"') < number:
        assert time.monotonic() < deadline, town.log()[-2_000:]
        time.sleep(0.2)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("load", [ONE_AT_A_TIME, pytest.param(AS_CONFIGURED, marks=pytest.mark.slow)], ids=str)
def test_many_documents_of_30_mb_at_once_stay_under_the_ceiling(found, rabbitmq_url, queue_name, load):
    large, number = load.large, load.number
    queue = queue_name("large")
    amqp = {"kind": "amqp", "url": rabbitmq_url, "queue": queue, "large": large}
    sections = {
        "channels.queue": amqp,
        "pressure": {"large": large},
        "delivery": {"first_wait": 0.2, "longest_wait": 1.0, "poll": 0.1, "large": large},
    }
    town = found(
        sections=sections, ways=lambda dms, office: {"kind": "soap", "url": dms.url(office.id), "in_flight": 8}
    )
    by_soap = [a_large_letter(town, number) for number in range(number)]
    by_amqp = [a_large_letter(town, 1_000 + number) for number in range(number)]
    assert min(map(len, by_soap)) > 28 * MB
    with ThreadPoolExecutor(number + 1) as pool:
        queued = pool.submit(publish, rabbitmq_url, queue, town, by_amqp)
        replies = list(pool.map(lambda document: in_the_end(town, document), by_soap))
        queued.result()
    assert all(reply.answer().success for reply in replies)
    wait_until_accepted(town, 2 * number)
    town.settle()
    most = most_resident(town.serving.process)
    print(f"documents={2 * number} most_resident={most}MB")  # noqa: T201 - what -s shows
    assert most < load.ceiling


def in_the_end(town, document):
    """Put a document until it is not put off: with so many at once senders are asked to come back."""
    patient = replace(town.site.box, timeout=400)
    while (reply := patient.submit(Submission(document=document, box=town.office.box))).status == 503:
        time.sleep(0.5)
    return reply
