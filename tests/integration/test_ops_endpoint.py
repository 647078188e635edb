"""The endpoint for monitoring, over real sockets: three answers, in time, whoever else hangs on it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from datetime import timedelta

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from adapters.ops.endpoint import Endpoint, Standing
from adapters.ops.metrics import Registry
from adapters.ops.settings import OpsSettings
from broker.errors import Unavailable

FULL = Standing(condition="disk", reason="1 MB free\nof 500 MB", retry_after=timedelta(seconds=60))
OFFICE = Standing(condition="office-queue", reason="too many deliveries wait for town", partial=True)


class Asked:
    """A running endpoint and what it knows."""

    def __init__(self):
        self.standings, self.figures = [], Registry()
        self.endpoint = Endpoint("127.0.0.1", 0, standings=lambda: self.standings, figures=self.figures)
        self.port = self.endpoint.start()

    def get(self, path, method="GET", **headers):
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            line.request(method, path, headers=headers)
            answer = line.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
        finally:
            line.close()


@pytest.fixture
def asked():
    made = Asked()
    yield made
    made.endpoint.stop()


def test_it_lives(asked):
    assert asked.get("/livez") == (200, "text/plain; charset=utf-8", "ok\n")


def test_it_is_ready_when_nothing_stands_in_the_way(asked):
    assert asked.get("/readyz")[::2] == (200, "ready\n")


def test_it_is_not_ready_and_says_why_in_one_line_for_each_reason(asked):
    asked.standings = [FULL, OFFICE]
    assert asked.get("/readyz")[::2] == (
        503,
        "not ready\ndisk: 1 MB free of 500 MB\noffice-queue: too many deliveries wait for town\n",
    )


def test_what_concerns_only_some_documents_leaves_it_ready_and_is_told(asked):
    asked.standings = [OFFICE]
    assert asked.get("/readyz")[::2] == (200, "ready\noffice-queue: too many deliveries wait for town\n")


def test_machines_get_the_same_as_json(asked):
    asked.standings = [FULL]
    status, kind, body = asked.get("/readyz", Accept="application/json")
    assert (status, kind) == (503, "application/json")
    assert json.loads(body) == {
        "ready": False,
        "conditions": [{"condition": "disk", "reason": "1 MB free\nof 500 MB", "partial": False, "retry_after": 60.0}],
    }


def test_figures_come_in_the_format_that_prometheus_asks_for(asked):
    asked.figures.counter("seen_total", "Seen.").add()
    assert asked.get("/metrics") == (
        200,
        "text/plain; version=0.0.4; charset=utf-8",
        "# HELP goniec_seen_total Seen.\n# TYPE goniec_seen_total counter\ngoniec_seen_total 1\n",
    )


def test_a_head_has_no_body_and_nothing_else_is_there(asked):
    assert asked.get("/readyz", "HEAD")[::2] == (200, "")
    assert asked.get("/skrytka")[0] == 404
    assert asked.get("/livez", "POST")[0] == 501
    assert asked.get("/livez?x=1")[0] == 200


def test_silent_callers_are_hung_up_on_and_honest_ones_served(asked):
    with capture_logs() as said:
        silent = [socket.create_connection(("127.0.0.1", asked.port)) for _ in range(40)]
        silent[0].sendall(b"GET /livez HTTP/1.0\r\nX: ")
        for one in silent:
            one.settimeout(20)
            while one.recv(1_000):  # whoever did not fit in is hung up on at once, the others after a while
                pass
            one.close()
        assert asked.get("/livez")[0] == 200
    assert said == []


def test_what_is_no_http_is_no_bug(asked):
    with capture_logs() as said:
        with socket.create_connection(("127.0.0.1", asked.port)) as one:
            one.sendall(b"\x16\x03\x01\x00\xff\r\n\r\n")
            while one.recv(1_000):
                pass
        with socket.create_connection(("127.0.0.1", asked.port)) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # reset at the end
            one.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert asked.get("/livez")[0] == 200
    assert said == []


def test_a_port_that_is_taken_is_unavailable(asked):
    with pytest.raises(Unavailable, match="cannot listen"):
        Endpoint("127.0.0.1", asked.port, standings=list, figures=Registry()).start()


def test_it_leaves_no_thread(asked):
    before = threading.active_count()
    other = Asked()
    other.get("/livez")
    other.endpoint.stop()
    while threading.active_count() > before:
        pass


def test_ipv6_is_listened_on():
    endpoint = Endpoint("::1", 0, standings=list, figures=Registry())
    port = endpoint.start()
    try:
        socket.create_connection(("::1", port)).close()
    finally:
        endpoint.stop()


@pytest.mark.parametrize("listen", ["0.0.0.0:9464", "10.0.0.1:9464", "[::]:9464", "goniec.example:9464"])
def test_beyond_this_machine_it_listens_only_when_somebody_says_so(listen):
    with pytest.raises(ValidationError, match="beyond_loopback"):
        OpsSettings(listen=listen)
    assert OpsSettings(listen=listen, beyond_loopback=True).address[1] == 9464


@pytest.mark.parametrize("listen", ["9464", "127.0.0.1", "http://127.0.0.1:9464", "a@127.0.0.1:1", ":1"])
def test_what_is_no_address_is_said_to_be_none(listen):
    with pytest.raises(ValidationError, match="not an address and a port"):
        OpsSettings(listen=listen)
