"""The calls that a remote worker makes: HTTP to the server's routes for workers, with its token.

Each call is made once; whoever makes it decides whether to make it again.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import IO, Any, Final, TypeVar
from urllib.parse import quote, urlencode

import msgspec
import urllib3

from orchestra_nb.errors import (
    InvalidInput,
    NotFound,
    NotThisWorkers,
    OrchestraError,
    PoolNotFound,
    ScopeMissing,
    StoreUnavailable,
    TokenRefused,
)
from orchestra_nb.model.api_tokens import PREFIX
from orchestra_nb.model.questions import Asker
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.services.server_calls import base_address, connections_to, distrust_in, unreachable
from orchestra_nb.services.worker_messages import (
    WORKERS_PATH,
    EventsTaken,
    EventsTold,
    FileTaken,
    HeldRun,
    WorkAsked,
    WorkerHello,
    WorkerWelcome,
    WorkGiven,
)

#: How long a connection may take, and an answer that waits for nothing; a large file may take longer.
_CONNECT_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 30.0
_BYTES_A_SECOND: Final = 100_000

A = TypeVar("A")


class ServerUnreachable(StoreUnavailable):
    """A call did not come through; the server may have heard it all the same, but for a call that was never sent."""

    def __init__(self, message: str, *, was_sent: bool = True) -> None:
        super().__init__(message)
        self.was_sent = was_sent


class NoWorkerRoutes(ServerUnreachable):
    """What answers at the address is no server with our routes, or something stands in for it while it is away."""


class CertificateDistrusted(ServerUnreachable):
    """The server has a certificate that is not trusted here."""


class WorkerApi:
    """A server, as a worker sees it. All methods may be called from any thread.

    All of them raise ServerUnreachable where the server cannot be reached, TokenRefused and ScopeMissing where the
    token does not open it (any more), NotThisWorkers for what is not this worker's (any more), InvalidInput for what it
    does not take, NoWorkerRoutes where something else answers, and CertificateDistrusted for what its name says.

    Parameters
    ----------
    url
        The server's base URL, as a browser has it before ``/lab`` or ``/tree``.

    Raises
    ------
    InvalidSetting
        The address is none.
    """

    def __init__(self, url: str, token: Secret) -> None:
        self.location = base_address(url)
        self._base = f"{self.location}{WORKERS_PATH}"
        self._is_token_ours = token.get().startswith(PREFIX)
        self._headers = {"Authorization": f"Bearer {token.get()}"}
        self._pool = connections_to(self.location)

    def register(self, hello: WorkerHello) -> WorkerWelcome:
        """Announce this worker."""
        return self._message("POST", "", hello, WorkerWelcome)

    def ask_for_work(self, worker_id: str, asked: WorkAsked) -> WorkGiven:
        """Say that this worker lives, and return what there is to do."""
        seconds = _ANSWER_SECONDS + asked.wait_seconds
        return self._message("POST", f"/{worker_id}/work", asked, WorkGiven, seconds=seconds)

    def tell(self, worker_id: str, told: EventsTold) -> EventsTaken:
        """Tell what happened."""
        return self._message("POST", f"/{worker_id}/events", told, EventsTaken)

    def ask(self, worker_id: str, asker: Asker, question: bytes) -> bytes:
        """Return what the server answers to what the code of a run asks."""
        query = "" if asker.task_run_id is None else f"?{urlencode({'task': asker.task_run_id})}"
        return self._call("POST", f"/{worker_id}/runs/{quote(asker.run_id or '', safe='')}/questions{query}", question)

    def send_notebook(self, worker_id: str, held: HeldRun, file: IO[bytes], size: int, *, is_whole: bool) -> FileTaken:
        """Send the executed notebook of a run, as far as it has come."""
        query = urlencode({"epoch": held.epoch, "is_whole": "true" if is_whole else "false"})
        return self._send(f"/{worker_id}/runs/{held.run_id}/notebook?{query}", file, size)

    def send_value(self, worker_id: str, held: HeldRun, path: Path, digest: str, serializer: str) -> FileTaken:
        """Send a large value that a run has returned."""
        query = urlencode({"epoch": held.epoch, "serializer": serializer})
        with path.open("rb") as file:
            return self._send(f"/{worker_id}/runs/{held.run_id}/values/{digest}?{query}", file, path.stat().st_size)

    def end(self, worker_id: str) -> None:
        """Say that this worker ends."""
        self._call("DELETE", f"/{worker_id}", b"")

    def close(self) -> None:
        """Let go of the connections that are not in use."""
        self._pool.clear()

    def _message(
        self, method: str, path: str, message: object, kind: type[A], *, seconds: float = _ANSWER_SECONDS
    ) -> A:
        return _decoded(self._call(method, path, msgspec.json.encode(message), seconds=seconds), kind)

    def _send(self, path: str, file: IO[bytes], size: int) -> FileTaken:
        seconds = _ANSWER_SECONDS + size / _BYTES_A_SECOND
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        return _decoded(self._call("PUT", path, file, seconds=seconds, headers=headers), FileTaken)

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | IO[bytes],
        *,
        seconds: float = _ANSWER_SECONDS,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        try:
            answer = self._pool.request(
                method,
                f"{self._base}{path}",
                body=body,
                headers={**self._headers, "Content-Type": "application/json", **(headers or {})},
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=seconds),
                retries=False,
                redirect=False,
            )
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
            raise ServerUnreachable(unreachable(self.location, error), was_sent=False) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if distrust_in(error) is not None:
                raise CertificateDistrusted(unreachable(self.location, error), was_sent=False) from error
            raise ServerUnreachable(unreachable(self.location, error)) from error
        if answer.status in (200, 201):
            return answer.data
        raise self._error_of(answer.status, answer.data)

    def _error_of(self, status: int, body: bytes) -> OrchestraError:
        """Return what an answer says that is no success: one of ours is a problem with a code."""
        problem: dict[str, Any] = {}
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            problem = msgspec.json.decode(body, type=dict[str, Any])
        detail = str(problem.get("detail", ""))
        if "code" not in problem:
            if status >= 500 or status == 429:  # a proxy before it, or a hub that starts it
                return ServerUnreachable(f"The server {self.location} answers {status} now.")
            return NoWorkerRoutes(
                f"What answers at {self.location} has no routes for workers (it says {status}). Give the base URL of a "
                "Jupyter server in which the extension orchestra_nb is enabled, as a browser has it before /lab."
            )
        if status == 401:
            return TokenRefused(detail)
        if problem["code"] == "forbidden" and not self._is_token_ours:  # then it speaks of cookies
            return TokenRefused(f"The server {self.location} does not know the token.")
        if status == 403:
            return ScopeMissing(detail)
        if status == 409:
            return NotThisWorkers(detail)
        if status == 404:
            return PoolNotFound(detail) if problem["code"] == "pool_not_found" else NotFound(detail)
        if status >= 500:
            return ServerUnreachable(f"The server {self.location} cannot do that now: {detail}")
        return InvalidInput(f"The server does not take that ({status}): {detail}")


def _decoded(answer: bytes, kind: type[A]) -> A:
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoWorkerRoutes(f"The server's answer is not understood ({error}): is it of another version?") from None
