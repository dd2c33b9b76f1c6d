"""A process that starts the runs of work pools of a server, which it reaches over the REST API alone.

Runs are driven as by any worker, in a store of this worker's own that nobody else needs to see; what happens there is
passed on. The token is with this process alone: neither kernels nor flows get it.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Final

import msgspec

from orchestra_nb.engine.services import Answerer
from orchestra_nb.errors import Conflict, InvalidInput
from orchestra_nb.model.questions import AnswerError, Asker, GetSecret, SecretAnswer, error_of_answer
from orchestra_nb.model.retention import Horizon
from orchestra_nb.model.runs import Run
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.operations.deployed_runs import DeployedRuns
from orchestra_nb.operations.flow_of_worker import WORKER_SOCKET_VARIABLE
from orchestra_nb.operations.notebook_request import attempts_folder
from orchestra_nb.operations.opening import Sweeper, close_store, open_store
from orchestra_nb.operations.pool_runs import PoolRuns
from orchestra_nb.operations.remote_work import RemoteWork
from orchestra_nb.operations.run_home import StoreHome
from orchestra_nb.operations.server_answers import QuestionSocket, ServerAnswers
from orchestra_nb.operations.service_presence import WORKER_KIND
from orchestra_nb.runtime_folder import runtime_folder
from orchestra_nb.services.retention import RetentionService
from orchestra_nb.services.supervisor import ServiceLoop
from orchestra_nb.services.worker import Worker
from orchestra_nb.services.worker_api import CertificateDistrusted, NoWorkerRoutes, ServerUnreachable, WorkerApi
from orchestra_nb.services.worker_messages import WorkerHello, WorkerWelcome
from orchestra_nb.settings import Settings, default_store_path
from orchestra_nb.store.event_spool import EventSpool
from orchestra_nb.version import __version__

#: What is left to tell gets so long when this worker ends.
_TELL_SECONDS: Final = 10.0
#: The server has the runs: what this machine keeps of them is for looking into what went wrong.
_KEEP_DAYS: Final = 1.0
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 10.0
_JITTER: Final = 0.3
_MOST_NAMES: Final = 100

_log = logging.getLogger(__name__)


def serve_remote_pools(
    settings: Settings,
    api: WorkerApi,
    *,
    pools: tuple[str, ...],
    room: int,
    name: str | None,
    folder: Path,
    stop: threading.Event,
    hurry: threading.Event,
    on_ready: Callable[[str], None] = lambda name: None,
) -> None:
    """Be a worker of a server until ``stop`` is set.

    Nothing is claimed then any more; what goes on gets ten seconds, or none when ``hurry`` is set, too. While the
    server is away, runs go on, and what happens is told later. A worker that was taken for dead begins anew.

    Parameters
    ----------
    name
        What people call it; None for that of the machine.
    folder
        Where runs go on whose own folders are not on this machine.
    on_ready
        Called with the name when the server has taken it.

    Raises
    ------
    TokenRefused, ScopeMissing
        The token does not open the server for these pools (any more).
    InvalidInput
        What answers at the address is no server with our routes, or does not take this worker.
    Conflict
        There is a worker of this name on this machine.
    """
    with _own_store(name) as (own_name, path):
        url = f"sqlite:///{path}"
        own = msgspec.structs.replace(settings, store_url=url)
        os.environ["ORCHESTRA_STORE_URL"] = url  # for the processes that it starts
        hello = WorkerHello(
            name=own_name,
            pools=pools,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=__version__,
            room=room,
        )
        while not stop.is_set():
            welcome = _registered(api, hello, stop)
            if welcome is None:
                return
            if _serve_once(own, api, welcome, pools, room, folder, stop, hurry, lambda: on_ready(own_name)):
                return
            _log.warning("This worker was taken for dead: what it ran is CRASHED. It begins anew.")


def _serve_once(
    settings: Settings,
    api: WorkerApi,
    welcome: WorkerWelcome,
    pools: tuple[str, ...],
    room: int,
    folder: Path,
    stop: threading.Event,
    hurry: threading.Event,
    on_ready: Callable[[], None],
) -> bool:
    """Be one worker of the server until ``stop`` is set; False where it was taken for dead before.

    Raises
    ------
    TokenRefused, ScopeMissing
        The token opens nothing any more.
    """
    with contextlib.ExitStack() as stack:
        store = open_store(settings)
        stack.callback(close_store, store)
        EventSpool(store.database).begin()
        answers = ServerAnswers(api, welcome.worker_id)
        socket_path = runtime_folder() / f"worker-{welcome.worker_id[-12:]}.sock"
        stack.callback(QuestionSocket(socket_path, answers).close)
        os.environ[WORKER_SOCKET_VARIABLE] = str(socket_path)
        home = StoreHome(settings, WORKER_KIND, server=answers)
        stack.callback(home.close)
        home.announce()
        stack.callback(Sweeper(home.store, settings.sweep_seconds).close)
        source = RemoteWork(home, api, welcome, settings, folder)
        runs = DeployedRuns(home, settings, find_secret=lambda run, name: _secret(answers, run, name))
        starter = PoolRuns(runs, None)
        stack.callback(starter.close)
        worker = Worker(source, starter, pools=pools, room=room, stop=stop, hurry=hurry, tells_runs=True)
        retention = RetentionService(
            store.database,
            lambda now: _horizon(settings, now),
            attempts_folder(),
        )
        source.start(starter.stop)
        try:
            has_ended = worker.run(on_ready, beside=[ServiceLoop("retention service", retention.step)])
        finally:
            source.close()
            if not source.finish(_TELL_SECONDS) and stop.is_set():
                _log.warning("Not all that happened could be told to the server: it will take this worker for dead.")
        if source.failure is not None:
            raise source.failure
        return has_ended


def _registered(api: WorkerApi, hello: WorkerHello, stop: threading.Event) -> WorkerWelcome | None:
    """Announce a worker, as soon as the server is there; None where it is to end before."""
    pause = 0.0
    while not stop.is_set():
        try:
            welcome = api.register(hello)
        # nothing was ever there, so it is the address that is wrong, or what is known here of certificates
        except (NoWorkerRoutes, CertificateDistrusted) as error:
            raise InvalidInput(str(error)) from error
        except ServerUnreachable as error:
            if not pause:
                _log.warning("%s This worker waits for it.", error)
            pause = min(_LONGEST_PAUSE_SECONDS, 2 * pause or _FIRST_PAUSE_SECONDS)
            stop.wait(pause * random.uniform(1 - _JITTER, 1 + _JITTER))
        else:
            if welcome.version != __version__:
                _log.warning("The server has version %s of Orchestra, this worker %s.", welcome.version, __version__)
            return welcome
    return None


def _secret(answers: Answerer, run: Run, name: str) -> Secret:
    answer = answers.answer(GetSecret(name=name), Asker(run_id=run.run_id))
    if isinstance(answer, AnswerError):
        raise error_of_answer(answer)
    assert isinstance(answer, SecretAnswer)
    return Secret(answer.text)


def _horizon(settings: Settings, now: datetime) -> Horizon:
    return Horizon.of(now, runs_days=_KEEP_DAYS, logs_days=_KEEP_DAYS, results_days=settings.keep_results_days)


@contextlib.contextmanager
def _own_store(name: str | None) -> Iterator[tuple[str, Path]]:
    """Give the name of this worker and the file of its store, which no other process of this machine has meanwhile."""
    folder = default_store_path().parent / "remote-workers"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    host = socket.gethostname()
    names = [name] if name is not None else [host, *(f"{host}-{number}" for number in range(2, _MOST_NAMES))]
    for one in names:
        if not one.strip() or not one.isprintable() or "/" in one or one.startswith(".") or len(one) > 100:
            raise InvalidInput(f"{one[:100]!r} is no name of a worker: it becomes that of a file.")
        lock = (folder / f"{one}.lock").open("wb")
        with lock:
            if _is_locked(lock):
                yield one, folder / f"{one}.db"
                return
    raise Conflict(f"A remote worker {names[0]!r} is up on this machine already. Choose another --name.")


def _is_locked(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
