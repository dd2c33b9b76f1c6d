"""The sentinel at real processes: exit reports, deadlines, stops, and nothing left of what it guarded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestra_nb.engine.sentinel import describe_exit, guard_command
from tests.patience import PATIENCE_SECONDS, eventually

#: Defines say(record), which writes to the sentinel.
_PREAMBLE = """
import ctypes, json, os, re, signal, subprocess, sys, time
def say(**record): os.write(int(os.environ["ORCHESTRA_SENTINEL_FD"]), json.dumps(record).encode() + b"\\n")
def ready(): os.write(int(sys.argv[1]), b"ready")
"""


class Guarded:
    """A sentinel with a Python command."""

    def __init__(self, code: str, grace_seconds: float = 5.0, command: Sequence[str] | None = None) -> None:
        self._ready, ready_write = os.pipe()
        command = command or [sys.executable, "-c", _PREAMBLE + code, str(ready_write)]
        self.process = subprocess.Popen(
            guard_command(command, grace_seconds=grace_seconds, pass_fds=[ready_write]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[ready_write],
            start_new_session=True,
        )
        os.close(ready_write)

    def wait_until_ready(self) -> None:
        assert os.read(self._ready, 5) == b"ready"

    def order(self, **order: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()

    def report(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        report: dict[str, Any] = json.loads(self.process.stdout.readline())
        return report

    def exit_report(self) -> dict[str, Any]:
        """Return the exit report, once all is gone."""
        assert self.process.stdout is not None
        reports = [json.loads(line) for line in self.process.stdout]
        self.process.wait()
        exited: dict[str, Any] = reports[-1]["exited"]
        del exited["pid"]
        return exited

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.stdout.close()
        self.process.wait()
        os.close(self._ready)


class Guard:
    def __init__(self) -> None:
        self.guarded: list[Guarded] = []

    def __call__(self, code: str, **options: Any) -> Guarded:
        self.guarded.append(Guarded(code, **options))
        return self.guarded[-1]


@pytest.fixture
def guard() -> Iterator[Guard]:
    guard = Guard()
    yield guard
    for guarded in guard.guarded:
        guarded.close()


def exited(**fields: object) -> dict[str, object]:
    return {"exit_code": None, "signal": None, "running": [], "timed_out": [], "stopped": {}, **fields}


def has_ended(pid: int) -> bool:
    """Wait until a process has ended; one that only its parent must still take note of has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def test_a_sentinel_sleeps_while_a_command_runs_that_will_tell_of_no_attempts(guard: Guard) -> None:
    guarded = guard('os.close(int(os.environ["ORCHESTRA_SENTINEL_FD"])); ready(); time.sleep(600)')
    guarded.wait_until_ready()
    sentinel = psutil.Process(guarded.process.pid)

    def has_slept() -> bool | None:
        return all(sentinel.status() == psutil.STATUS_SLEEPING for _ in range(200)) or None

    assert eventually(has_slept)


@pytest.mark.parametrize(
    ("code", "report"),
    [
        ("pass", exited(exit_code=0)),
        ("os._exit(3)", exited(exit_code=3)),
        ("os.kill(os.getpid(), 9)", exited(signal=9)),
        ("say(begin='a', seconds=None); os._exit(3)", exited(exit_code=3, running=["a"])),
        ("say(begin='a', seconds=60); say(end='a'); say(begin='b', seconds=60)", exited(exit_code=0, running=["b"])),
        ("ctypes.string_at(0)", exited(signal=int(signal.SIGSEGV))),
    ],
    ids=["exit 0", "exit 3", "SIGKILL", "exit in an attempt", "two attempts", "crash in C"],
)
def test_it_reports_how_the_command_ended(guard: Guard, code: str, report: dict[str, object]) -> None:
    assert guard(code).exit_report() == report


