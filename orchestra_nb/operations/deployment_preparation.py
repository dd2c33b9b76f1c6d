"""A deployment checked as a whole before anything is stored: its target, parameters, schedules and limits."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from orchestra_nb.errors import InvalidInput, InvalidParameters
from orchestra_nb.model.deployments import DeploymentSchedule, DeploymentSpec, FlowTarget, NotebookTarget
from orchestra_nb.model.jsonable import from_stored, to_stored
from orchestra_nb.model.sweeps import TypedText
from orchestra_nb.model.variables import check_name
from orchestra_nb.operations.deployment_request import DeploymentRequest, ScheduleRequest
from orchestra_nb.operations.flow_deployment import check_flow, flow_target
from orchestra_nb.operations.notebook_deployment import check_notebook, notebook_target, snapshot_of
from orchestra_nb.operations.schedule_request import read_schedule
from orchestra_nb.settings import Settings
from orchestra_nb.time_zones import machine_zone, zone_of

_MOST_PRIORITY: Final = 1_000_000
_CONFLICTS: Final = ("queue", "skip", "cancel-running")


class PreparedDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """A checked request: what is stored, and the text of its notebook (None for a flow)."""

    spec: DeploymentSpec
    notebook: str | None
    is_paused: bool | None
    note: str


def prepare_deployment(request: DeploymentRequest, settings: Settings, now: datetime) -> PreparedDeployment:
    """Check everything, and return what would be stored; nothing is.

    Raises
    ------
    InvalidInput
        The name, a limit, a schedule, the notebook or a parameter cannot be used.
    NotFound
        The notebook, the flow, or a secret that a parameter refers to is not there.
    """
    if request.name is not None:
        check_name(request.name, "deployment")
    _check_limits(request)
    schedules = check_schedules(request.schedules, now)
    given: dict[str, object] = {
        **request.parameters,
        **{name: TypedText(text) for name, text in request.parameter_texts.items()},
    }
    own = [schedule.parameters for schedule in request.schedules]
    target: NotebookTarget | FlowTarget
    notebook: str | None
    if request.is_notebook:
        target, flow_name, notebook, recorded = _notebook(request, settings, given, own)
    else:
        target, flow_name, notebook, recorded = _flow(request, given, own)
    spec = DeploymentSpec(
        name=check_name(request.name or flow_name, "deployment"),
        flow_name=flow_name,
        target=target,
        description=request.description,
        parameters=_stored(recorded[0]),
        schedules=tuple(
            msgspec.structs.replace(schedule, parameters=_stored(parameters))
            for schedule, parameters in zip(schedules, recorded[1:], strict=True)
        ),
        cluster=request.cluster,
        pool=request.pool,
        priority=request.priority,
        concurrency=request.concurrency,
        on_conflict=request.on_conflict,
        retry=request.retry,
        timeout_seconds=request.timeout_seconds,
        tags=dict(sorted(request.tags.items())),
    )
    return PreparedDeployment(spec=spec, notebook=notebook, is_paused=request.is_paused, note=request.note)


def check_schedules(requests: Sequence[ScheduleRequest], now: datetime) -> tuple[DeploymentSchedule, ...]:
    """Return schedules as they are stored, without parameters of their own.

    Raises
    ------
    InvalidSchedule
        One of them cannot be read, or never falls due.
    """
    return tuple(_schedule_of(request, now) for request in requests)


def check_parameters(
    spec: DeploymentSpec, notebook: str | None, given: Mapping[str, object], settings: Settings
) -> dict[str, object]:
    """Return all parameters of a run of a deployment, as they are recorded, with those given in place of its own.

    Parameters
    ----------
    given
        A value that is a :class:`~orchestra_nb.model.sweeps.TypedText` is given its meaning by the declaration.

    Raises
    ------
    InvalidInput, NotFound
        As :func:`prepare_deployment`.
    """
    whole = {**{name: from_stored(value) for name, value in spec.parameters.items()}, **given}
    if isinstance(spec.target, NotebookTarget):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "notebook.ipynb"
            path.write_text(notebook or "", encoding="utf-8", errors="surrogatepass")
            return check_notebook(spec.target, str(path), [whole], settings, cluster=spec.cluster, is_whole=True)[0]
    return _received(check_flow(spec.target, [whole], is_whole=True).combinations)[0]


def _notebook(
    request: DeploymentRequest, settings: Settings, given: Mapping[str, object], own: list[dict[str, object]]
) -> tuple[NotebookTarget, str, str, list[dict[str, object]]]:
    target = notebook_target(request)
    notebook = snapshot_of(target.path)

    def check(combinations: list[dict[str, object]], is_whole: bool) -> tuple[dict[str, object], ...]:
        return check_notebook(target, target.path, combinations, settings, cluster=request.cluster, is_whole=is_whole)

    recorded = [*check([dict(given)], is_whole=False)]
    for number, combination in enumerate(own, 1):
        try:
            whole = check([{**given, **combination}], is_whole=True)[0]
        except InvalidParameters as error:
            raise InvalidParameters(f"Schedule {number}: {error}") from None
        recorded.append({name: whole[name] for name in combination})
    return target, request.flow_name or Path(target.path).stem, notebook, recorded


def _flow(
    request: DeploymentRequest, given: Mapping[str, object], own: list[dict[str, object]]
) -> tuple[FlowTarget, str, None, list[dict[str, object]]]:
    if request.flow_name is not None:
        raise InvalidInput(f"{request.target} is a flow, which has a name: leave out the other one.")
    target = flow_target(request)
    base = check_flow(target, [given], is_whole=False)
    recorded = _received(base.combinations)
    if own:
        wholes = [{**recorded[0], **combination} for combination in own]
        checked = _received(check_flow(target, wholes, is_whole=True, each="Schedule").combinations)
        recorded += [
            {name: whole[name] for name in combination} for whole, combination in zip(checked, own, strict=True)
        ]
    return target, base.flow_name, None, recorded


def _schedule_of(request: ScheduleRequest, now: datetime) -> DeploymentSchedule:
    timezone = request.timezone if request.timezone is not None else machine_zone()[0]
    schedule = read_schedule(
        timezone=timezone,
        today=now.astimezone(zone_of(timezone)).date(),
        cron=request.cron,
        every=request.every,
        rrule=request.rrule,
        start=request.start,
        end=request.end,
        exclude=request.exclude,
        days_off=request.days_off,
        jitter_seconds=request.jitter_seconds,
        catchup=request.catchup,
        max_late_seconds=request.max_late_seconds,
    )
    return DeploymentSchedule(schedule=schedule, is_active=request.is_active)


def _check_limits(request: DeploymentRequest) -> None:
    check_name(request.pool, "pool")
    if abs(request.priority) > _MOST_PRIORITY:
        raise InvalidInput(f"A priority is a number from -{_MOST_PRIORITY:,} to {_MOST_PRIORITY:,}.")
    if request.concurrency is not None and not 1 <= request.concurrency <= _MOST_PRIORITY:
        raise InvalidInput(f"At least 1 run may go on at a time, not {request.concurrency}.")
    if request.on_conflict not in _CONFLICTS:
        raise InvalidInput(f"{request.on_conflict!r} is none of {', '.join(_CONFLICTS)}.")
    if request.on_conflict != "queue" and request.concurrency is None:
        raise InvalidInput(
            f"on-conflict {request.on_conflict} says what happens beyond a number of runs, and there is none. Give "
            "concurrency, too."
        )
    for what, seconds in (("A run", request.timeout_seconds), ("A kernel", request.start_timeout_seconds)):
        if seconds is not None and seconds <= 0:
            raise InvalidInput(f"{what} may take more than 0 s, not {seconds:g} s.")


def _stored(parameters: Mapping[str, object]) -> dict[str, object]:
    return {name: to_stored(value) for name, value in parameters.items()}


def _received(combinations: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{name: from_stored(value) for name, value in one.items()} for one in combinations]
