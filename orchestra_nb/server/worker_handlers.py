"""REST for remote workers, under ``/orchestra/api/v1/workers``: for tokens with the scope ``worker`` alone.

A worker announces itself, asks for work (a call that waits), tells what becomes of its runs, asks what their code asks,
and sends their executed notebooks and large values. What is not its (any more) is answered 409.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec
from jupyter_server.auth.decorator import authorized
from tornado import web

from orchestra_nb.errors import InvalidInput, ScopeMissing
from orchestra_nb.model.api_tokens import ApiToken, Scope
from orchestra_nb.model.audit import Via, entry_of
from orchestra_nb.model.questions import Asker
from orchestra_nb.operations import remote_workers
from orchestra_nb.operations.audit_trail import note
from orchestra_nb.server.bounded_body import BoundedBodyHandler
from orchestra_nb.services.worker_messages import (
    MAX_FILE_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_WAIT_SECONDS,
    WORKERS_PATH,
    EventsTold,
    HeldRun,
    WorkAsked,
    WorkerHello,
    WorkGiven,
)
from orchestra_nb.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from orchestra_nb.server.store_access import StoreAccess

_ID = r"([^/]+)"
#: The least time between two looks for one worker, however often the store changes.
_PACE_SECONDS = 0.1

M = TypeVar("M")


class _WorkerHandler(BoundedBodyHandler):
    """A call of a worker."""

    read_scope: Scope | None = Scope.WORKER
    write_scope: Scope | None = Scope.WORKER
    max_body_bytes: ClassVar[int] = MAX_MESSAGE_BYTES
    #: whether it is used is for the runs to say
    _track_activity = False

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler itself
        """Let nobody but tokens through."""
        await super().prepare()
        if self.api_token is None:
            raise ScopeMissing(f"This needs a token with the scope {Scope.WORKER}: `orchestra tokens create`.")

    @property
    def caller(self) -> ApiToken:
        """The token of this call."""
        assert self.api_token is not None
        return self.api_token

    def message(self, kind: type[M]) -> M:
        """Return the body.

        Raises
        ------
        InvalidInput
            It is of another form.
        """
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidInput(f"The body is not what this route takes: {error}.") from None
        except RecursionError:
            raise InvalidInput("The body is nested too deeply.") from None

    async def note(self, action: str, worker: str) -> None:
        """Have the audit trail say that a worker began or ended; what becomes of its runs is their history."""
        origin = self.request.remote_ip or ""
        entry = entry_of(action, worker, at=datetime.now(UTC), actor=self.actor, via=Via.API, origin=origin)
        await self.call(note, entry)


class WorkersHandler(_WorkerHandler):
    """``workers``: a worker begins."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Answer 201 with the id of the worker and its lease."""
        hello = self.message(WorkerHello)
        welcome = await self.call(
            remote_workers.register_worker, self.caller, hello, load_settings(), datetime.now(UTC)
        )
        await self.note("register_worker", hello.name)
        self.log.info("The remote worker %s on %s serves %s.", hello.name, hello.host, ", ".join(hello.pools))
        self.answer(welcome, status=201)


class WorkerHandler(_WorkerHandler):
    """``workers/WORKER``: a worker ends."""

    @web.authenticated
    @authorized
    async def delete(self, worker: str) -> None:
        """Answer 200 once all that it had not ended is."""
        await self.call(remote_workers.end_worker, self.caller, worker, datetime.now(UTC))
        await self.note("end_worker", worker)
        self.answer({"ended": worker})


class WorkHandler(_WorkerHandler):
    """``workers/WORKER/work``: what there is to do."""

    @web.authenticated
    @authorized
    async def post(self, worker: str) -> None:
        """Answer as soon as there is something, and at the latest after the time that was asked for."""
        asked = self.message(WorkAsked)
        self._waiting = asyncio.current_task()
        self._track_activity = bool(asked.held)  # a server that is culled for want of use would leave them alone
        try:
            await self.call(remote_workers.renew_worker, self.caller, worker, load_settings(), datetime.now(UTC))
            self.answer(await self._wait_for_work(worker, asked))
        except asyncio.CancelledError:  # the server stops, or the worker has left
            raise web.HTTPError(503, "The server is stopping.") from None

    def on_connection_close(self) -> None:
        """Give no work to a worker that is not there any more."""
        super().on_connection_close()
        waiting: asyncio.Task[Any] | None = getattr(self, "_waiting", None)
        if waiting is not None:
            waiting.cancel()

    async def _wait_for_work(self, worker: str, asked: WorkAsked) -> WorkGiven:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(max(0.0, asked.wait_seconds), MAX_WAIT_SECONDS)
        stream = await self._access.stream()
        with stream.subscribed(), self._latest_call_of(worker) as superseded:
            while True:
                changed = stream.next_change()  # taken before the look: a write during the look is not missed
                now = datetime.now(UTC)
                given, due_at = await self.call(remote_workers.look_for_work, self.caller, worker, asked, now)
                seconds = deadline - loop.time()
                if not given.is_empty or seconds <= 0 or superseded.is_set():
                    return given
                if due_at is not None:
                    seconds = min(seconds, max(_PACE_SECONDS, (due_at - datetime.now(UTC)).total_seconds()))
                await _wait_for_any(changed, superseded, seconds=seconds)
                if changed.is_set() and not superseded.is_set():
                    await _wait_for_any(superseded, seconds=_PACE_SECONDS)
                if superseded.is_set():  # what was asked is not so any more: it claims nothing
                    return WorkGiven()

    @contextmanager
    def _latest_call_of(self, worker: str) -> Iterator[asyncio.Event]:
        """Have earlier calls of a worker end, which say what was true then; give what is set by the next one."""
        waiting = self._access.waiting_workers
        if (earlier := waiting.get(worker)) is not None:
            earlier.set()
        superseded = waiting[worker] = asyncio.Event()
        try:
            yield superseded
        finally:
            if waiting.get(worker) is superseded:
                del waiting[worker]


