"""Work pools: make one, change, pause, resume and delete it, and see what goes on in it.

Every function takes the open store, so importing this module loads no SQLAlchemy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.automations import Automation, MoveDeployment, PausePool, ResumePool
from orchestra_nb.model.deployments import DeploymentSpec, FlowTarget, deployed_run
from orchestra_nb.model.docker_jobs import DockerJob
from orchestra_nb.model.findings import Findings
from orchestra_nb.model.work_pools import DockerPlace, KubernetesPlace, PoolKind, WorkPool
from orchestra_nb.operations.deployments import Outcome, find_deployment
from orchestra_nb.operations.error_places import told_at
from orchestra_nb.operations.job_templates import STORE_VARIABLE, RenderedJob, read_job, render_job, unseen_store
from orchestra_nb.operations.pool_form import PoolForm, changed_form, changed_pool, pool_form, read_pool
from orchestra_nb.operations.run_waits import why_waiting
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.store.pool_store import PoolStore
    from orchestra_nb.store.run_store import RunStore

_SHOWN_RUNS: Final = 20
#: Stands in a preview for the run, and for who claims it.
_SOME_RUN: Final = "0" * 32
_CLAIMANT: Final = "WORKER"
#: Stands in a preview for the address of the store.
_HIDDEN: Final = "…"


class ServedBy(msgspec.Struct, frozen=True, kw_only=True):
    """Who serves a pool.

    Parameters
    ----------
    kind
        ``"service"``, ``"worker"``, or what a worker over the REST API is called.
    room
        How many runs go on there at a time, of all its pools; 0 where it does not say.
    is_up
        Whether it was heard of lately.
    """

    name: str
    kind: str
    host: str
    pid: int
    room: int
    heartbeat_at: datetime
    is_up: bool


class PoolSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A pool as lists show it."""

    name: str
    kind: PoolKind
    description: str
    concurrency: int | None
    is_paused: bool
    waiting: int
    due: int
    running: int
    workers: int


class PoolRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a pool; ``reason`` is what it waits for, empty for one that goes on."""

    run_id: str
    name: str
    deployment: str | None
    state: str
    reason: str


class PoolDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A pool with all that is known of it.

    Parameters
    ----------
    form
        What it says, as files say it.
    deployments, automations
        Those that name it: to run in it; to pause it, resume it or have deployments run in it.
    waiting, running
        The first few of its runs that wait, in their order, and that go on.
    """

    summary: PoolSummary
    form: dict[str, Any]
    deployments: tuple[str, ...]
    automations: tuple[str, ...]
    served_by: tuple[ServedBy, ...]
    waiting: tuple[PoolRun, ...]
    running: tuple[PoolRun, ...]


class ShownJob(msgspec.Struct, frozen=True, kw_only=True):
    """What would be submitted for a run.

    Parameters
    ----------
    command
        The words that submit it.
    environment
        What that command's environment has beside the worker's.
    manifest
        What it reads from stdin; None for a container.
    notes
        What whoever looks at it should know.
    """

    command: tuple[str, ...]
    environment: dict[str, str]
    manifest: dict[str, Any] | None
    notes: tuple[str, ...]


def create_pool(store: RunStore, form: PoolForm, now: datetime) -> WorkPool:
    """Make a pool.

    Raises
    ------
    InvalidInput
        A field cannot be used.
    NameTaken
        There is one of this name.
    """
    pools, findings = pool_store(store), Findings()
    findings.trying(told_at("/name")(lambda: pools.check_free(form.name)))
    pool = read_pool(form, findings)
    with told_at("/name"):  # it may have been taken meanwhile
        pools.create(pool, now)
    return pool


def pool_warning(pool: WorkPool, settings: Settings) -> str | None:
    """Return why runs of a pool cannot begin, unless their deployments say more; None where nothing says so."""
    if not isinstance(pool.place, DockerPlace):
        return None
    job = read_job(pool, {} if pool.place.job.get("image") else {"image": "any"}, f"Pool {pool.name}")
    assert isinstance(job, DockerJob)
    return unseen_store(job, settings.resolved_store_url)


def warning_of_pool(store: RunStore, name: str, settings: Settings) -> str | None:
    """Return :func:`pool_warning` of the pool of this name.

    Raises
    ------
    PoolNotFound
        There is none.
    """
    return pool_warning(pool_store(store).get(name), settings)


