"""The engines that other tests stand on."""

from __future__ import annotations

import pika
import psycopg


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
