"""The server's part of remote workers: they claim runs, tell what becomes of them, and ask for what their code needs.

A worker is a driver of the store, with a lease that its calls renew. Each function takes the open store and the token
of the call, so importing this module loads no SQLAlchemy, nor
what notebooks need.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.engine.results import default_results_url
from orchestra_nb.errors import InvalidInput, NotFound, NotThisWorkers, ScopeMissing
from orchestra_nb.model.api_tokens import ApiToken, Scope
from orchestra_nb.model.deployments import DeploymentVersion, NotebookTarget
from orchestra_nb.model.events import DriverEnded, Event, RunOutputWritten, RunStateChanged, ValueRecorded
from orchestra_nb.model.questions import (
    AcquireSlots,
    Asker,
    AskInside,
    EmitEvent,
    GetSecret,
    Question,
    ReleaseSlots,
    RenewSlots,
    ResumeRun,
    SetSecret,
    UpdateArtifact,
    answer_of_error,
    decode_question,
    encode_answer,
)
from orchestra_nb.model.recorded_values import RecordedValue
from orchestra_nb.model.runs import Driver, Run
from orchestra_nb.model.secret_values import SECRET_KEY
from orchestra_nb.model.states import State
from orchestra_nb.model.stop_requests import StopKind
from orchestra_nb.operations.api_tokens import check_still_opens
from orchestra_nb.services.work_source import ClaimedRun
from orchestra_nb.services.worker_messages import (
    CancelAsked,
    EventsTaken,
    EventsTold,
    FileTaken,
    HeldRun,
    WorkAsked,
    WorkerHello,
    WorkerWelcome,
    WorkGiven,
)
from orchestra_nb.settings import Settings
from orchestra_nb.version import __version__

if TYPE_CHECKING:
    from orchestra_nb.store.remote_worker_store import RemoteWorker, RemoteWorkerStore
    from orchestra_nb.store.run_store import RunStore

_MOST_POOLS: Final = 100
_LONGEST_NAME: Final = 200
#: The code of a run may ask for so long after its end: hooks run then.
_AFTER_ITS_END: Final = timedelta(minutes=10)
#: What events are called that say what was done with Orchestra itself.
_OWN_EVENTS: Final = "orchestra."
#: Values that are read without running code of theirs; what was pickled elsewhere is not trusted here.
_READABLE_SERIALIZERS: Final = {"json": ".json", "arrow": ".arrow"}
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def register_worker(
    store: RunStore, token: ApiToken, hello: WorkerHello, settings: Settings, now: datetime
) -> WorkerWelcome:
    """Take a worker: it is a driver from now on.

    Raises
    ------
    InvalidInput
        It serves no pool, or its name is none.
    ScopeMissing
        The token is for other pools.
    PoolNotFound
        There is no such pool.
    """
    from orchestra_nb.services.recovery import REMOTE_WORKER_KIND
    from orchestra_nb.store.pool_store import PoolStore
    from orchestra_nb.store.remote_worker_store import RemoteWorker

    if not 0 < len(hello.pools) <= _MOST_POOLS:
        raise InvalidInput(f"A worker serves between 1 and {_MOST_POOLS} pools; this one names {len(hello.pools)}.")
    for text, what in ((hello.name, "name of a worker"), (hello.host, "name of a machine")):
        if not (0 < len(text) <= _LONGEST_NAME and text.isprintable()):
            raise InvalidInput(f"{text[:100]!r} is no {what}.")
    for pool in hello.pools:
        if not token.allows_pool(pool):
            raise ScopeMissing(f"The token {token.name!r} does not have the scope {Scope.WORKER}:{pool}.")
    served = PoolStore(store.database)
    for pool in hello.pools:
        served.get(pool)
    lease_seconds = settings.lease_seconds
    worker_id = fresh_id(now)
    driver = Driver(
        driver_id=worker_id,
        kind=REMOTE_WORKER_KIND,
        host=hello.host,
        boot_id="",  # whatever process has its number here is none of its
        pid=hello.pid,
        process_started_at=0.0,
        heartbeat_at=now,
        lease_until=now + timedelta(seconds=lease_seconds),
    )
    worker = RemoteWorker(
        driver_id=worker_id, token_id=token.token_id, name=hello.name, pools=tuple(dict.fromkeys(hello.pools))
    )
    _workers(store).add(worker, driver)
    served.serve(worker_id, worker.pools, hello.name, hello.room)
    return WorkerWelcome(worker_id=worker_id, lease_seconds=lease_seconds, version=__version__)


def renew_worker(store: RunStore, token: ApiToken, worker_id: str, settings: Settings, now: datetime) -> None:
    """Note that a worker lives.

    Raises
    ------
    NotFound
        This token has no such worker.
    NotThisWorkers
        It was taken for dead, or has said that it ends.
    """
    from orchestra_nb.store.leases import Leases

    _worker_of(store, token, worker_id)
    lease_until = now + timedelta(seconds=settings.lease_seconds)
    if not Leases(store.database).heartbeat(worker_id, now, lease_until):
        raise _taken_for_dead()


def look_for_work(
    store: RunStore, token: ApiToken, worker_id: str, asked: WorkAsked, now: datetime
) -> tuple[WorkGiven, datetime | None]:
    """Return what there is to do for a worker, and when more will be due.

    What an earlier call gave and the worker does not hold, since the answer was lost, is given again.

    Raises
    ------
    NotFound, NotThisWorkers
        As :func:`renew_worker`.
    TokenRefused
        The token has expired or was revoked while the call waited.
    """
    from orchestra_nb.store.work_queue import WorkQueue

    check_still_opens(store, token, now)
    worker = _worker_of(store, token, worker_id)
    owned = _workers(store).runs_of(worker_id)
    held = {(run.run_id, run.epoch) for run in asked.held}
    unheard = [run for run in owned if (run.run_id, run.epoch) not in held]
    queue = WorkQueue(store.database)
    room = min(max(0, asked.room - len(unheard)), 1_000)
    claimed = queue.claim(worker_id, worker.pools, room, now) if room else []
    cancels = store.cancel_requests(worker_id, asked.heard)
    given = WorkGiven(
        claimed=tuple(_with_versions(store, [*(run for run in unheard if run.state is State.PENDING), *claimed], now)),
        cancels=tuple(
            CancelAsked(sequence=one.sequence, run_id=one.run_id, task_run_id=one.task_run_id, actor=one.actor)
            for one in cancels
            if one.kind is StopKind.CANCEL  # nobody could resume what runs there
        ),
        lost=tuple(_lost(store, worker_id, asked)),
    )
    if (begun := [run for run in unheard if run.state is not State.PENDING]) and _is_news(store, worker_id, asked):
        _end_forgotten(store, begun, now)
    return given, queue.next_look(worker.pools, now) if asked.room else None


def take_events(store: RunStore, token: ApiToken, worker_id: str, told: EventsTold) -> EventsTaken:
    """Write what happened to the runs of a worker.

    Raises
    ------
    InvalidInput
        The numbers do not fit the events.
    NotFound, NotThisWorkers
        As :func:`renew_worker`.
    """
    numbers = told.numbers
    if len(numbers) != len(told.events) or any(one >= other for one, other in pairwise(numbers)):
        raise InvalidInput("Each event has a number, and they rise.")
    _worker_of(store, token, worker_id)
    events = [_with_own_value(event) if isinstance(event, ValueRecorded) else event for event in told.events]
    taken = _workers(store).take(worker_id, numbers, events)
    if taken is None:
        raise _taken_for_dead()
    until, lost = taken
    return EventsTaken(until=until, lost=tuple(HeldRun(run_id=run_id, epoch=epoch) for run_id, epoch in lost))


def answer_for_worker(
    store: RunStore, token: ApiToken, worker_id: str, asker: Asker, question: bytes, settings: Settings
) -> bytes:
    """Answer what code of a worker's run asks; what goes wrong is an answer, too.

    Raises
    ------
    InvalidInput
        It is no question.
    NotFound, NotThisWorkers
        As :func:`renew_worker`, or the run is not the worker's (any more).
    """
    from orchestra_nb.operations.run_services import RunServices

    now = datetime.now(UTC)
    _worker_of(store, token, worker_id)
    owner = _owned(store, worker_id, asker.run_id or "")
    if owner.ended_at is not None and now - owner.ended_at > _AFTER_ITS_END:
        raise NotThisWorkers(f"Run {owner.name} has ended at {owner.ended_at:%Y-%m-%d %H:%M:%S} UTC: it asks no more.")
    try:
        asked = decode_question(question)
        inner = decode_question(asked.question) if isinstance(asked, AskInside) else asked
    except msgspec.DecodeError as error:
        raise InvalidInput(f"This is no question of a run: {error}.") from None
    for one in (asker, asked.asker) if isinstance(asked, AskInside) else (asker,):
        _check_asker(store, worker_id, one)
    try:
        _check_question(token, owner, inner)
        _check_reach(store, worker_id, owner, inner)
    except ScopeMissing as error:
        return encode_answer(answer_of_error(error))
    return RunServices(lambda: store, driver_id=worker_id, settings=settings).answer_encoded(question, asker)


def check_run(store: RunStore, token: ApiToken, worker_id: str, held: HeldRun, now: datetime) -> Run:
    """Return a run that a worker holds.

    Raises
    ------
    NotFound, NotThisWorkers
        As :func:`answer_for_worker`.
    TokenRefused
        The token has expired or was revoked meanwhile.
    """
    check_still_opens(store, token, now)
    _worker_of(store, token, worker_id)
    run = store.get_run(held.run_id)
    if run.driver_id != worker_id or run.epoch != held.epoch:
        raise _not_its(held.run_id)
    return run


@contextlib.contextmanager
def receiving(folder: Path) -> Iterator[Path]:
    """Give the path of a file that a body is written to, for this user alone; it is deleted where it stays there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f".received.{secrets.token_hex(8)}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def keep_output(
    store: RunStore, token: ApiToken, worker_id: str, held: HeldRun, received: Path, *, is_whole: bool, now: datetime
) -> FileTaken:
    """Keep the executed notebook of a run as far as it has come; where it is whole, also where its deployment says.

    Raises
    ------
    NotFound, NotThisWorkers, TokenRefused
        As :func:`check_run`: somebody else may have got the run while the file was sent.
    """
    from orchestra_nb.notebooks.run_output import RunOutput
    from orchestra_nb.operations.absolute_paths import absolute_path
    from orchestra_nb.operations.notebook_request import attempts_folder, checked_output
    from orchestra_nb.store.deployment_store import DeploymentStore

    run = check_run(store, token, worker_id, held, now)
    path = attempts_folder() / f"{run.run_id}.{run.epoch}.ipynb"
    os.replace(received, path)
    kept, output = path, None
    if is_whole and run.deployment is not None and run.deployment_version is not None:
        target = DeploymentStore(store.database).version(run.deployment, run.deployment_version).spec.target
        if isinstance(target, NotebookTarget) and target.output_path not in (None, "-", os.devnull):
            with contextlib.suppress(InvalidInput, OSError):  # the attempt's own file is the output then
                output = RunOutput(path, checked_output(target.output_path, absolute_path(target.path), run.name))
                output.keep()
                kept = output.path
    store.apply([RunOutputWritten(run_id=run.run_id, output_path=str(kept), epoch=run.epoch)])
    return FileTaken(url=str(kept), at=now)


