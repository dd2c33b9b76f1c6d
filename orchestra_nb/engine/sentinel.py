"""The sentinel: a small process that guards one command and runs no user code.

It is the command's parent, so it learns the exit code or the signal from ``waitpid``; it is the child-subreaper of
all that the command starts, so nothing outlives it (children with a session of their own and double forks included);
and since it has an interpreter of its own, a deadline holds also while the command holds its GIL. It is started as a
script with ``python -I -S`` and uses the standard library only: it is up in 25 ms. Where a process may be forked that
has imported much, :func:`fork_guarded` stands for the command.

Protocol
--------
Everything is one JSON object a line.

*Records*, written by the command to the file descriptor in ``ORCHESTRA_SENTINEL_FD``. A record written is never lost,
also when the next instruction ends the process:

- ``{"begin": key, "seconds": s | null}``: user code of an attempt is about to run, and may run ``s`` seconds;
- ``{"end": key, "at": t}``: it ended, at ``t`` by :func:`uptime`. What it left behind is killed;
- ``{"chunk": id}``: short attempts are about to run, one by one; what they leave behind is looked for at the end;
- ``{"call": n, "at": t, "seconds": s | null, "done": [m, text]}``: the attempt ``id#n`` is about to run, at ``t``
  by the calendar's clock, and so the one before has ended; ``done``, which may be absent, is the outcome of an earlier
  one, kept until it has been told;
- ``{"call_end": true}``: the running one ended, though the next has not begun;
- ``{"told": n, "of": id}``: the outcomes up to ``n`` have left the process;
- ``{"chunk_end": id, "at": t}``: none of them will run any more.

*Orders*, written by the parent to the sentinel's stdin, which is also its lifeline: at the end of the file the command
gets SIGTERM, and after the grace all that is left gets SIGKILL. SIGTERM to the sentinel does the same.

- ``{"stop": key, "state": state, "grace": s}``: SIGKILL in ``s`` seconds, unless the attempt's end comes before;
- ``{"signal": number}``: pass on a signal to the command;
- ``{"terminate": s}``: SIGTERM now, SIGKILL to all that is left in ``s`` seconds.

*Reports*, written by the sentinel to its stdout:

- ``{"started": {"pid": n}}``;
- ``{"runs": {"chunk": id, "call": n, "at": t}}``, once when it runs for a while: the command, whose interpreter may be
  held, may not have said so;
- ``{"exited": {"pid", "exit_code", "signal", "running": [keys], "timed_out": [keys], "stopped": {key: state}}}``, at
  once when the command ended; one of exit code and signal is null. If it ran a chunk last there is also ``"chunk":
  {"id", "begun_until": n, "running": n | null, "running_since": t, "ended_for": state | null, "outcomes": [[n,
  text]]}``;
- ``{"error": text}``: the command could not be started.
- The end of the file means that no descendant is left.

The command has a session of its own, no stdin, and the sentinel's stderr as stdout and stderr. On Linux it dies with
the sentinel (``PR_SET_PDEATHSIG``). Elsewhere there is no subreaper: descendants are found by ``ps``, as far as it
goes.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FrameType

if __name__ == "__main__":  # started as a script, without site-packages: the package is the one that has this file
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from orchestra_nb.notebooks.process_tree import (
    IS_LINUX,
    adopt_orphans,
    behave_as_python,
    descendants,
    has_in_command,
    kill,
    kill_descendants,
    leave_parent,
)

#: Environment variable that tells the guarded command where to write its records.
RECORDS_VARIABLE = "ORCHESTRA_SENTINEL_FD"

#: Processes left behind are looked for when nothing has run for so long. An attempt that begins earlier makes the
#: sentinel look at once, but only at processes older than the last attempt's end.
_IDLE_SECONDS = 0.2

#: How often the records of a chunk are taken, and how many bytes of them the pipe holds meanwhile, where it can.
_CHUNK_LOOK_SECONDS = 0.02
_LONG_SECONDS = 0.08
_PIPE_BYTES = 1024 * 1024

#: The helpers of multiprocessing and loky that serve a process for its whole life and end with it.
_RESOURCE_TRACKER = b"resource_tracker"


def guard_command(command: Sequence[str], *, grace_seconds: float = 2.0, pass_fds: Sequence[int] = ()) -> list[str]:
    """Return the command line of a sentinel that guards ``command``.

    Start it with pipes for stdin and stdout, ``start_new_session=True`` and the same ``pass_fds``.
    """
    options = ["--grace", str(grace_seconds)]
    for descriptor in pass_fds:
        options += ["--pass-fd", str(descriptor)]
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), *options, "--", *command]


def beside_command(pid: int) -> list[str]:
    """Return the command line of a sentinel that stands beside a process which it did not start.

    It reads records from its stdin, kills the process at a deadline, and ends at the end of the file.
    """
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), "--beside", str(pid)]


def describe_exit(exit_code: int | None, signal_number: int | None) -> str:
    """Return how a process ended, in people's words.

    Examples
    --------
    >>> describe_exit(3, None)
    'process exited with 3'
    >>> describe_exit(None, 9)
    'killed by SIGKILL'
    """
    if signal_number is not None:
        try:
            return f"killed by {signal.Signals(signal_number).name}"
        except ValueError:
            return f"killed by signal {signal_number}"
    return "process died" if exit_code is None else f"process exited with {exit_code}"


class _Lines:
    """Complete JSON lines from a non-blocking file descriptor."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.at_end = False
        self._rest = b""

    def read(self) -> Iterator[dict[str, object]]:
        """Yield what can be read now; lines that are no JSON object are passed over."""
        while not self.at_end:
            try:
                chunk = os.read(self.descriptor, 65536)
            except BlockingIOError:
                return
            except OSError:
                chunk = b""
            if not chunk:
                self.at_end = True
                return
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                try:
                    message = json.loads(line)
                except ValueError:
                    continue
                if isinstance(message, dict):
                    yield message


