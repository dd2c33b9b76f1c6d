"""A deployment checked as a whole before anything is stored: its target, parameters, schedules and limits."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from orchestra_nb.errors import InvalidInput, InvalidParameters, NotebookNotFound
from orchestra_nb.model.deployments import DeploymentSchedule, DeploymentSpec, FlowTarget, NotebookTarget
from orchestra_nb.model.findings import Findings
from orchestra_nb.model.jsonable import from_stored, to_stored
from orchestra_nb.model.sweeps import TypedText
from orchestra_nb.model.variables import check_name
from orchestra_nb.operations.deployment_request import DeploymentRequest, ScheduleRequest
from orchestra_nb.operations.error_places import told_at
from orchestra_nb.operations.flow_deployment import check_flow, flow_target
from orchestra_nb.operations.notebook_deployment import check_notebook, notebook_target, snapshot_of
from orchestra_nb.operations.schedule_request import read_schedule
from orchestra_nb.settings import Settings
from orchestra_nb.time_zones import machine_zone

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
    findings = Findings()
    prepared = look_at(request, settings, now, findings)
    findings.tell()
    assert prepared is not None
    return prepared


def look_at(
    request: DeploymentRequest, settings: Settings, now: datetime, findings: Findings
) -> PreparedDeployment | None:
    """Find all that :func:`prepare_deployment` refuses; return what would be stored, None where something is."""
    number = len(findings.errors)
    if request.name is not None:
        findings.trying(lambda: _checked_name(request.name or ""))
    findings.errors += (InvalidInput(text, {f"/{field}": text}) for field, text in _problems_of_numbers(request))
    schedules = findings.trying(lambda: check_schedules(request.schedules, now))
    given: dict[str, object] = {
        **request.parameters,
        **{name: TypedText(text) for name, text in request.parameter_texts.items()},
    }
    own = [schedule.parameters for schedule in request.schedules]
    found = findings.trying(lambda: _target(request, settings, given, own))
    if found is None or schedules is None or len(findings.errors) > number:
        return None
    target, flow_name, notebook, recorded = found
    name = request.name or findings.trying(lambda: _checked_name(flow_name))
    if name is None:
        return None
    spec = DeploymentSpec(
        name=name,
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
        limits=tuple(sorted(set(request.limits))),
        job_variables=request.job_variables,
    )
    return PreparedDeployment(spec=spec, notebook=notebook, is_paused=request.is_paused, note=request.note)


def _target(
    request: DeploymentRequest, settings: Settings, given: Mapping[str, object], own: list[dict[str, object]]
) -> tuple[NotebookTarget | FlowTarget, str, str | None, list[dict[str, object]]]:
    """Return the target, its name, the text of a notebook, and the parameters: the given, then those of schedules."""
    return _notebook(request, settings, given, own) if request.is_notebook else _flow(request, given, own)


def check_schedules(requests: Sequence[ScheduleRequest], now: datetime) -> tuple[DeploymentSchedule, ...]:
    """Return schedules as they are stored, without parameters of their own.

    Raises
    ------
    InvalidInput
        One of them cannot be read, or never falls due: all that is wrong with any.
    """
    findings = Findings()
    found = [findings.trying(lambda request=request: _schedule_of(request, now)) for request in requests]  # type: ignore[misc]
    findings.tell()
    return tuple(schedule for schedule in found if schedule is not None)


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
    if request.notebook is None:
        target = notebook_target(request)
        script = f"{target.path}.py"
        if os.path.isfile(script) and not os.path.exists(target.path):
            raise NotebookNotFound(
                f"There is no notebook {target.path}. For a flow of {script}: `orchestra deploy {request.target}.py`."
            )
        return _notebook_at(request, target, target.path, settings, given, own)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "notebook.ipynb"
        path.write_text(request.notebook, encoding="utf-8", errors="surrogatepass")
        return _notebook_at(request, notebook_target(request), str(path), settings, given, own)


def _notebook_at(
    request: DeploymentRequest,
    target: NotebookTarget,
    path: str,
    settings: Settings,
    given: Mapping[str, object],
    own: list[dict[str, object]],
) -> tuple[NotebookTarget, str, str, list[dict[str, object]]]:
    notebook = snapshot_of(path if request.notebook is None else request.notebook.encode("utf-8", "surrogatepass"))

    def check(combinations: list[dict[str, object]], is_whole: bool) -> tuple[dict[str, object], ...]:
        return check_notebook(target, path, combinations, settings, cluster=request.cluster, is_whole=is_whole)

    recorded = [*check([dict(given)], is_whole=False)]
    for number, combination in enumerate(own, 1):
        try:
            whole = check([{**given, **combination}], is_whole=True)[0]
        except InvalidParameters as error:
            own_names = {f"/parameters/{name}" for name in combination}
            at = {
                f"/schedules/{number - 1}{pointer}" if pointer in own_names else pointer: detail
                for pointer, detail in error.at.items()
            }
            raise InvalidParameters(f"Schedule {number}: {error}", at) from None
        recorded.append({name: whole[name] for name in combination})
    return target, request.flow_name or Path(target.path).stem, notebook, recorded


def _flow(
    request: DeploymentRequest, given: Mapping[str, object], own: list[dict[str, object]]
) -> tuple[FlowTarget, str, None, list[dict[str, object]]]:
    if request.flow_name is not None:
        raise InvalidInput(f"{request.target} is a flow, which has a name: leave out the other one.")
    target = flow_target(request)
    base = check_flow(target, [given], is_whole=False)
    target = msgspec.structs.replace(target, entrypoint=base.entrypoint)
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
        now=now,
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


def _problems_of_numbers(request: DeploymentRequest) -> Iterator[tuple[str, str]]:
    """Return field to what is wrong with it."""
    if abs(request.priority) > _MOST_PRIORITY:
        yield "priority", f"A priority is a number from -{_MOST_PRIORITY:,} to {_MOST_PRIORITY:,}."
    if request.concurrency is not None and not 1 <= request.concurrency <= _MOST_PRIORITY:
        yield "concurrency", f"At least 1 run may go on at a time, not {request.concurrency}."
    if request.on_conflict not in _CONFLICTS:
        yield "on_conflict", f"{request.on_conflict!r} is none of {', '.join(_CONFLICTS)}."
    elif request.on_conflict != "queue" and request.concurrency is None:
        yield (
            "concurrency",
            f"on-conflict {request.on_conflict} says what happens beyond a number of runs, and there is none. Give "
            "concurrency, too.",
        )
    times = (
        ("timeout", "A run", request.timeout_seconds),
        ("start_timeout", "A kernel", request.start_timeout_seconds),
    )
    for field, what, seconds in times:
        if seconds is not None and seconds <= 0:
            yield field, f"{what} may take more than 0 s, not {seconds:g} s."


def _checked_name(name: str) -> str:
    with told_at("/name"):
        return check_name(name, "deployment")


def _stored(parameters: Mapping[str, object]) -> dict[str, object]:
    return {name: to_stored(value) for name, value in parameters.items()}


def _received(combinations: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{name: from_stored(value) for name, value in one.items()} for one in combinations]