def keep_value(received: Path, serializer: str, digest: str, now: datetime) -> FileTaken:
    """Keep a large value that a run has returned.

    Raises
    ------
    InvalidInput
        Its content is another one, or it could only be read by running code.
    """
    path = _value_path(serializer, digest)
    if path is None:
        known = ", ".join(_READABLE_SERIALIZERS)
        raise InvalidInput(f"A value of the form {serializer[:100]!r} is not taken. The forms are: {known}.")
    with received.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise InvalidInput("The content of the value has another digest.")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.replace(received, path)
    return FileTaken(url=str(path), at=now)


def end_worker(store: RunStore, token: ApiToken, worker_id: str, now: datetime) -> None:
    """Note that a worker ends in good order: what it has not begun waits again, what it has not ended is CRASHED.

    Raises
    ------
    NotFound
        This token has no such worker.
    """
    from orchestra_nb.services.recovery import describe_driver, end_driver
    from orchestra_nb.store.leases import Leases

    _worker_of(store, token, worker_id, may_have_ended=True)
    driver = Leases(store.database).find_driver(worker_id)
    if driver is None:
        return
    with store.database.together():  # a sweeper that sees that it has ended ends what it still has
        if not store.apply([DriverEnded(driver_id=worker_id, at=now)])[0]:
            return
        _give_back(store, worker_id, f"{describe_driver(driver)} ended before it began this, which waits again.", now)
    end_driver(store, driver, f"{describe_driver(driver)} ended before this did.", now)