class EventsHandler(_WorkerHandler):
    """``workers/WORKER/events``: what happened to its runs."""

    @web.authenticated
    @authorized
    async def post(self, worker: str) -> None:
        """Answer up to which event all is written."""
        told = self.message(EventsTold)
        self.answer(await self.call(remote_workers.take_events, self.caller, worker, told))


class QuestionsHandler(_WorkerHandler):
    """``workers/WORKER/runs/RUN/questions?task=``: what the code of a run asks."""

    @web.authenticated
    @authorized
    async def post(self, worker: str, run: str) -> None:
        """Answer as the driver of a run answers its code: what goes wrong is an answer, too."""
        asker = Asker(run_id=run, task_run_id=self.get_query_argument("task", None))
        answer = await self.call(
            remote_workers.answer_for_worker, self.caller, worker, asker, self.body, load_settings()
        )
        self.set_header("Cache-Control", "no-store")
        self.finish(answer, set_content_type="application/msgpack")


class _FileHandler(_WorkerHandler):
    """Takes a file of a run, in a place of its own until it is whole."""

    max_body_bytes: ClassVar[int] = MAX_FILE_BYTES

    def initialize(self, access: StoreAccess) -> None:
        """Take the way to the store from the route."""
        super().initialize(access)
        self._received = ExitStack()
        self._file: IO[bytes] | None = None
        self._path: Path | None = None

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler itself
        """See that the run is the worker's before its file is read."""
        await super().prepare()
        if self.request.method != "PUT":
            return
        self._held = HeldRun(run_id=self.path_args[1], epoch=self.integer("epoch", 0))
        worker = self.path_args[0]
        await self.call(remote_workers.check_run, self.caller, worker, self._held, datetime.now(UTC))
        self._path = self._received.enter_context(remote_workers.receiving(self._folder))
        self._file = self._received.enter_context(
            os.fdopen(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")
        )

    @property
    def _folder(self) -> Path:
        from orchestra_nb.operations.notebook_request import attempts_folder

        return attempts_folder()

    def data_received(self, chunk: bytes) -> None:
        """Write a part of the body."""
        if self._file is not None:
            self._file.write(chunk)

    def on_finish(self) -> None:
        """Delete what was not kept."""
        self._received.close()
        super().on_finish()

    def on_connection_close(self) -> None:
        """Delete what has come of it."""
        self._received.close()
        super().on_connection_close()

    def _whole(self) -> Path:
        assert self._file is not None
        assert self._path is not None
        self._file.close()
        return self._path


class OutputHandler(_FileHandler):
    """``workers/WORKER/runs/RUN/notebook?epoch=&is_whole=``: its executed notebook, as far as it has come."""

    @web.authenticated
    @authorized
    async def put(self, worker: str, run: str) -> None:
        """Answer where it stands."""
        is_whole = self.get_query_argument("is_whole", "") == "true"
        taken = await self.call(
            remote_workers.keep_output,
            self.caller,
            worker,
            self._held,
            self._whole(),
            is_whole=is_whole,
            now=datetime.now(UTC),
        )
        self.answer(taken)


class ValueHandler(_FileHandler):
    """``workers/WORKER/runs/RUN/values/DIGEST?epoch=&serializer=``: a large value that it has returned."""

    @property
    def _folder(self) -> Path:
        return remote_workers.values_folder()

    @web.authenticated
    @authorized
    async def put(self, worker: str, run: str, digest: str) -> None:
        """Answer where it stands."""
        path, serializer = self._whole(), self.get_query_argument("serializer", "")
        taken = await asyncio.to_thread(remote_workers.keep_value, path, serializer, digest, datetime.now(UTC))
        self.answer(taken)


async def _wait_for_any(*events: asyncio.Event, seconds: float) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


_WORKER = rf"{WORKERS_PATH}/{_ID}"

worker_routes = (
    (WORKERS_PATH, WorkersHandler),
    (_WORKER, WorkerHandler),
    (rf"{_WORKER}/work", WorkHandler),
    (rf"{_WORKER}/events", EventsHandler),
    (rf"{_WORKER}/runs/{_ID}/questions", QuestionsHandler),
    (rf"{_WORKER}/runs/{_ID}/notebook", OutputHandler),
    (rf"{_WORKER}/runs/{_ID}/values/{_ID}", ValueHandler),
)
