"""One process told from all others, and how it ended."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from patience import PATIENCE_SECONDS

from orchestra_nb.services.process_watch import ProcessEnd, ProcessWatch, boot_id, is_alive, process_started_at

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it to others than the parent")


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with 3 when its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read(); sys.exit(3)"], stdin=subprocess.PIPE
    ) as process:
        yield process
        process.kill()


def watch(process: subprocess.Popen[bytes]) -> ProcessWatch:
    started_at = process_started_at(process.pid)
    assert started_at is not None
    return ProcessWatch(process.pid, started_at)


def tells_after_collection() -> bool:
    major, minor = platform.release().split(".")[:2]
    return (int(major), int(minor)) >= (6, 15)


def test_this_process_is_alive_and_its_start_does_not_move() -> None:
    started_at = process_started_at(os.getpid())

    assert started_at is not None
    assert process_started_at(os.getpid()) == started_at
    assert is_alive(os.getpid(), started_at)
    assert boot_id() == boot_id()


def test_a_later_process_of_the_same_number_is_another_one() -> None:
    started_at = process_started_at(os.getpid())

    assert started_at is not None
    assert not is_alive(os.getpid(), started_at - 1)


def test_a_process_that_nobody_has_collected_is_dead(process: subprocess.Popen[bytes]) -> None:
    started_at = process_started_at(process.pid)
    assert started_at is not None
    watched = watch(process)

    process.kill()

    assert watched.wait(PATIENCE_SECONDS)
    assert not is_alive(process.pid, started_at)
    watched.close()


def test_a_living_process_is_waited_for(process: subprocess.Popen[bytes]) -> None:
    watched = watch(process)

    assert not watched.wait(0.05)

    watched.close()
    watched.close()


@on_linux
@pytest.mark.parametrize("is_collected", [False, True], ids=["not collected", "collected by its parent"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None], ids=str)
def test_the_end_of_a_process_is_known(
    process: subprocess.Popen[bytes], end: signal.Signals | None, is_collected: bool
) -> None:
    if is_collected and not tells_after_collection():
        pytest.skip("this Linux forgets it")
    watched = watch(process)
    assert process.stdin is not None

    if end is None:
        process.stdin.close()
    else:
        process.send_signal(end)
    if is_collected:
        process.wait()

    assert watched.wait(PATIENCE_SECONDS)
    assert watched.end() == (ProcessEnd(exit_code=3) if end is None else ProcessEnd(signal=end))
    watched.close()


def test_a_process_that_was_gone_before_is_said_to_have_ended(process: subprocess.Popen[bytes]) -> None:
    started_at = process_started_at(process.pid)
    assert started_at is not None
    process.kill()
    process.wait()

    watched = ProcessWatch(process.pid, started_at)

    assert watched.wait(0)
    assert watched.end() == ProcessEnd()
    watched.close()


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (ProcessEnd(signal=9), "killed by SIGKILL"),
        (ProcessEnd(signal=40), "killed by signal 40"),
        (ProcessEnd(exit_code=3), "exited with 3"),
        (ProcessEnd(), "ended without saying why"),
    ],
)
def test_an_end_is_told_in_words(end: ProcessEnd, words: str) -> None:
    assert str(end) == words