def values_folder() -> Path:
    """Return where large values of runs stand."""
    return Path(default_results_url())


def _with_versions(store: RunStore, runs: list[Run], now: datetime) -> Iterator[ClaimedRun]:
    from orchestra_nb.store.deployment_store import DeploymentStore
    from orchestra_nb.store.pool_store import PoolStore

    deployments, pools = DeploymentStore(store.database), PoolStore(store.database)
    for run in runs:
        try:
            version = deployments.version(run.deployment or "", run.deployment_version or 0)
            pool = pools.get(run.pool or version.spec.pool)
        except NotFound as error:  # deleted since
            _crash(store, run, str(error), now)
        else:
            yield ClaimedRun(run=run, version=_needed(version), pool=pool)


def _needed(version: DeploymentVersion) -> DeploymentVersion:
    """Return what a worker needs to know: the parameters are the run's, and when others are due is not its affair."""
    spec = msgspec.structs.replace(version.spec, parameters={}, schedules=())
    return msgspec.structs.replace(version, spec=spec, note="")


def _lost(store: RunStore, worker_id: str, asked: WorkAsked) -> Iterator[HeldRun]:
    if not asked.held:
        return
    found = {run.run_id: run for run in store.get_runs([run.run_id for run in asked.held])}
    for held in asked.held:
        run = found.get(held.run_id)
        if run is None or run.driver_id != worker_id or run.epoch != held.epoch or run.state.is_terminal:
            yield held


