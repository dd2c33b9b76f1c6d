"""A deployment as it is asked for, by the shell, a file, Python or a notebook: in the forms that people write."""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.deployments import OnConflict
from orchestra_nb.model.durations import parse_duration
from orchestra_nb.model.retries import RetryPolicy, parse_delays
from orchestra_nb.model.schedules import CatchUp
from orchestra_nb.model.work_pools import DEFAULT_POOL

_MOST_RETRIES: Final = 10_000


class ScheduleRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule of a deployment: exactly one of ``cron``, ``every`` and ``rrule``.

    Parameters
    ----------
    timezone
        None for this machine's.
    start, end
        Times in ISO form, in the schedule's zone where they name none.
    exclude, days_off
        Files of days off, and further such days.
    jitter_seconds, catchup, max_late_seconds
        As in :class:`~orchestra_nb.model.schedules.Schedule`.
    parameters
        What its runs get in place of the deployment's own, by name.
    is_active
        Whether it is looked at.
    """

    cron: str | None = None
    every: str | None = None
    rrule: str | None = None
    timezone: str | None = None
    start: str | None = None
    end: str | None = None
    exclude: tuple[str, ...] = ()
    days_off: tuple[date, ...] = ()
    jitter_seconds: float = 0.0
    catchup: CatchUp = "latest"
    max_late_seconds: float | None = None
    parameters: dict[str, object] = {}
    is_active: bool = True


class DeploymentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be deployed.

    Parameters
    ----------
    target
        The path of a notebook, ``"module:flow"`` or ``"file.py:flow"``; ``"file.py"`` where it has one flow.
    notebook
        The text of the notebook, which then need not stand at its path; None to read it there.
    name
        None for the notebook's stem, or the flow's name.
    parameters
        Parameter name to value: of JSON's types, or ``{"$secret": name}`` for a stored secret.
    parameter_texts
        Parameter name to text from a command line: the declaration says what it means.
    cwd
        Where its runs work; None for the folder of the notebook or of the flow's file, and of now for a module.
    import_folder
        Where a module is looked for first; None for the folder of now.
    flow_name
        What its runs are called; None for the notebook's stem. A flow has a name of its own.
    kernel_name, output_path, is_cached, cell_timeout_seconds, start_timeout_seconds
        Of a notebook, as in :class:`~orchestra_nb.operations.notebook_request.NotebookRequest`.
    cluster, pool, priority, concurrency, on_conflict, retry, timeout_seconds, tags, limits, job_variables
        As in :class:`~orchestra_nb.model.deployments.DeploymentSpec`.
    is_paused
        Whether its schedules rest; None for as it is, and that of a new deployment do not.
    note
        Why this version is made.
    """

    target: str
    notebook: str | None = None
    name: str | None = None
    description: str = ""
    parameters: dict[str, object] = {}
    parameter_texts: dict[str, str] = {}
    schedules: tuple[ScheduleRequest, ...] = ()
    cwd: str | None = None
    import_folder: str | None = None
    flow_name: str | None = None
    kernel_name: str | None = None
    output_path: str | None = None
    is_cached: bool = False
    cell_timeout_seconds: float | None = None
    start_timeout_seconds: float = 60.0
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
    is_paused: bool | None = None
    note: str = ""

    @property
    def is_notebook(self) -> bool:
        """Whether its target is a notebook, not a flow in Python."""
        return self.target.endswith(".ipynb") or (":" not in self.target and not self.target.endswith(".py"))


def read_retry(
    retries: int, delay: str | None, *, jitter_factor: float = 0.0, infrastructure_retries: int = 1
) -> RetryPolicy:
    """Return the policy of a number of retries and their delay as text: ``10s``, ``10s,1m`` or ``exp:2s:60s``.

    Raises
    ------
    InvalidInput
        One of them cannot be used.
    """
    for what, number in (("retries", retries), ("infrastructure retries", infrastructure_retries)):
        if not 0 <= number <= _MOST_RETRIES:
            raise InvalidInput(f"{number} is no number of {what}. Give 0 to {_MOST_RETRIES:,}.")
    if delay is not None and not retries:
        raise InvalidInput(f"A delay before each retry ({delay}) was given, and no retries. Give their number, too.")
    if not 0 <= jitter_factor < 1000:
        raise InvalidInput(f"The jitter of retries is a factor of 0 or more, not {jitter_factor:g}.")
    try:
        delays, exponential = ((), None) if delay is None else parse_delays(delay)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    return RetryPolicy(
        retries=retries,
        delays_seconds=delays,
        exponential=exponential,
        infrastructure_retries=infrastructure_retries,
        jitter_factor=jitter_factor,
    )


def read_seconds(text: str, what: str) -> float:
    """Return a duration above 0 that somebody wrote.

    Raises
    ------
    InvalidInput
        It is none.
    """
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise InvalidInput(f"{what}: {error}") from None
    if seconds <= 0:
        raise InvalidInput(f"{what} is a time above 0, not {text!r}.")
    return seconds
