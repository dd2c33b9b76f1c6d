"""Jobs that were submitted by ``docker`` and ``kubectl``: how each is seen, and stopped.

That a command has ended is no proof that what it started has: it may have been killed, or have lost its daemon. So the
end of a container is asked of docker, by the labels of its run.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Final

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.states import State
from orchestra_nb.operations.job_templates import RenderedJob

_LOOK_SECONDS: Final = 0.1
#: Each look at a job is a call of Kubernetes' API.
_KUBERNETES_LOOK_SECONDS: Final = 1.0
#: So often docker is asked for a container that its command has left.
_ASK_SECONDS: Final = 1.0
_COMMAND_SECONDS: Final = 60.0
_LAST_CHARACTERS: Final = 1_000
#: What ``docker run`` ends with where no container of it ran: https://docs.docker.com/engine/containers/run/#exit-status
_NEVER_RAN: Final = {
    125: "docker could not start it",
    126: "its command cannot be run",
    127: "its command is not in the image",
}
#: What ``docker ps`` says of a container that has ended; ``created`` is one whose command left before it was started.
_ENDED: Final = ("created", "exited", "dead")


class SubmittedJob(ABC):
    """One job that was submitted. It is waited for in one thread; any may stop it."""

    what = "The job"
    look_seconds = _LOOK_SECONDS

    def __init__(self, rendered: RenderedJob, log_path: Path) -> None:
        self.rendered = rendered
        self.log_path = log_path
        self.is_left = threading.Event()
        self.why_stopped: tuple[State, str] | None = None
        #: whether nobody can say just now what becomes of it
        self.is_out_of_reach = False
        program = rendered.words[0]
        found = shutil.which(program)
        if found is None:
            raise InvalidInput(
                f"{program} is not on the PATH of this worker. Install it, or serve this pool where it is."
            )
        self.program = found

    @abstractmethod
    def submit(self) -> None:
        """Start it."""

    @abstractmethod
    def has_ended(self) -> bool:
        """Tell whether it is known to have."""

    @abstractmethod
    def why(self) -> str:
        """Return how it ended."""

    @abstractmethod
    def stop(self) -> None:
        """Have it end soon."""

    def forget(self) -> None:
        """Delete its log where that says nothing."""
        with contextlib.suppress(OSError):
            if self.log_path.stat().st_size == 0:
                self.log_path.unlink()

    def call(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str] | None:
        """Call its program; None where that does not end in time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return subprocess.run(
                [self.program, *words],
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_COMMAND_SECONDS,
                start_new_session=True,
                check=False,
            )
        return None


class ContainerJob(SubmittedJob):
    """A container. ``docker run`` waits for it, and ends as it does; it goes on when this process is killed."""

    what = "The container"
    _process: subprocess.Popen[bytes] | None = None
    _next_ask_at = 0.0
    #: whether a command that waited for it has ended before it
    _was_left = False
    #: how it ended in docker's words, where docker still had it then
    _status = ""

    def submit(self) -> None:
        """Start it."""
        self.log_path.write_bytes(b"")
        self._follow(*self.rendered.words[1:])

    def has_ended(self) -> bool:
        """Ask docker, once the command that waits for it has ended; where it goes on, wait for it anew."""
        assert self._process is not None
        if self._process.poll() is None or time.monotonic() < self._next_ask_at:
            return False
        words = [word for label in self.rendered.labels.items() for word in ("--filter", "label={}={}".format(*label))]
        done = self.call("ps", "--all", "--no-trunc", *words, "--format", "{{.ID}}\t{{.State}}\t{{.Status}}")
        self._next_ask_at = time.monotonic() + _ASK_SECONDS
        self.is_out_of_reach = done is None or done.returncode != 0
        self.look_seconds = _ASK_SECONDS if self.is_out_of_reach else _LOOK_SECONDS
        if done is None or done.returncode != 0:
            return False
        if not (found := done.stdout.strip()):
            return True
        container, state, status = found.partition("\n")[0].split("\t")
        if state == "created":
            self.call("rm", "--force", container)
        if state in _ENDED:
            self._status = status
            return True
        self._was_left = True
        if self.why_stopped is None:
            self._follow("attach", "--no-stdin", "--sig-proxy=false", container)
        else:  # it began while it was being stopped
            self.call("stop", "-t", str(self.rendered.grace_seconds), container)
        return False

    def why(self) -> str:
        """Return what its exit code means, and what it said last."""
        assert self._process is not None
        code = self._process.returncode
        if self._status and (code < 0 or self._was_left):
            words = f"{self._status[0].lower()}{self._status[1:]}"
        elif code < 0:
            words = f"docker was killed by {signal.Signals(-code).name}"
        elif code == 128 + signal.SIGKILL:
            words = "it was killed, perhaps since it had no memory left (exit 137)"
        else:
            words = f"{_NEVER_RAN[code]} (exit {code})" if code in _NEVER_RAN and not self._was_left else f"exit {code}"
        text = self.log_path.read_text(encoding="utf-8", errors="replace").strip()[-_LAST_CHARACTERS:]
        return f"{words}. {text}".rstrip()

    def stop(self) -> None:
        """Have docker stop it; where it has no container yet, end docker itself."""
        done = self.call("stop", "-t", str(self.rendered.grace_seconds), self.rendered.name)
        if (done is None or done.returncode != 0) and self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def _follow(self, *words: str) -> None:
        """Wait for it by a command that ends as it does."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [self.program, *words],
                env={**os.environ, **self.rendered.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


class ClusterJob(SubmittedJob):
    """A job of Kubernetes, looked at again and again."""

    what = "The job in Kubernetes"
    look_seconds = _KUBERNETES_LOOK_SECONDS
    _why = ""

    def submit(self) -> None:
        """Create it."""
        done = self.call(*self.rendered.words[1:], stdin=json.dumps(self.rendered.manifest))
        if done is None or done.returncode != 0:
            why = f"it took longer than {_COMMAND_SECONDS:g} s" if done is None else done.stderr.strip()
            raise InvalidInput(f"kubectl could not create the job {self.rendered.name}: {why}")

    def has_ended(self) -> bool:
        """Read its conditions."""
        done = self.call("get", "job", *self._where, "--ignore-not-found", "--output", "json")
        if done is None or done.returncode != 0:
            return False  # the cluster is out of reach for a while
        self.is_out_of_reach = False
        if not done.stdout.strip():
            self._why = "it was deleted"
            return True
        status: dict[str, Any] = json.loads(done.stdout).get("status", {})
        for condition in status.get("conditions") or []:
            if condition.get("status") == "True" and condition.get("type") in ("Complete", "Failed"):
                reason = " ".join(str(condition[key]) for key in ("reason", "message") if condition.get(key))
                self._why = reason or str(condition["type"]).lower()
                return True
        if self.why_stopped is not None:
            self.stop()
        return False

    def why(self) -> str:
        """Return what Kubernetes says, and what it said last itself."""
        done = self.call("logs", f"job/{self.rendered.name}", *self._where[1:], "--tail", "20")
        text = done.stdout.strip()[-_LAST_CHARACTERS:] if done is not None and done.returncode == 0 else ""
        return f"{self._why}. {text}".rstrip()

    def stop(self) -> None:
        """Delete it, with its pod."""
        done = self.call("delete", "job", *self._where, "--ignore-not-found", "--wait=false", "--cascade=background")
        self.is_out_of_reach = done is None or done.returncode != 0

    @property
    def _where(self) -> tuple[str, ...]:
        return (self.rendered.name, "--namespace", self.rendered.namespace or "default")