@pytest.mark.parametrize(
    ("exit_code", "number", "words"),
    [
        (3, None, "process exited with 3"),
        (None, 9, "killed by SIGKILL"),
        (None, 11, "killed by SIGSEGV"),
        (None, 99, "killed by signal 99"),
        (None, None, "process died"),
    ],
)
def test_an_exit_is_told_in_words(exit_code: int | None, number: int | None, words: str) -> None:
    assert describe_exit(exit_code, number) == words


def test_a_command_that_cannot_be_started_is_reported(guard: Guard) -> None:
    report = guard("", command=["/nonexistent/command"]).report()

    assert "No such file or directory" in report["error"]


def test_an_attempt_past_its_time_is_killed_though_it_holds_the_gil(guard: Guard) -> None:
    guarded = guard("say(begin='slow', seconds=0.2); re.match(r'(a+)+$', 'a' * 40 + 'b')")

    assert guarded.exit_report() == exited(signal=9, running=["slow"], timed_out=["slow"])


def test_an_attempt_that_ends_in_time_is_not_killed(guard: Guard) -> None:
    guarded = guard("say(begin='quick', seconds=1); say(end='quick'); time.sleep(1.5)")

    assert guarded.exit_report() == exited(exit_code=0)


def test_a_stopped_attempt_that_does_not_end_is_killed(guard: Guard) -> None:
    guarded = guard("say(begin='a', seconds=None); ready(); re.match(r'(a+)+$', 'a' * 40 + 'b')")
    guarded.wait_until_ready()

    guarded.order(stop="a", state="CANCELLED", grace=0.1)

    assert guarded.exit_report() == exited(signal=9, running=["a"], stopped={"a": "CANCELLED"})


def test_a_stop_of_an_attempt_that_has_ended_does_nothing(guard: Guard) -> None:
    guarded = guard("say(begin='a', seconds=None); say(end='a'); ready(); time.sleep(0.5)")
    guarded.wait_until_ready()

    guarded.order(stop="a", state="CANCELLED", grace=0)

    assert guarded.exit_report() == exited(exit_code=0)


def test_a_signal_is_passed_on(guard: Guard) -> None:
    guarded = guard("signal.signal(signal.SIGINT, lambda *a: os._exit(7)); ready(); time.sleep(60)")
    guarded.wait_until_ready()

    guarded.order(signal=int(signal.SIGINT))

    assert guarded.exit_report() == exited(exit_code=7)


def test_a_terminated_command_may_end_by_itself(guard: Guard) -> None:
    guarded = guard("signal.signal(signal.SIGTERM, lambda *a: os._exit(7)); ready(); time.sleep(60)")
    guarded.wait_until_ready()

    guarded.order(terminate=30)

    assert guarded.exit_report() == exited(exit_code=7)


def test_a_command_that_ignores_sigterm_is_killed_when_its_parent_has_gone(guard: Guard) -> None:
    code = "signal.signal(signal.SIGTERM, signal.SIG_IGN); ready(); time.sleep(60)"
    guarded = guard(code, grace_seconds=0.1)
    guarded.wait_until_ready()

    assert guarded.process.stdin is not None
    guarded.process.stdin.close()

    assert guarded.exit_report() == exited(signal=9)


def test_the_command_dies_with_its_sentinel(guard: Guard) -> None:
    guarded = guard("ready(); time.sleep(60)")
    guarded.wait_until_ready()
    pid = guarded.report()["started"]["pid"]

    guarded.process.kill()

    assert has_ended(pid)


#: Starts a child, one in a session of its own, one forked twice, and one with an empty environment; writes their pids.
_FOUR_KINDS = """
def write(path): return f"import os, time; open({path!r}, 'a').write(f'{{os.getpid()}} '); time.sleep(600)"
def leave(path):
    subprocess.Popen([sys.executable, "-c", write(path)])
    subprocess.Popen([sys.executable, "-c", write(path)], start_new_session=True)
    subprocess.Popen([sys.executable, "-c", write(path)], env={}, start_new_session=True)
    code = f"import os\\nif os.fork() == 0:\\n os.setsid()\\n if os.fork() == 0:\\n  exec({write(path)!r})"
    subprocess.run([sys.executable, "-c", code])
    while not os.path.exists(path) or len(open(path).read().split()) < 4: time.sleep(0.01)
"""


