"""Listening sockets are shared by who asks for the same, and taken over from who has opened them before."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from adapters.wire.listening import opened
from broker.errors import Unavailable
from config.listeners import Listeners


@pytest.fixture
def close():
    """Closes what a test has opened, at its end or at once."""
    with ExitStack() as ends:

        def close(one):
            ends.callback(one.close)
            return one

        close.all = ends.pop_all
        yield close


def place(listening):
    return listening.getsockname()[:2]


def takes(listening):
    """Whether a connection to its address arrives at this socket."""
    with socket.create_connection(place(listening), timeout=20):
        listening.settimeout(20)
        taken, _ = listening.accept()
        taken.close()
    listening.setblocking(False)
    return True


def test_who_asks_for_what_is_kept_gets_the_same_socket_again_and_again(close):
    listeners = close(Listeners(keep=True))
    first, second = close(listeners("127.0.0.1", 0)), close(listeners("127.0.0.1", 0))
    assert place(first) == place(second)
    first.close()
    assert takes(second)
    third = close(listeners("127.0.0.1", 0))
    assert place(third) == place(second)
    assert takes(third)


@pytest.mark.parametrize("name", ["a..b", "b" * 64])
def test_what_can_be_no_machines_name_is_told_like_one_that_nobody_knows(name):
    with pytest.raises(Unavailable, match="cannot listen on"):
        Listeners()(name, 8080)


def test_no_socket_ever_blocks_the_others_that_share_it(close):
    """A duplicate that blocked would make them all block: a worker would hang in `accept` until the next client."""
    listeners = close(Listeners(keep=True))
    sockets = [close(listeners("127.0.0.1", 0)) for _ in range(3)]
    assert [os.get_blocking(one.fileno()) for one in sockets] == [False] * 3


def test_without_keeping_each_gets_a_socket_of_his_own(close):
    listeners = close(Listeners())
    first, second = close(listeners("127.0.0.1", 0)), close(listeners("127.0.0.1", 0))
    assert place(first) != place(second)
    with pytest.raises(Unavailable, match="cannot listen on"):
        listeners(*place(first))


def test_what_nobody_asks_for_any_more_is_closed(close):
    listeners = Listeners(keep=True)
    old, new = (place(close(listeners(host, 0))) for host in ("127.0.0.1", "localhost"))
    close.all().close()
    with listeners.anew() as wanted:
        close(listeners("localhost", 0))
    close(listeners).keep_only(wanted)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(old, timeout=20)
    socket.create_connection(new, timeout=20).close()


def test_what_fails_while_addresses_are_asked_for_anew_leaves_everything_as_it_was(close):
    """What was opened for nothing is closed; what was open for others stays open."""
    listeners = close(Listeners(keep=True))
    with listeners.anew() as wanted:
        old = place(close(listeners("127.0.0.1", 0)))
    taken = place(close(opened("127.0.0.1", 0)))
    new = []

    def ask():
        with listeners.anew(), listeners("localhost", 0) as asked:
            new.append(place(asked))
            listeners(*taken)

    with pytest.raises(Unavailable, match="cannot listen on"):
        ask()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(new[0], timeout=20)
    listeners.keep_only(wanted)
    socket.create_connection(old, timeout=20).close()


HEIR = """
import os, sys
os.dup2(int(sys.argv[2]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_FDNAMES="soap", LISTEN_PID=str(eval(sys.argv[3])))
from config.listeners import Listeners
listeners = Listeners.handed_over(os.environ)
assert not [name for name in os.environ if name.startswith("LISTEN_")], "a child of ours could take them for its own"
if "forgotten" in sys.argv:
    listeners.keep_only(())
with listeners("127.0.0.1", int(sys.argv[1])) as one:
    print(one.getsockname()[1], one.getblocking(), os.get_inheritable(3))
"""


def handed_over(listening, *words, to_whom):
    """Run a process to which a socket is handed over as descriptor 3, as systemd does it; return what it says."""
    port, number = place(listening)[1], listening.fileno()
    return subprocess.run(
        [sys.executable, "-c", HEIR, str(port), str(number), to_whom, *words],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        pass_fds=[number],
    )


def test_a_socket_that_was_handed_over_is_found_by_its_address(close):
    listening = close(opened("127.0.0.1", 0))
    told = handed_over(listening, to_whom="os.getpid()")
    assert told.stdout == f"{place(listening)[1]} False False\n", told.stderr


def test_a_socket_that_was_handed_over_is_there_again_when_it_is_wanted_again(close):
    """The system has it open all the while, so that nobody could open another one in its place."""
    listening = close(opened("127.0.0.1", 0))
    told = handed_over(listening, "forgotten", to_whom="os.getpid()")
    assert told.stdout == f"{place(listening)[1]} False False\n", told.stderr


def test_what_was_handed_to_another_process_is_left_alone(close):
    told = handed_over(close(opened("127.0.0.1", 0)), to_whom="os.getpid() + 1")
    assert "cannot listen on 127.0.0.1" in told.stderr