class Chunk:
    """What the records say of a chunk of short attempts; they are known by their numbers."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.begun_until = -1
        self.running: int | None = None
        self.running_since = 0.0
        #: when its record was taken, by the monotonic clock; infinite when it has been reported
        self.seen_at = 0.0
        self.is_over = False
        #: number to outcome of those that have not surely been told
        self.outcomes: dict[int, str] = {}

    def key(self, number: int) -> str:
        """Return the name of an attempt in orders."""
        return f"{self.name}#{number}"

    def has(self, key: str) -> bool:
        """Tell whether a name in orders is of this chunk."""
        return key.startswith(f"{self.name}#")

    def begin(self, number: int, at: float, done: object) -> str:
        """Take the record of a beginning; return the name of the attempt."""
        self.running_since = at
        self.begun_until = self.running = number
        if isinstance(done, list):
            self.outcomes[done[0]] = done[1]
        return self.key(number)

    def forget_until(self, number: int) -> None:
        """Forget outcomes that have been told."""
        self.outcomes = {known: outcome for known, outcome in self.outcomes.items() if known > number}


class Attempts:
    """What the records and orders say: which attempts run, and when the process must die for which of them."""

    def __init__(self) -> None:
        self._chunk: Chunk | None = None
        self._kill_at: dict[str, float | None] = {}
        self._stops: dict[str, tuple[float, str]] = {}
        #: when the last attempt ended, by :func:`uptime`; None before
        self.ended_at: float | None = None

    @property
    def running(self) -> list[str]:
        """Attempts that began and did not end, in order."""
        return list(self._kill_at)

    def record(self, message: dict[str, object], now: float) -> None:
        """Take a record of the command."""
        if isinstance(key := message.get("begin"), str):
            seconds = message.get("seconds")
            self._kill_at[key] = now + seconds if isinstance(seconds, int | float) else None
        elif isinstance(key := message.get("end"), str):
            self._kill_at.pop(key, None)
            self._stops.pop(key, None)
            self._note_end(message)
        elif isinstance(number := message.get("call"), int) and self._chunk is not None:
            self._end_call()
            seconds = message.get("seconds")
            kill_at = now + seconds if isinstance(seconds, int | float) else None
            self._chunk.seen_at = now
            self._kill_at[self._chunk.begin(number, _number(message.get("at")), message.get("done"))] = kill_at
        elif "call_end" in message:
            self._end_call()
        elif isinstance(number := message.get("told"), int):
            if self._chunk is not None and self._chunk.name == message.get("of"):
                self._chunk.forget_until(number)
        elif isinstance(name := message.get("chunk"), str):
            self._chunk = Chunk(name)
        elif "chunk_end" in message:
            self._end_call()
            if self._chunk is not None:
                self._chunk.is_over = True
                self._stops = {key: stop for key, stop in self._stops.items() if not self._chunk.has(key)}
            self._note_end(message)

    @property
    def is_in_chunk(self) -> bool:
        """Whether a chunk began that did not end: records come often, and are no news by themselves."""
        return self._chunk is not None and not self._chunk.is_over

    def long_call(self, now: float) -> dict[str, object] | None:
        """Return the call that runs for a while, once."""
        chunk = self._chunk
        if chunk is None or chunk.running is None or now - chunk.seen_at < _LONG_SECONDS:
            return None
        chunk.seen_at = float("inf")
        return {"chunk": chunk.name, "call": chunk.running, "at": chunk.running_since}

    def report_chunk(self, stopped: dict[str, str], timed_out: list[str]) -> dict[str, object] | None:
        """Return what is known of the chunk that ran last, None if none ran."""
        if self._chunk is None:
            return None
        running = self._chunk.running
        ended_for = None
        if running is not None:
            key = self._chunk.key(running)
            ended_for = stopped.get(key, "TIMED_OUT" if key in timed_out else None)
        return {
            "id": self._chunk.name,
            "begun_until": self._chunk.begun_until,
            "running": running,
            "running_since": self._chunk.running_since,
            "ended_for": ended_for,
            "outcomes": list(self._chunk.outcomes.items()),
        }

    def _end_call(self) -> None:
        if self._chunk is not None and self._chunk.running is not None:
            key = self._chunk.key(self._chunk.running)
            self._kill_at.pop(key, None)
            self._stops.pop(key, None)
            self._chunk.running = None

    def _note_end(self, message: dict[str, object]) -> None:
        at = message.get("at")
        self.ended_at = at if isinstance(at, int | float) else uptime()

    def stop(self, key: str, state: str, kill_at: float) -> None:
        """Take an order to stop. It may come before the record that the attempt began."""
        self._stops.setdefault(key, (kill_at, state))

    def next_deadline(self) -> float | None:
        """Return when :meth:`overdue` can first name an attempt."""
        times = [at for at in self._kill_at.values() if at is not None]
        times += [at for key, (at, _) in self._stops.items() if key in self._kill_at]
        return min(times, default=None)

    def overdue(self, now: float) -> tuple[list[str], dict[str, str]]:
        """Return the attempts past their time, and those past their grace with the state they were stopped for."""
        timed_out = [key for key, at in self._kill_at.items() if at is not None and at <= now]
        stopped = {key: state for key, (at, state) in self._stops.items() if key in self._kill_at and at <= now}
        return timed_out, stopped


class Sentinel:
    """Guards one command until it and all that it started are gone."""

    def __init__(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._attempts = Attempts()
        self._records: _Lines
        self._orders: _Lines
        self._pid = 0
        self._status: int | None = None
        self._is_terminating = False
        self._kill_all_at: float | None = None
        self._sweep_at: float | None = None
        self._timed_out: list[str] = []
        self._stopped: dict[str, str] = {}

    def run(self, start: Callable[[int], int]) -> None:
        """Start the command and return when nothing of it is left.

        Parameters
        ----------
        start
            Starts it and returns its process id; gets the descriptor to which the command writes its records.
        """
        wake_up, wake_up_write = os.pipe()
        for descriptor in (wake_up, wake_up_write):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(wake_up_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGTERM, self._on_terminate)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        adopt_orphans()
        records, records_write = os.pipe()
        _widen(records_write)
        self._records, self._orders = _Lines(records), _Lines(0)
        self._pid = start(records_write)
        _report({"started": {"pid": self._pid}})
        while self._status is None:
            # in a chunk records come thousands a second: they are taken now and then, which costs nobody a wake-up
            news = [] if self._attempts.is_in_chunk or self._records.at_end else [records]
            _wait([*news, wake_up, *([] if self._orders.at_end else [0])], self._next_wake_up())
            self._take(wake_up)
            self._enforce(time.monotonic())
        self._take(wake_up)
        _report({"exited": self._exit_report()})
        kill_descendants(self._pid)

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        self._terminate(self._grace_seconds)

    def _take(self, wake_up: int) -> None:
        """Take records before orders: an attempt that has ended is not killed by an order that comes with its end."""
        try:
            os.read(wake_up, 4096)
        except BlockingIOError:
            pass
        now = time.monotonic()
        for message in self._records.read():
            if ("begin" in message or "chunk" in message) and self._sweep_at is not None:
                self._sweep(older_than=self._attempts.ended_at)
            self._attempts.record(message, now)
            is_idle = not self._attempts.running and not self._attempts.is_in_chunk
            self._sweep_at = now + _IDLE_SECONDS if is_idle else None
        for message in self._orders.read():
            self._obey(message, now)
        if self._orders.at_end:
            self._terminate(self._grace_seconds)
        if (long_call := self._attempts.long_call(now)) is not None:
            _report({"runs": long_call})
        self._reap()

    def _obey(self, order: dict[str, object], now: float) -> None:
        if isinstance(key := order.get("stop"), str):
            self._attempts.stop(key, str(order.get("state")), now + _number(order.get("grace")))
        elif isinstance(number := order.get("signal"), int):
            self._signal(number)
        elif "terminate" in order:
            self._terminate(_number(order["terminate"]))

    def _terminate(self, grace_seconds: float) -> None:
        kill_all_at = time.monotonic() + grace_seconds
        if self._kill_all_at is None or kill_all_at < self._kill_all_at:
            self._kill_all_at = kill_all_at
        if not self._is_terminating:
            self._is_terminating = True
            self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        if self._pid and self._status is None:  # not reaped, so the number is still the command's
            kill(self._pid, number)

    def _enforce(self, now: float) -> None:
        timed_out, stopped = self._attempts.overdue(now)
        if (timed_out or stopped) and not (self._timed_out or self._stopped):
            self._timed_out, self._stopped = timed_out, stopped
            self._signal(signal.SIGKILL)
        if self._kill_all_at is not None and self._kill_all_at <= now:
            self._signal(signal.SIGKILL)
        if self._sweep_at is not None and self._sweep_at <= now:
            self._sweep_at = None
            self._sweep(older_than=None)

    def _next_wake_up(self) -> float | None:
        deadline = None if self._timed_out or self._stopped else self._attempts.next_deadline()
        look_at = time.monotonic() + _CHUNK_LOOK_SECONDS if self._attempts.is_in_chunk else None
        times = [at for at in (deadline, look_at, self._kill_all_at, self._sweep_at) if at is not None]
        return min(times, default=None)

    def _sweep(self, older_than: float | None) -> None:
        """Kill what ended attempts left behind; the command itself stays."""
        for pid in descendants(os.getpid()):
            if pid == self._pid or has_in_command(pid, _RESOURCE_TRACKER):
                continue
            if older_than is None or _started_at(pid) < older_than:
                kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._pid:
                self._status = status

    def _exit_report(self) -> dict[str, object]:
        assert self._status is not None
        is_signal = os.WIFSIGNALED(self._status)
        chunk = self._attempts.report_chunk(self._stopped, self._timed_out)
        return {
            "pid": self._pid,
            "exit_code": None if is_signal else os.WEXITSTATUS(self._status),
            "signal": os.WTERMSIG(self._status) if is_signal else None,
            "running": self._attempts.running,
            "timed_out": self._timed_out,
            "stopped": self._stopped,
            **({"chunk": chunk} if chunk is not None else {}),
        }


def watch_beside(pid: int) -> None:
    """Kill the process ``pid`` when one of its attempts is past its time; return when stdin, which tells them, ends."""
    attempts, records = Attempts(), _Lines(0)
    while not records.at_end:
        _wait([0], attempts.next_deadline())
        now = time.monotonic()
        for message in records.read():
            attempts.record(message, now)
        if attempts.overdue(now)[0] and os.getppid() == pid:
            kill(pid, signal.SIGKILL)
            return


def uptime() -> float:
    """Return seconds since the machine started: the clock that tells when a process began."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if IS_LINUX else time.time()


