"""What a guarded thread may connect to, and that it can be cut."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from patience import PATIENCE_SECONDS

from orchestra_nb.services.guarded_calls import CallRefused, guarded_calls


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A socket that accepts connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server


def test_a_guarded_thread_does_not_connect_to_the_own_machine(listening: socket.socket) -> None:
    port = listening.getsockname()[1]

    with guarded_calls(may_be_private=False, limit_seconds=PATIENCE_SECONDS) as calls:
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(CallRefused, match="127.0.0.1 is not one of the open internet"):
                socket.create_connection((host, port), timeout=1)
        with socket.socket() as connection, pytest.raises(CallRefused, match="localhost is not one"):
            connection.connect(("localhost", port))  # a name that would be looked up after the check
        with socket.socket(type=socket.SOCK_DGRAM) as connection, pytest.raises(CallRefused):
            connection.sendto(b"x", ("127.0.0.1", port))
        with socket.socket(socket.AF_UNIX) as connection, pytest.raises(CallRefused):
            connection.connect("/tmp/nobody")

    assert calls.refusals[0] == "the address 127.0.0.1 is not one of the open internet"
    assert len(calls.refusals) == 3


def test_nothing_is_started_whose_connections_nobody_would_check() -> None:
    with guarded_calls(may_be_private=False, limit_seconds=PATIENCE_SECONDS):
        with pytest.raises(CallRefused, match="would start a thread or a program"):
            subprocess.Popen([sys.executable, "-c", ""])


def test_other_threads_are_not_guarded(listening: socket.socket) -> None:
    start, ended = threading.Event(), threading.Event()

    def connect() -> None:
        start.wait(PATIENCE_SECONDS)
        with socket.create_connection(listening.getsockname()):
            ended.set()

    thread = threading.Thread(target=connect)
    thread.start()
    with guarded_calls(may_be_private=False, limit_seconds=PATIENCE_SECONDS) as calls:
        start.set()
        assert ended.wait(PATIENCE_SECONDS)
    thread.join()

    assert calls.refusals == []


def test_nothing_is_guarded_afterwards(listening: socket.socket) -> None:
    with guarded_calls(may_be_private=False, limit_seconds=PATIENCE_SECONDS):
        pass

    with socket.create_connection(listening.getsockname()) as connection:
        assert connection.getpeername() == listening.getsockname()


def test_who_waits_for_an_answer_is_cut_when_the_time_is_up(listening: socket.socket) -> None:
    open_files = len(os.listdir("/proc/self/fd"))

    with guarded_calls(may_be_private=True, limit_seconds=0.1) as calls:
        with socket.create_connection(listening.getsockname()) as connection:
            connection.settimeout(PATIENCE_SECONDS)
            answer = connection.recv(1)
        with pytest.raises(CallRefused, match="The time is up"):
            socket.create_connection(listening.getsockname())

    assert (answer, calls.is_cut, calls.refusals) == (b"", True, [])
    assert len(os.listdir("/proc/self/fd")) == open_files