def _is_news(store: RunStore, worker_id: str, asked: WorkAsked) -> bool:
    """Tell whether nothing has been told since a worker said what it holds: a call waits, and others come meanwhile.

    Asked after its runs were read, so none of them has begun behind its back.
    """
    worker = _workers(store).find(worker_id)
    return worker is not None and worker.received_until <= asked.told


def _end_forgotten(store: RunStore, runs: list[Run], now: datetime) -> None:
    """End runs that had begun and that their worker does not know any more."""
    for run in runs:
        _crash(store, run, "Its worker does not know it any more.", now)


def _give_back(store: RunStore, worker_id: str, message: str, now: datetime) -> None:
    """Have those runs of a worker wait again that it has not begun: their news never reached it."""
    from orchestra_nb.store.deployment_store import DeploymentStore
    from orchestra_nb.store.work_queue import WorkQueue

    deployments, queue = DeploymentStore(store.database), WorkQueue(store.database)
    for run in _workers(store).runs_of(worker_id):
        if run.state is not State.PENDING:
            continue
        with contextlib.suppress(NotFound):  # deleted since
            spec = deployments.version(run.deployment or "", run.deployment_version or 0).spec
            queue.give_back(run, run.pool or spec.pool, message, now, priority=spec.priority, limits=spec.limits)


def _crash(store: RunStore, run: Run, message: str, now: datetime) -> None:
    crashed = RunStateChanged(
        run_id=run.run_id, state=State.CRASHED, at=now, epoch=run.epoch, message=message, actor="server"
    )
    store.apply([crashed])


def _check_question(token: ApiToken, owner: Run, question: Question) -> None:
    from orchestra_nb.operations.run_services import is_for_server

    if not is_for_server(question):
        raise ScopeMissing(f"{type(question).__name__} is answered by the worker itself.")
    if isinstance(question, ResumeRun) and not token.allows(Scope.WRITE_RUNS):
        raise _missing(token, Scope.WRITE_RUNS, "resume runs")
    if isinstance(question, SetSecret) and not token.allows(Scope.SECRETS):
        raise _missing(token, Scope.SECRETS, "set secrets")
    if isinstance(question, GetSecret) and not (
        token.allows(Scope.SECRETS) or question.name in _secrets_in(owner.parameters)
    ):
        raise _missing(token, Scope.SECRETS, f"read the secret {question.name!r}, which no parameter of it names")


