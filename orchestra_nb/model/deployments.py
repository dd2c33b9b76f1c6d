"""Deployments: what runs by itself, when, and how often at once.

A deployment has a name for ever; what it says may change, and each change is a version of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final, Literal, NamedTuple

import msgspec

from orchestra_nb.model.identifiers import run_name
from orchestra_nb.model.retries import RetryPolicy
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.schedules import AnySchedule
from orchestra_nb.model.states import FAILURE_STATES, State, is_by_hand
from orchestra_nb.model.work_pools import DEFAULT_POOL

#: What becomes of a run that is due while as many run as may: it waits, it does not run, or the oldest one is stopped.
OnConflict = Literal["queue", "skip", "cancel-running"]

#: What a retry of a whole run may follow: the user's code or a limit of time; a dead process has a budget of its own.
_RETRIED_STATES: Final = frozenset({State.FAILED, State.TIMED_OUT})


class DeploymentSchedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of the schedules of a deployment.

    Parameters
    ----------
    parameters
        What its runs get in place of the deployment's own, by name.
    is_active
        Whether it is looked at.
    """

    schedule: AnySchedule
    parameters: dict[str, object] = {}
    is_active: bool = True


class NotebookTarget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="notebook"):
    """A whole notebook, as it was when it was deployed.

    Parameters
    ----------
    path
        Where it stood; its runs name it, and run in its folder.
    cwd, kernel_name, output_path, is_cached, cell_timeout_seconds, start_timeout_seconds
        As in :class:`~orchestra_nb.operations.notebook_request.NotebookRequest`.
    """

    path: str
    cwd: str | None = None
    kernel_name: str | None = None
    output_path: str | None = None
    is_cached: bool = False
    start_timeout_seconds: float = 60.0
    cell_timeout_seconds: float | None = None

    @property
    def kind(self) -> RunKind:
        """What its runs are."""
        return RunKind.NOTEBOOK


class FlowTarget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="flow"):
    """A flow in Python.

    Parameters
    ----------
    entrypoint
        ``"module:flow"`` or ``"/folder/file.py:flow"``.
    working_folder, import_folder
        Where it runs, and the first folder where modules are looked for (None: only where Python looks anyway).
    """

    entrypoint: str
    working_folder: str
    import_folder: str | None = None

    @property
    def kind(self) -> RunKind:
        """What its runs are."""
        return RunKind.FLOW


class DeploymentSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a deployment says in one version.

    Parameters
    ----------
    flow_name
        The notebook's stem, or the flow's name.
    parameters
        Parameter name to value: of JSON's types, or ``{"$secret": name}`` for a stored secret.
    cluster
        Where tasks run; None for the one of the settings.
    pool, priority
        Where its runs wait to be started, and which go first: those of the higher number.
    concurrency
        How many of its runs go on at once; None for any number.
    retry
        What follows a run that failed.
    timeout_seconds
        How long a run may take.
    limits
        Names of concurrency limits of which each of its runs has a slot while it goes on.
    job_variables
        What its runs say otherwise than the job template of their pool.
    """

    name: str
    flow_name: str
    target: NotebookTarget | FlowTarget
    description: str = ""
    parameters: dict[str, object] = {}
    schedules: tuple[DeploymentSchedule, ...] = ()
    cluster: str | None = None
    pool: str = DEFAULT_POOL
    priority: int = 0
    concurrency: int | None = None
    on_conflict: OnConflict = "queue"
    retry: RetryPolicy = RetryPolicy()
    timeout_seconds: float | None = None
    tags: dict[str, str] = {}
    limits: tuple[str, ...] = ()
    job_variables: dict[str, object] = {}


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment as it stands.

    Parameters
    ----------
    version
        Of its specification, from 1.
    is_paused
        Whether its schedules rest; it can be run by hand nevertheless.
    owner
        The name of the user who made it; None where that is not known.
    """

    spec: DeploymentSpec
    version: int
    is_paused: bool
    created_at: datetime
    updated_at: datetime
    owner: str | None = None

    @property
    def name(self) -> str:
        """Its name, which never changes."""
        return self.spec.name


class DeploymentVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a deployment.

    Parameters
    ----------
    notebook
        The text of the notebook file that its runs execute; None for a flow.
    note
        Why it was made.
    """

    spec: DeploymentSpec
    version: int
    created_at: datetime
    created_by: str
    note: str = ""
    notebook: str | None = None


#: The tag of a run that makes up for what was due long ago.
BACKFILL_TAG: Final = "orchestra.backfill"
#: Who reopens a run that is retried or run again by itself, in its history.
RETRY_ACTOR: Final = "retry policy"
#: So often a run that was claimed and did not begin is claimed again at no cost.
_MOST_FREE: Final = 3
#: The pause before a run whose process was lost for the second time is run again; it doubles up to the longest.
_FIRST_PAUSE_SECONDS: Final = 5.0
_LONGEST_PAUSE_SECONDS: Final = 300.0
_PAUSE_JITTER: Final = 0.3


class AfterRun(Enum):
    """What follows a run of a deployment that has ended."""

    NOTHING = "nothing"
    #: the user's code failed, and a retry is left
    RETRY = "retry"
    #: its process died, and its infrastructure budget is not used up
    RERUN = "rerun"


def after_run(policy: RetryPolicy, state: State, failures: int, losses: int) -> AfterRun:
    """Return what follows a run that ended in this state.

    Parameters
    ----------
    failures, losses
        How often it failed, and how often its process died, this time included.
    """
    if state in _RETRIED_STATES and failures <= policy.retries:
        return AfterRun.RETRY
    if state is State.CRASHED and losses <= policy.infrastructure_retries:
        return AfterRun.RERUN
    return AfterRun.NOTHING


def what_follows(policy: RetryPolicy, history: Sequence[tuple[State | None, State, str]]) -> tuple[AfterRun, Ends]:
    """Return what follows the last change of a run's history, and how often the run has ended otherwise than well.

    Nothing follows an end that somebody set: it is final until somebody opens the run again.

    Parameters
    ----------
    history
        As in :func:`count_ends`.
    """
    ends = count_ends(history)
    if not history or is_by_hand(history[-1][2]):
        return AfterRun.NOTHING, ends
    return after_run(policy, history[-1][1], ends.failures, ends.losses), ends


class Ends(NamedTuple):
    """How often a run ended otherwise than well since somebody opened it by hand.

    Parameters
    ----------
    losses
        How often its process was lost; one that never began counts only when that happens again and again.
    crashes
        How often its process was lost, whether it had begun or not.
    """

    failures: int
    losses: int
    crashes: int


def count_ends(history: Iterable[tuple[State | None, State, str]]) -> Ends:
    """Return how often a run ended otherwise than well; an end that somebody set is none that it came to.

    Parameters
    ----------
    history
        (from, to, actor) of the run's changes of state, in order.
    """
    failures = losses = free = 0  # free: lost before it began, at no cost
    for before, after, actor in history:
        if after.is_terminal and is_by_hand(actor):
            continue
        if after is State.CRASHED and before is State.PENDING and free < _MOST_FREE:
            free += 1
        elif after is State.CRASHED:
            losses += 1
        elif after in FAILURE_STATES:
            failures += 1
        elif after is State.SCHEDULED and before not in (None, State.PENDING) and actor != RETRY_ACTOR:
            failures = losses = free = 0
    return Ends(failures, losses, losses + free)


def is_backfill(run: Run) -> bool:
    """Tell whether a run was made to make up for what was due long ago."""
    return BACKFILL_TAG in run.tags


def occurrence_key(occurrence: datetime, parameters: dict[str, object]) -> str:
    """Return what an occurrence of a deployment is known by: its instant, and what its schedule gives its run.

    So two schedules of a deployment that are due at once make two runs where they ask for different things, and one
    where they do not; and an occurrence stays the same when schedules are numbered anew.

    Examples
    --------
    >>> occurrence_key(datetime(2026, 3, 29, 7, tzinfo=UTC), {})
    '2026-03-29T07:00:00Z'
    """
    instant = occurrence.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if not parameters:
        return instant
    text = json.dumps(parameters, sort_keys=True, separators=(",", ":"), default=str)
    return f"{instant}/{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


def retry_at(policy: RetryPolicy, failures: int, now: datetime, chance: float) -> datetime:
    """Return when a run that has failed so often is to start again."""
    return now + timedelta(seconds=policy.delay_seconds(failures, chance))


def missed_range(
    first: datetime, last: datetime, number: int, parameters: dict[str, object], why_missed: str
) -> tuple[str, str]:
    """Return what a row is known by that stands for many missed occurrences, and why they were missed.

    None of them is known by it alone, so each can have a run of its own later.

    Examples
    --------
    >>> first, last = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, 2, tzinfo=UTC)
    >>> missed_range(first, last, 7201, {}, "too late")
    ('2026-03-01T00:00:00Z--2026-03-01T02:00:00Z', '7,201 occurrences until 2026-03-01 02:00:00 UTC: too late')
    """
    key = f"{occurrence_key(first, {})}--{occurrence_key(last, parameters)}"
    until = last.astimezone(UTC)
    return key, f"{number:,} occurrences until {until:%Y-%m-%d %H:%M:%S} UTC: {why_missed}"


def deployed_run(
    spec: DeploymentSpec,
    version: int,
    *,
    run_id: str,
    now: datetime,
    due_at: datetime,
    cluster: str,
    parameters: dict[str, object] | None = None,
    occurrence: str | None = None,
    why_missed: str = "",
    is_backfill: bool = False,
) -> Run:
    """Return a run of a deployment that waits for its time; MISSED at once where there is a reason.

    Parameters
    ----------
    cluster
        The one of the settings, for a deployment that names none.
    parameters
        What it gets in place of the deployment's own, by name.
    is_backfill
        Whether it makes up for what was due long ago: that says nothing of how the deployment does now.
    """
    return Run(
        run_id=run_id,
        name=run_name(run_id),
        flow_name=spec.flow_name,
        kind=spec.target.kind,
        state=State.MISSED if why_missed else State.SCHEDULED,
        message=why_missed,
        created_at=now,
        ended_at=now if why_missed else None,
        notebook_path=spec.target.path if isinstance(spec.target, NotebookTarget) else None,
        parameters={**spec.parameters, **(parameters or {})},
        cluster=spec.cluster or cluster,
        tags={**spec.tags, BACKFILL_TAG: ""} if is_backfill else spec.tags,
        deployment=spec.name,
        deployment_version=version,
        occurrence=occurrence,
        due_at=due_at,
        pool=spec.pool,
    )


def rerun_at(crashes: int, now: datetime, chance: float) -> datetime:
    """Return when a run whose process was lost so often is to start again: the first time at once.

    What lost it again may be there for longer: an image that is missing, a machine without memory. As with retries of
    a policy, ``chance`` keeps many runs from starting at one time.

    Examples
    --------
    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> [str(rerun_at(crashes, noon, 0.0) - noon) for crashes in (1, 2, 3, 99)]
    ['0:00:00', '0:00:05', '0:00:10', '0:05:00']
    """
    if crashes <= 1:
        return now
    seconds = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(crashes - 2, 30))
    return now + timedelta(seconds=seconds * (1.0 + _PAUSE_JITTER * chance))
