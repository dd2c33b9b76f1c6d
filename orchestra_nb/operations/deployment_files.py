"""Files of deployments: read with the place of each error, and written so that reading gives the same."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from orchestra_nb.errors import (
    CodeNotFound,
    InvalidInput,
    InvalidNotebook,
    InvalidParameters,
    InvalidSchedule,
    NotebookNotFound,
    OrchestraError,
    SecretNotFound,
)
from orchestra_nb.model.deployments import DEFAULT_POOL, OnConflict
from orchestra_nb.model.durations import write_duration
from orchestra_nb.model.schedules import CatchUp
from orchestra_nb.operations.automation_files import AutomationEntry, automations_of
from orchestra_nb.operations.automation_form import automation_form
from orchestra_nb.operations.deployment_form import form_of
from orchestra_nb.operations.deployment_request import DeploymentRequest, ScheduleRequest, read_retry, read_seconds
from orchestra_nb.operations.located_yaml import LocatedYaml, read_located

if TYPE_CHECKING:
    from orchestra_nb.model.automations import Automation
    from orchestra_nb.model.deployments import Deployment

#: A duration: ``"1h30m"``, or a number of seconds.
Duration: TypeAlias = str | int | float

_PATHS: Final = ("notebook", "flow", "cwd", "import_folder", "output")


class FileSchedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A schedule as a file says it."""

    cron: str | None = None
    every: Duration | None = None
    rrule: str | None = None
    timezone: str | None = None
    start: str | None = None
    end: str | None = None
    exclude: str | list[str] = []
    days_off: list[date] = []
    jitter: Duration | None = None
    catchup: CatchUp = "latest"
    max_late: Duration | None = None
    parameters: dict[str, Any] = {}
    active: bool = True


class FileDeployment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deployment as a file says it; the names are those of :func:`.deployment_form.form_of`."""

    name: str
    notebook: str | None = None
    flow: str | None = None
    cwd: str | None = None
    import_folder: str | None = None
    flow_name: str | None = None
    kernel: str | None = None
    output: str | None = None
    cache: bool = False
    cell_timeout: Duration | None = None
    start_timeout: Duration | None = None
    description: str = ""
    parameters: dict[str, Any] = {}
    schedules: list[Any] = []
    cluster: str | dict[str, Any] | None = None
    pool: str = DEFAULT_POOL
    priority: int = 0
    concurrency: int | None = None
    on_conflict: OnConflict = "queue"
    retries: int = 0
    retry_delay: Duration | None = None
    retry_jitter: float = 0.0
    infrastructure_retries: int = 1
    timeout: Duration | None = None
    tags: dict[str, str] = {}
    paused: bool | None = None
    note: str = ""


class FileEntry:
    """One deployment of a file: what it asks for, and how its errors are told.

    Parameters
    ----------
    path
        Where it stands in the file: ``"deployments[0]"``.
    """

    def __init__(self, source: LocatedYaml, path: str, request: DeploymentRequest) -> None:
        self._source = source
        self._path = path
        self.request = request

    def error(self, error: OrchestraError) -> OrchestraError:
        """Return an error of its preparation with the place of what it is about."""
        target = "notebook" if self.request.is_notebook else "flow"
        fields: tuple[tuple[type[OrchestraError] | tuple[type[OrchestraError], ...], str], ...] = (
            (InvalidSchedule, "schedules"),
            ((InvalidParameters, SecretNotFound), "parameters"),
            ((NotebookNotFound, InvalidNotebook, CodeNotFound), target),
        )
        field = next((field for kinds, field in fields if isinstance(error, kinds)), "")
        return self._source.error(f"{self._path}.{field}" if field else self._path, error)

    def error_of_schedule(self, number: int, error: OrchestraError) -> OrchestraError:
        """Return an error of one of its schedules, from 0."""
        return self._source.error(f"{self._path}.schedules[{number}]", error)


class FileContent(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in a file; None for a kind of which it says nothing."""

    deployments: list[FileEntry] | None
    automations: list[AutomationEntry] | None


def read_deployment_file(path: str | Path) -> FileContent:
    """Return the deployments and automations of a file; relative paths in it are those from its folder.

    Raises
    ------
    InvalidInput
        The file cannot be read, or says what there is not. The message has the file, the line and the field.
    """
    source = read_located(Path(path))
    content = source.content
    items = content.get("deployments", [] if "automations" in content else None) if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(items, list):
        raise InvalidInput(f"{source.place('deployments')}: write `deployments:`, and below it a list of them.")
    for name in content:
        if name not in ("deployments", "automations"):
            raise InvalidInput(f"{source.place(name)}: a file has no such field, but deployments and automations.")
    folder = Path(os.path.abspath(path)).parent
    entries, places = [], dict[str, str]()
    for number, item in enumerate(items):
        where = f"deployments[{number}]"
        request = _request_of(source, where, item, folder)
        if request.name in places:
            raise InvalidInput(
                f"{source.place(f'{where}.name')}: there is another {request.name!r}: {places[str(request.name)]}."
            )
        places[str(request.name)] = source.place(f"{where}.name")
        entries.append(FileEntry(source, where, request))
    automations = automations_of(source) if "automations" in content else None
    return FileContent(deployments=entries if "deployments" in content else None, automations=automations)


