"""The engines that other tests stand on."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pika
import psutil
import psycopg

from tests.conftest import engines, listens, settings_of


def test_a_test_gets_an_empty_database_of_its_own(postgres_database, postgres_url):
    with psycopg.connect(postgres_database.replace("+psycopg", "")) as connection:
        name, tables = connection.execute(
            "SELECT current_database(), (SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public')"
        ).fetchone()
    assert name.startswith("test_")
    assert tables == 0
    assert not postgres_url.endswith(name)


def test_rabbitmq_takes_a_durable_quorum_queue(rabbitmq_url, queue_name):
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        queue = queue_name("probe")
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_publish("", queue, b"hello", mandatory=True)
        assert channel.basic_get(queue, auto_ack=True)[2] == b"hello"
        channel.queue_delete(queue)


def test_engines_that_are_written_down_but_gone_are_not_taken_for_standing_ones():
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"amqp://guest:guest@127.0.0.1:{server.getsockname()[1]}/"
        assert listens(url)
    assert not listens(url)


def test_what_was_started_is_ended_and_nothing_is_left(tmp_path):
    folder = tmp_path / "engines"
    engines("up", "--dir", str(folder), "--only", "postgres")
    state = json.loads((folder / "state.json").read_text())
    engines("up", "--dir", str(folder), "--only", "postgres")
    assert json.loads((folder / "state.json").read_text()) == state, "an engine that answers is left alone"
    assert psycopg.connect(settings_of(folder)["GONIEC_TEST_POSTGRES"].replace("+psycopg", "")).close() is None

    engines("down", "--dir", str(folder))
    for process in state["processes"].values():
        assert not psutil.pid_exists(process["pid"]) or psutil.Process(process["pid"]).status() == "zombie"
    assert not Path(state["data"]).exists()
    assert [file.name for file in folder.iterdir()] == ["lock"]
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", state["ports"]["postgres"]))
    engines("down", "--dir", str(folder))