def compare_pool(store: RunStore, pool: WorkPool) -> tuple[Outcome, WorkPool | None]:
    """Return what saving this would do, and the pool as it is."""
    present = pool_store(store).find(pool.name)
    if present is None:
        return "created", None
    return ("unchanged" if present == pool else "changed"), present


def update_pool(store: RunStore, name: str, changes: Mapping[str, object], now: datetime) -> WorkPool:
    """Change what a pool says; what goes on in it goes on as it began.

    Parameters
    ----------
    changes
        Fields of a form; None takes one away.

    Raises
    ------
    PoolNotFound
        There is none of this name.
    InvalidInput
        Nothing is to change, or a field cannot be used.
    """
    if not changes:
        raise InvalidInput("Say what to change of the pool, such as its concurrency: `orchestra pools update --help`.")
    pools = pool_store(store)
    while True:
        present = pools.get(name)
        # it imports the class of a cluster, which is code of users and takes its time: not while all writers wait
        pool = changed_pool(changed_form(present, changes))
        with store.database.together():
            if pools.get(name) == present:
                pools.save(pool, now)
                return pool


def replace_pool(store: RunStore, form: PoolForm, now: datetime, *, keeps_pause: bool = False) -> WorkPool:
    """Make a pool, or have the one of this name be like this; what goes on in it goes on as it began.

    Parameters
    ----------
    keeps_pause
        Whether one that is there stays paused, or not paused, whatever the form says.

    Raises
    ------
    InvalidInput
        A field cannot be used.
    """
    pools = pool_store(store)
    pool = read_pool(form) if pools.find(form.name) is None else changed_pool(form)
    with store.database.together():
        present = pools.find(form.name)
        if present is not None and keeps_pause:
            pool = msgspec.structs.replace(pool, is_paused=present.is_paused)
        pools.save(pool, now)
    return pool


def pause_pool(store: RunStore, name: str, now: datetime) -> WorkPool:
    """Have the runs of a pool wait, due or not; what goes on goes on.

    Raises
    ------
    PoolNotFound
        There is none of this name.
    """
    return _pause(store, name, True, now)


def resume_pool(store: RunStore, name: str, now: datetime) -> WorkPool:
    """Have the runs of a pool start again.

    Raises
    ------
    PoolNotFound
        There is none of this name.
    """
    return _pause(store, name, False, now)


def _pause(store: RunStore, name: str, is_paused: bool, now: datetime) -> WorkPool:
    pools = pool_store(store)
    with store.database.together():
        pool = msgspec.structs.replace(pools.get(name), is_paused=is_paused)
        pools.save(pool, now)
    return pool


def delete_pool(store: RunStore, name: str, *, is_forced: bool = False) -> None:
    """Delete a pool.

    Raises
    ------
    PoolNotFound
        There is none of this name.
    Conflict
        Deployments name it, and it is not forced; or it is the one of whatever names none.
    """
    pool_store(store).delete(name, is_forced=is_forced)


def list_pools(store: RunStore, now: datetime) -> list[PoolSummary]:
    """Return all pools by name."""
    pools = pool_store(store)
    counts = pools.counts(now)
    served: dict[str, int] = {}
    for worker in pools.workers():
        if worker.lease_until >= now:
            served[worker.pool] = served.get(worker.pool, 0) + 1
    return [_summary(pool, counts, served.get(pool.name, 0)) for pool in pools.list_pools()]


def show_pool(store: RunStore, name: str, now: datetime) -> PoolDetails:
    """Return a pool with who serves it, what waits in it and why, and what goes on.

    Raises
    ------
    PoolNotFound
        There is none of this name.
    """
    pools = pool_store(store)
    pool = pools.get(name)
    workers = pools.workers([name])
    waiting_ids, running_ids = pools.run_ids(name, _SHOWN_RUNS)
    waiting = [store.get_run(run_id) for run_id in waiting_ids]
    running = [store.get_run(run_id) for run_id in running_ids]
    reasons = why_waiting(store, waiting, now)
    return PoolDetails(
        summary=_summary(pool, pools.counts(now), sum(worker.lease_until >= now for worker in workers)),
        form=pool_form(pool),
        deployments=tuple(pools.deployments_of(name)),
        automations=tuple(_automations_of(store, name)),
        served_by=tuple(
            ServedBy(
                name=worker.name,
                kind=worker.kind,
                host=worker.host,
                pid=worker.pid,
                room=worker.room,
                heartbeat_at=worker.heartbeat_at,
                is_up=worker.lease_until >= now,
            )
            for worker in workers
        ),
        waiting=tuple(
            PoolRun(
                run_id=run.run_id,
                name=run.name,
                deployment=run.deployment,
                state=run.state.value,
                reason=reasons.get(run.run_id, ""),
            )
            for run in waiting
        ),
        running=tuple(
            PoolRun(run_id=run.run_id, name=run.name, deployment=run.deployment, state=run.state.value, reason="")
            for run in running
        ),
    )