def request_of(deployment: Deployment) -> DeploymentRequest:
    """Return the request that makes a deployment as it is; what it deploys is read anew."""
    form = form_of(deployment.spec)
    return _request_of(LocatedYaml(deployment.name, form, {}), "", form, Path.cwd())


def write_deployments(
    deployments: Iterable[Deployment], folder: Path | None = None, automations: Sequence[Automation] = ()
) -> str:
    """Return the text of a file with these deployments and automations.

    Parameters
    ----------
    folder
        Where the file will be: paths below it are written as from there. None for absolute paths.
    """
    import yaml

    forms = []
    for deployment in deployments:
        form = form_of(deployment.spec)
        if deployment.is_paused:
            form["paused"] = True
        if folder is not None:
            form |= {name: _relative(form[name], folder) for name in _PATHS if name in form}
        forms.append(form)
    content: dict[str, object] = {"deployments": forms}
    if automations:
        content["automations"] = [automation_form(one) for one in automations]
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return text


def _request_of(source: LocatedYaml, where: str, item: object, folder: Path) -> DeploymentRequest:
    said = source.convert(where, item, FileDeployment, "a deployment")
    given = [name for name in ("notebook", "flow") if getattr(said, name) is not None]
    if len(given) != 1:
        raise InvalidInput(f"{source.place(where)}: a deployment has a notebook or a flow, and one of them.")

    def seconds(name: str, value: Duration | None) -> float | None:
        return None if value is None else _seconds(source, f"{where}.{name}", value)

    target = _from(folder, str(said.notebook)) if said.flow is None else _flow_from(folder, said.flow)
    is_module = said.flow is not None and not said.flow.rpartition(":")[0].endswith(".py")
    try:
        retry = read_retry(
            said.retries,
            None if said.retry_delay is None else _text(said.retry_delay),
            jitter_factor=said.retry_jitter,
            infrastructure_retries=said.infrastructure_retries,
        )
    except InvalidInput as error:
        raise source.error(f"{where}.{'retries' if said.retry_delay is None else 'retry_delay'}", error) from None
    return DeploymentRequest(
        target=target,
        name=said.name,
        description=said.description,
        parameters=said.parameters,
        schedules=tuple(
            _schedule_of(source, f"{where}.schedules[{number}]", schedule, folder)
            for number, schedule in enumerate(said.schedules)
        ),
        cwd=_maybe_from(folder, said.cwd) or (str(folder) if is_module else None),
        import_folder=_maybe_from(folder, said.import_folder) or (str(folder) if is_module else None),
        flow_name=said.flow_name,
        kernel_name=said.kernel,
        output_path=said.output if said.output == "-" else _maybe_from(folder, said.output),
        is_cached=said.cache,
        cell_timeout_seconds=seconds("cell_timeout", said.cell_timeout),
        start_timeout_seconds=seconds("start_timeout", said.start_timeout) or 60.0,
        cluster=_cluster_text(said.cluster),
        pool=said.pool,
        priority=said.priority,
        concurrency=said.concurrency,
        on_conflict=said.on_conflict,
        retry=retry,
        timeout_seconds=seconds("timeout", said.timeout),
        tags=said.tags,
        is_paused=said.paused,
        note=said.note,
    )


def _schedule_of(source: LocatedYaml, where: str, item: object, folder: Path) -> ScheduleRequest:
    said = source.convert(where, item, FileSchedule, "a schedule")
    files = [said.exclude] if isinstance(said.exclude, str) else said.exclude
    return ScheduleRequest(
        cron=said.cron,
        every=None if said.every is None else _text(said.every),
        rrule=said.rrule,
        timezone=said.timezone,
        start=said.start,
        end=said.end,
        exclude=tuple(_from(folder, file) for file in files),
        days_off=tuple(said.days_off),
        jitter_seconds=0.0 if said.jitter is None else _seconds(source, f"{where}.jitter", said.jitter),
        catchup=said.catchup,
        max_late_seconds=None if said.max_late is None else _seconds(source, f"{where}.max_late", said.max_late),
        parameters=said.parameters,
        is_active=said.active,
    )


def _seconds(source: LocatedYaml, path: str, value: Duration) -> float:
    try:
        return read_seconds(_text(value), path.rpartition(".")[2])
    except InvalidInput as error:
        raise source.error(path, error) from None


def _text(value: Duration) -> str:
    return value if isinstance(value, str) else write_duration(value) if value >= 0 else str(value)


def _cluster_text(cluster: str | dict[str, Any] | None) -> str | None:
    if not isinstance(cluster, dict):
        return cluster
    import yaml

    text: str = yaml.safe_dump(cluster, default_flow_style=True, sort_keys=False, width=1_000_000)
    return text.strip()


def _from(folder: Path, path: str) -> str:
    return os.path.join(folder, os.path.expanduser(path))


def _maybe_from(folder: Path, path: str | None) -> str | None:
    return None if path is None else _from(folder, path)


def _flow_from(folder: Path, flow: str) -> str:
    where, colon, name = flow.rpartition(":")
    return f"{_from(folder, where)}{colon}{name}" if where.endswith(".py") else flow


def _relative(path: str, folder: Path) -> str:
    try:
        below = Path(path).relative_to(folder)
    except ValueError:
        return path
    return str(below)