@pytest.mark.parametrize("end", ["pass", "os._exit(3)", "os.kill(os.getpid(), 9)"], ids=["success", "exit", "kill"])
def test_no_descendant_is_left_when_the_command_has_ended(guard: Guard, tmp_path: Path, end: str) -> None:
    path = tmp_path / "pids"

    guard(f"{_FOUR_KINDS}\nleave({str(path)!r})\n{end}").exit_report()

    pids = [int(pid) for pid in path.read_text().split()]
    assert (len(pids), [pid for pid in pids if psutil.pid_exists(pid)]) == (4, [])


def test_what_an_attempt_left_behind_is_killed_while_the_command_lives_on(guard: Guard, tmp_path: Path) -> None:
    path = tmp_path / "pids"
    code = f"{_FOUR_KINDS}\nsay(begin='a', seconds=None); leave({str(path)!r}); say(end='a'); ready(); time.sleep(60)"

    guarded = guard(code)
    guarded.wait_until_ready()

    pids = [int(pid) for pid in path.read_text().split()]
    assert (len(pids), [pid for pid in pids if not has_ended(pid)]) == (4, [])
    assert guarded.process.poll() is None


def test_a_process_of_the_next_attempt_is_not_taken_for_one_left_behind(guard: Guard) -> None:
    code = """
clock = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
say(begin='a', seconds=None); say(end='a', at=clock()); say(begin='b', seconds=None)
child = subprocess.Popen(["sleep", "60"])
time.sleep(0.5)  # longer than the sentinel waits before it looks for what was left
os._exit(10 if child.poll() is None else 11)
"""

    assert guard(code).exit_report() == exited(exit_code=10, running=["b"])


def test_it_knows_what_a_chunk_was_at_when_the_command_died(guard: Guard) -> None:
    code = """
say(chunk="c")
say(call=0, seconds=None)
say(call=2, seconds=None, done=[0, "zero"])
say(call=3, at=7.0, seconds=60, done=[2, "two"])
say(told=0, of="c")
say(told=9, of="another")
os._exit(5)
"""

    report = guard(code).exit_report()

    assert (report["exit_code"], report["running"]) == (5, ["c#3"])
    assert report["chunk"] == {
        "id": "c",
        "begun_until": 3,
        "running": 3,
        "running_since": 7.0,
        "ended_for": None,
        "outcomes": [[2, "two"]],
    }


def test_a_chunk_that_is_over_is_known_until_the_next(guard: Guard) -> None:
    code = 'say(chunk="c"); say(call=0, seconds=None); say(chunk_end="c", at=0.0); os._exit(0)'

    report = guard(code).exit_report()

    assert (report["chunk"]["begun_until"], report["chunk"]["running"], report["running"]) == (0, None, [])


def test_a_deadline_holds_for_the_call_of_a_chunk_that_runs(guard: Guard) -> None:
    code = """
say(chunk="c")
say(call=0, seconds=0.2)
say(call_end=True)
say(call=1, seconds=0.2)
time.sleep(600)
"""

    report = guard(code).exit_report()

    assert (report["signal"], report["timed_out"]) == (9, ["c#1"])
    assert report["chunk"]["ended_for"] == "TIMED_OUT"


def test_an_order_to_stop_a_call_of_a_chunk_holds_for_no_other(guard: Guard) -> None:
    guarded = guard('say(chunk="c"); say(call=0, seconds=None); ready(); time.sleep(600)')
    guarded.wait_until_ready()

    guarded.order(stop="c#1", state="CANCELLED", grace=0.0)
    guarded.order(stop="c#0", state="CANCELLED", grace=0.0)

    report = guarded.exit_report()
    assert (report["stopped"], report["chunk"]["ended_for"]) == ({"c#0": "CANCELLED"}, "CANCELLED")