def _check_asker(store: RunStore, worker_id: str, asker: Asker) -> None:
    """See that whoever asks is a run, and a task, of a worker: a task may not have been told of yet."""
    run_id = None if asker.task_run_id is None else _workers(store).run_of_task(asker.task_run_id)
    for one in (asker.run_id, run_id):
        if one is not None:
            _owned(store, worker_id, one)


def _check_reach(store: RunStore, worker_id: str, owner: Run, question: Question) -> None:
    """Refuse what is another run's, or the server's own: slots, artifacts, and events about Orchestra itself."""
    from orchestra_nb.store.slot_store import SlotStore

    match question:
        case AcquireSlots(holder=holder) | RenewSlots(holder=holder) | ReleaseSlots(holder=holder):
            if SlotStore(store.database).given_by(holder) - {worker_id}:
                raise ScopeMissing(f"The slots of {holder[:100]!r} were not given to a run of this worker.")
        case UpdateArtifact(artifact_id=artifact_id):
            made_by = _workers(store).run_of_artifact(artifact_id)
            root = None if made_by is None else _workers(store).owner_of(made_by)
            if root is None or root.run_id != owner.run_id:
                raise ScopeMissing(f"The artifact {artifact_id[:100]!r} is none of this run's.")
        case EmitEvent(event=event) if event.startswith(_OWN_EVENTS):
            raise ScopeMissing(f"Events that begin with {_OWN_EVENTS!r} are Orchestra's own. Call it otherwise.")


def _missing(token: ApiToken, scope: Scope, what: str) -> ScopeMissing:
    return ScopeMissing(f"This run may not {what}: the token {token.name!r} of its worker lacks the scope {scope}.")


def _secrets_in(value: object) -> Iterator[str]:
    """Yield the names of the secrets that parameters refer to."""
    if isinstance(value, dict):
        if set(value) == {SECRET_KEY} and isinstance(value[SECRET_KEY], str):
            yield value[SECRET_KEY]
        for item in value.values():
            yield from _secrets_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _secrets_in(item)


def _with_own_value(event: ValueRecorded) -> Event:
    """Return what is recorded of a value, with its file where it stands here, or why it cannot be read here."""
    value: RecordedValue = event.value
    if value.reference is None:
        return event
    path = _value_path(value.reference.serializer, value.reference.digest)
    if path is not None and path.is_file():
        reference = msgspec.structs.replace(value.reference, url=str(path))
        return msgspec.structs.replace(event, value=msgspec.structs.replace(value, reference=reference))
    why = value.unreadable or "it stands on the machine of the worker that ran this, and was not sent"
    return msgspec.structs.replace(event, value=msgspec.structs.replace(value, reference=None, unreadable=why))


def _value_path(serializer: str, digest: str) -> Path | None:
    extension = _READABLE_SERIALIZERS.get(serializer)
    if extension is None or not _DIGEST.fullmatch(digest):
        return None
    return values_folder() / digest[:2] / f"{digest}{extension}"


def _worker_of(store: RunStore, token: ApiToken, worker_id: str, *, may_have_ended: bool = False) -> RemoteWorker:
    worker = _workers(store).find(worker_id)
    if worker is None or worker.token_id != token.token_id:
        raise NotFound("This token has no such worker.")
    if worker.has_ended and not may_have_ended:
        raise _taken_for_dead()
    return worker


def _owned(store: RunStore, worker_id: str, run_id: str) -> Run:
    owner = _workers(store).owner_of(run_id)
    if owner is None or owner.driver_id != worker_id:
        raise _not_its(run_id)
    return owner


def _taken_for_dead() -> NotThisWorkers:
    return NotThisWorkers("This worker has ended, or was taken for dead: its runs were ended. It has to begin anew.")


def _not_its(run_id: str) -> NotThisWorkers:
    return NotThisWorkers(f"Run {run_id[:100]} is not this worker's (any more).")


def _workers(store: RunStore) -> RemoteWorkerStore:
    from orchestra_nb.store.remote_worker_store import RemoteWorkerStore

    return RemoteWorkerStore(store.database)