def preview_job(store: RunStore, name: str, deployment: str | None, settings: Settings, now: datetime) -> RenderedJob:
    """Return what would be submitted for a run in a pool.

    Parameters
    ----------
    deployment
        Whose run; None for one of a deployment that says nothing of its own.

    Raises
    ------
    PoolNotFound, DeploymentNotFound
        There is none of this name.
    InvalidInput
        The pool has no job, or it cannot be used.
    """
    pool = pool_store(store).get(name)
    if not isinstance(pool.place, DockerPlace | KubernetesPlace):
        raise InvalidInput(
            f"Nothing is submitted for runs of the pool {name}, of the kind {pool.kind}: they are processes here."
        )
    has_image = bool(pool.place.job.get("image"))
    if deployment is None:
        if not has_image:
            raise InvalidInput(
                f"Pool {name}: image: each deployment names its own. Say of which one: "
                f"`orchestra pools preview {name} --deployment D`."
            )
        spec = DeploymentSpec(name="any", flow_name="any", target=FlowTarget(entrypoint="m:f", working_folder="/"))
        version = 1
    else:
        found = find_deployment(store, deployment)
        spec, version = found.spec, found.version
    run = deployed_run(spec, version, run_id=_SOME_RUN, now=now, due_at=now, cluster="")
    job = render_job(pool, spec.job_variables, run, _CLAIMANT, settings.resolved_store_url)
    if has_image:
        return job
    return replace(job, notes=(f"The image is that of the deployment {deployment}: the pool names none.",))


def shown_job(store: RunStore, name: str, deployment: str | None, settings: Settings, now: datetime) -> ShownJob:
    """Return :func:`preview_job` for eyes: without the address of the store, which may hold a password."""
    job = preview_job(store, name, deployment, settings, now)
    return ShownJob(
        command=job.words,
        environment={key: _HIDDEN if key == STORE_VARIABLE else value for key, value in job.environ.items()},
        manifest=_without_address(job.manifest),
        notes=job.notes,
    )


def _without_address(manifest: dict[str, Any] | None) -> dict[str, Any] | None:
    if manifest is None:
        return None
    copy: dict[str, Any] = json.loads(json.dumps(manifest))
    for variable in copy["spec"]["template"]["spec"]["containers"][0].get("env", ()):
        if variable["name"] == STORE_VARIABLE and "value" in variable:
            variable["value"] = _HIDDEN
    return copy


def pool_store(store: RunStore) -> PoolStore:
    """Return the pools of a store."""
    from orchestra_nb.store.pool_store import PoolStore

    return PoolStore(store.database)


def _automations_of(store: RunStore, name: str) -> list[str]:
    from orchestra_nb.store.automation_store import AutomationStore

    def names_it(automation: Automation) -> bool:
        return any(
            isinstance(one, MoveDeployment | PausePool | ResumePool) and one.pool == name for one in automation.actions
        )

    kept = AutomationStore(store.database).list_automations()
    return [one.automation.name for one in kept if names_it(one.automation)]


def _summary(pool: WorkPool, counts: Mapping[str, Any], workers: int) -> PoolSummary:
    from orchestra_nb.store.pool_store import PoolCounts

    of_pool = counts.get(pool.name, PoolCounts())
    return PoolSummary(
        name=pool.name,
        kind=pool.kind,
        description=pool.description,
        concurrency=pool.concurrency,
        is_paused=pool.is_paused,
        waiting=of_pool.waiting,
        due=of_pool.due,
        running=of_pool.running,
        workers=workers,
    )
