"""What can be said about the AMQP way in, and the rules about who may reach it."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from adapters.wire.amqp_address import AmqpAddress
from adapters.wire.reach import on_loopback
from broker.retry import RetryPolicy


class AmqpChannelSettings(AmqpAddress):
    """Where the queue is, and how it is emptied.  Durations are seconds or ISO 8601."""

    queue: str = "goniec.in"
    dead_letters: str = ""  # <queue>.dead-letters unless named: what was refused
    quarantine: str = ""  # <queue>.quarantine unless named: what was redelivered too often
    declare_queues: bool = True  # make the three queues; if not, they must be there
    workers: int = Field(default=8, ge=1, le=64)  # messages in intake at the same time
    # Messages held beside them that must wait for a reason of their own: their sender is too fast, or an authority has
    # not answered.  With more, all others wait until one of them may go on.
    aside: int = Field(default=24, ge=0, le=1_000)
    large: int = Field(default=100_000_000, ge=1)  # bytes of messages of 1 MB and more in intake at the same time
    redeliveries: int = Field(default=20, ge=1)  # more of them, and a message is put into quarantine
    first_wait: timedelta = timedelta(seconds=1)  # when intake is away and names no wait; doubling up to:
    longest_wait: timedelta = timedelta(minutes=5)
    deadline: timedelta = timedelta(seconds=15)  # for connecting, and for each answer of RabbitMQ
    # How senders prove who they are: by the `user_id` that RabbitMQ has checked.  Without it they are believed, which
    # is for tests with a RabbitMQ on this machine: whoever reaches that one can name any partner.  A user of RabbitMQ
    # with the tag `impersonator` is believed on its word.
    proof: tuple[Literal["amqp-user"], ...] = ()

    @property
    def retry(self) -> RetryPolicy:
        """The waits while intake is away, and of a message that met a bug."""
        return RetryPolicy(first=self.first_wait, longest=self.longest_wait)


def problems(settings: AmqpChannelSettings, host: str, *, tls: bool, environment: str) -> list[str]:
    """Return what is wrong with who can reach the queue, on a RabbitMQ at this host; nothing if all is well."""
    found, beyond = [], not on_loopback(host)
    if not settings.proof and beyond:
        found.append('proof: must be ["amqp-user"] when RabbitMQ is not on this machine: senders must be known')
    elif not settings.proof and environment == "production":
        # A RabbitMQ that we reach on loopback listens wherever it was told to, and takes what comes from there.
        found.append('proof: must be ["amqp-user"] in production: from where RabbitMQ can be reached, we do not know')
    if beyond and not tls:
        found.append("url: must begin with amqps:// when RabbitMQ is not on this machine")
    return found