def exec_guarded(command: Sequence[str], records_write: int, pass_fds: Iterable[int]) -> int:
    """Start a command as the child of this process, which has one thread and no lock; return its process id."""

    def become(failure: int) -> None:
        os.environ[RECORDS_VARIABLE] = str(records_write)
        os.set_inheritable(records_write, True)
        os.execvp(command[0], list(command))

    return _fork(become, command[0], records_write, pass_fds)


def fork_guarded(become: Callable[[int], None], records_write: int, pass_fds: Iterable[int]) -> int:
    """Fork a child that goes on with a function, which gets ``records_write`` and ends the process."""

    def go_on(failure: int) -> None:
        os.close(failure)
        behave_as_python()
        become(records_write)

    return _fork(go_on, "worker", records_write, pass_fds)


def _fork(become: Callable[[int], None], name: str, records_write: int, pass_fds: Iterable[int]) -> int:
    """Fork rather than spawn: it allows PR_SET_PDEATHSIG. ``become`` closes the descriptor that it gets, or execs."""
    failure, failure_write = os.pipe()
    sentinel = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            leave_parent(sentinel)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(2, 1)
            become(failure_write)
        except BaseException as error:
            os.write(failure_write, f"{name}: {error}".encode())
        finally:
            os._exit(127)
    for descriptor in (records_write, failure_write, *pass_fds):
        os.close(descriptor)
    reason = os.read(failure, 4096)  # empty when exec, or ``become``, closed the other end
    os.close(failure)
    if reason:
        os.waitpid(pid, 0)
        _report({"error": reason.decode(errors="replace")})
        sys.exit(127)
    return pid


