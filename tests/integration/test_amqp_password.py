"""The password of a RabbitMQ stands beside its address: in a file, or in a variable of the environment."""

from __future__ import annotations

from time import monotonic
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from adapters.channels.amqp import KIND as CHANNEL
from adapters.offices.amqp import KIND as OFFICE
from adapters.wire.amqp import connect
from adapters.wire.amqp_address import AmqpAddress, parameters_of
from broker.errors import ConfigError, Unavailable
from tests.around import surroundings

ODD = "p@ss:w/rd%20#?ż &"


def without_password(url):
    who = urlsplit(url)
    return who._replace(netloc=who.netloc.replace(f":{who.password}@", "@")).geturl(), who.password


def test_rabbitmq_lets_in_who_has_the_password_in_a_file(rabbitmq_url, tmp_path):
    url, password = without_password(rabbitmq_url)
    (tmp_path / "it").write_text(f"{password}\n")
    (tmp_path / "wrong").write_text("wrong\n")
    connect(AmqpAddress(url=url, password_file="it").parameters(tmp_path, name="test"), monotonic() + 15).close()
    with pytest.raises(Unavailable) as no:
        connect(AmqpAddress(url=url, password_file="wrong").parameters(tmp_path, name="test"), monotonic() + 15)
    assert "wrong" not in str(no.value)


def test_rabbitmq_lets_in_who_has_the_password_in_the_environment(rabbitmq_url, tmp_path, monkeypatch):
    url, password = without_password(rabbitmq_url)
    monkeypatch.setenv("PLANTED", password)
    settings = AmqpAddress(url=url, password_variable="PLANTED")
    connect(settings.parameters(tmp_path, name="test"), monotonic() + 15).close()


@pytest.mark.parametrize("password", [ODD, "x", "%41"])
def test_a_password_is_taken_as_it_is(password):
    parameters = parameters_of(
        "amqp://us%C5%BCr@host:5000/v%2Fh?heartbeat=7", name="test", password=SecretStr(password)
    )
    assert (parameters.credentials.username, parameters.credentials.password) == ("usżr", password)
    assert (parameters.host, parameters.port, parameters.virtual_host, parameters.heartbeat) == ("host", 5000, "v/h", 7)


@pytest.mark.parametrize("url", ["amqp://host/", "amqp://user:another@host/"])
def test_a_password_beside_an_address_needs_a_user_there_and_no_other_password(url):
    with pytest.raises(ConfigError, match="must name a user"):
        parameters_of(url, name="test", password=SecretStr(ODD))


@pytest.mark.parametrize(("kind", "more"), [(CHANNEL, {}), (OFFICE, {"routing_key": "r"})])
def test_channel_and_office_take_it_alike(kind, more, tmp_path):
    (tmp_path / "it").write_text(ODD)
    settings = kind.settings(url="amqp://user@127.0.0.1/", password_file="it", **more)
    assert kind.make(settings, surroundings(tmp_path))
    with pytest.raises(ConfigError, match="password_file: "):
        kind.make(kind.settings(url="amqp://user@127.0.0.1/", password_file="none", **more), surroundings(tmp_path))
