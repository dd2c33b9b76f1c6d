"""A host of commands by itself, and a caller whose service ends at the wrong moment."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS, eventually

from orchestra_nb.cli.warm_command import run_warm
from orchestra_nb.services.command_socket import LENGTH, command_socket

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="commands are kept warm on Linux only")

#: Counts its arguments. At first no process can be made ready.
_HOST = """
from orchestra_nb.services.command_host import CommandHost
tries = []
def prepare():
    tries.append(1)
    if len(tries) == 1:
        raise OSError(11, "no more processes")
host = CommandHost(len, prepare, lambda: None, 0)
print("ready", flush=True)
host.serve()
"""
_CALLER = "from orchestra_nb.cli.warm_command import run_warm; print(run_warm(['orchestra', 'a', 'b']))"


def test_a_host_that_could_not_fork_tries_again(tmp_path: Path) -> None:
    host = subprocess.Popen([sys.executable, "-c", _HOST], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert host.stdout is not None
        assert host.stdout.readline() == "ready\n"

        def answer() -> str | None:
            caller = [sys.executable, "-c", _CALLER]
            said = subprocess.run(caller, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
            return None if said.stdout == "None\n" else said.stdout

        assert eventually(answer) == "3\n"
    finally:
        host.terminate()
        host.communicate(timeout=PATIENCE_SECONDS)
    assert host.returncode == 0


#: Prints what it is asked, and has told on a pipe how often a process was made ready.
_PRINTING_HOST = """
import os, sys
from orchestra_nb.services.command_host import CommandHost
host = CommandHost(lambda argv: print("said") or 0, lambda: os.write(9, b"."), lambda: None, 0)
print("ready", flush=True)
host.serve()
"""


def test_a_command_that_cannot_print_ends_and_says_so(tmp_path: Path) -> None:
    prepared, tell = os.pipe()
    command = ["bash", "-c", 'exec 9>&"$1" "$2" -c "$3"', "bash", str(tell), sys.executable, _PRINTING_HOST]
    host = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, pass_fds=[tell])
    os.close(tell)
    caller = "import sys; from orchestra_nb.cli.warm_command import run_warm; sys.exit(run_warm(['orchestra', 'a']))"
    try:
        assert host.stdout is not None
        assert host.stdout.readline() == "ready\n"
        with open("/dev/full", "w") as full:
            codes = [
                subprocess.run(
                    [sys.executable, "-c", caller], cwd=tmp_path, stdout=full, stderr=full, timeout=PATIENCE_SECONDS
                ).returncode
                for _ in range(2)
            ]
        os.set_blocking(prepared, False)
        ready = b""

        def has_one_for_the_next() -> bool:
            nonlocal ready
            with contextlib.suppress(BlockingIOError):
                ready += os.read(prepared, 8)
            return len(ready) >= 3

        eventually(has_one_for_the_next)
    finally:
        host.terminate()
        host.communicate(timeout=PATIENCE_SECONDS)

    assert codes == [120, 120]
    with os.fdopen(prepared, "rb") as told:
        os.set_blocking(prepared, True)
        assert (ready, told.read()) == (b"...", b"")  # by the host alone, and nobody is left who would hold the pipe


def test_ctrl_c_before_the_command_began_ends_it_without_a_word(tmp_path: Path) -> None:
    python = [sys.executable, "-P"]
    where = "from orchestra_nb.services.command_socket import command_socket; print(command_socket())"
    path = subprocess.run([*python, "-c", where], capture_output=True, text=True, timeout=PATIENCE_SECONDS).stdout
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(path.strip())
        listener.listen()
        listener.settimeout(PATIENCE_SECONDS)
        command = subprocess.Popen([*python, "-m", "orchestra_nb", "run", "x"], stderr=subprocess.PIPE, text=True)
        try:
            caller, _ = listener.accept()
            with caller:
                command.send_signal(signal.SIGINT)
                command.wait(PATIENCE_SECONDS)
            _, stderr = command.communicate()  # not before: what it sent may hold its stderr open
        finally:
            os.unlink(path.strip())

    assert (command.returncode, stderr) == (130, "")


def test_a_caller_whose_service_ends_before_the_command_began_runs_it_itself() -> None:
    before = signal.getsignal(signal.SIGINT)
    path = command_socket()
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(PATIENCE_SECONDS)

        def end_at_once() -> None:
            caller, _ = listener.accept()
            with caller, caller.makefile("rb") as request:
                request.read(*LENGTH.unpack(request.read(LENGTH.size)))
                caller.sendall(json.dumps({"pid": os.getpid()}).encode())

        service = threading.Thread(target=end_at_once)
        service.start()
        try:
            assert run_warm(["orchestra", "run"]) is None
        finally:
            service.join()
            path.unlink()
    assert signal.getsignal(signal.SIGINT) is before