def _wait(descriptors: list[int], until: float | None) -> None:
    timeout = None if until is None else max(0.0, until - time.monotonic())
    select.select(descriptors, [], [], timeout)


def _widen(pipe: int) -> None:
    """Let a pipe hold more, as far as the system allows."""
    if IS_LINUX:
        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            pass


def _report(message: dict[str, object]) -> None:
    try:
        os.write(1, json.dumps(message).encode() + b"\n")
    except OSError:
        pass  # nobody listens any more; the lifeline says so too


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _started_at(pid: int) -> float:
    """Return the latest moment, by :func:`uptime`, at which the process can have been started; infinity if unknown."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return float("inf")
    return (ticks + 1) / os.sysconf("SC_CLK_TCK")


def main(arguments: list[str]) -> None:
    """Read the command line of :func:`guard_command` or :func:`beside_command` and do what it says."""
    if arguments[:1] == ["--beside"]:
        watch_beside(int(arguments[1]))
        return
    grace_seconds, pass_fds = 2.0, []
    while (option := arguments.pop(0)) != "--":
        value = arguments.pop(0)
        if option == "--grace":
            grace_seconds = float(value)
        elif option == "--pass-fd":
            pass_fds.append(int(value))
        else:
            sys.exit(f"sentinel: unknown option {option}")
    for descriptor in pass_fds:
        os.set_inheritable(descriptor, True)
    Sentinel(grace_seconds).run(lambda records: exec_guarded(arguments, records, pass_fds))


if __name__ == "__main__":
    main(sys.argv[1:])
