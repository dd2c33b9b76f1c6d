"""Files of deployments: read with the place of each error, and written so that reading gives the same."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
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
    LimitNotFound,
    NotebookNotFound,
    OrchestraError,
    PoolNotFound,
    SecretNotFound,
)
from orchestra_nb.model.automations import is_trigger_of
from orchestra_nb.model.deployments import OnConflict
from orchestra_nb.model.durations import write_duration
from orchestra_nb.model.findings import Findings
from orchestra_nb.model.schedules import CatchUp
from orchestra_nb.model.work_pools import DEFAULT_POOL, WorkPool
from orchestra_nb.operations.automation_files import AutomationEntry, automations_of, check_distinct, triggers_of
from orchestra_nb.operations.automation_form import automation_form, trigger_form
from orchestra_nb.operations.deployment_form import form_of
from orchestra_nb.operations.deployment_request import DeploymentRequest, ScheduleRequest, read_retry, read_seconds
from orchestra_nb.operations.located_yaml import LocatedYaml, SaidContent, parse_located, read_located
from orchestra_nb.operations.pool_form import PoolForm, pool_form, read_pool

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


class DeploymentFields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a deployment says; the names are those of :func:`.deployment_form.form_of`."""

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
    limits: list[str] = []
    job_variables: dict[str, Any] = {}
    paused: bool | None = None
    note: str = ""


class FileDeployment(DeploymentFields, frozen=True, kw_only=True):
    """A deployment as a file says it."""

    name: str
    notebook: str | None = None
    schedules: list[Any] = []
    triggers: list[Any] = []


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
            (PoolNotFound, "pool"),
            (LimitNotFound, "limits"),
            ((InvalidParameters, SecretNotFound), "parameters"),
            ((NotebookNotFound, InvalidNotebook, CodeNotFound), target),
        )
        field = next((field for kinds, field in fields if isinstance(error, kinds)), "")
        return self._source.error(f"{self._path}.{field}" if field else self._path, error, base=self._path)

    def error_of_schedule(self, number: int, error: OrchestraError) -> OrchestraError:
        """Return an error of one of its schedules, from 0."""
        return self._source.error(f"{self._path}.schedules[{number}]", error)


class FileContent(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in a file; None for a kind of which it says nothing.

    Parameters
    ----------
    names
        Of all its deployments, those that cannot be used included.
    triggers
        The automations that the triggers of its deployments are.
    keeps_triggers
        Whether it says nothing of triggers, and those that are there stay.
    """

    deployments: list[FileEntry] | None
    automations: list[AutomationEntry] | None
    pools: list[WorkPool] | None = None
    names: frozenset[str] = frozenset()
    triggers: tuple[AutomationEntry, ...] = ()
    keeps_triggers: bool = False


def read_deployment_file(path: str | Path, findings: Findings | None = None) -> FileContent:
    """Return the deployments, automations and pools of a file; relative paths in it are those from its folder.

    Parameters
    ----------
    findings
        Where what is wrong with a deployment or an automation goes, in place of being raised.

    Raises
    ------
    InvalidInput
        The file cannot be read, or says what there is not. The message has the file, the line and the field of all
        that is wrong.
    """
    return _content_of(read_located(Path(path)), Path(os.path.abspath(path)).parent, findings)


def read_sent_file(name: str, text: str, notebooks: Mapping[str, str], findings: Findings) -> FileContent:
    """Return what stands in a file of another machine; relative paths in it are those from now.

    Parameters
    ----------
    name
        What the file is called in messages.
    notebooks
        Path of a notebook, as the file has it, to its text; its runs work in the folder of now.

    Raises
    ------
    InvalidInput
        As :func:`read_deployment_file`.
    """
    folder = Path.cwd()
    content = _content_of(parse_located(name, text), folder, findings)
    by_target = {_from(folder, path): text for path, text in notebooks.items()}
    for entry in content.deployments or ():
        request = entry.request
        if files := [file for schedule in request.schedules for file in schedule.exclude]:
            findings.errors.append(
                InvalidInput(f"{request.name}: {files[0]} is a file of another machine. Write its days as days_off.")
            )
        if request.is_notebook and request.target in by_target:
            target = str(folder / Path(request.target).name)
            entry.request = msgspec.structs.replace(request, target=target, notebook=by_target[request.target])
    return content


def _content_of(source: LocatedYaml, folder: Path, findings: Findings | None) -> FileContent:
    """Return the content of a file that was read."""
    content = source.content
    has_others = isinstance(content, dict) and not {"automations", "pools"}.isdisjoint(content)
    items = content.get("deployments", [] if has_others else None) if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(items, list):
        raise InvalidInput(f"{source.place('deployments')}: write `deployments:`, and below it a list of them.")
    found = Findings() if findings is None else findings
    for name in content:
        if name not in ("deployments", "automations", "pools"):
            message = f"{source.place(name)}: a file has no such field, but pools, deployments and automations."
            found.errors.append(InvalidInput(message))
    entries, triggers, places = [], list[AutomationEntry](), dict[str, str]()
    for number, item in enumerate(items):
        where = f"deployments[{number}]"
        if isinstance(item, dict) and isinstance(item.get("triggers"), list):
            triggers += triggers_of(source, f"{where}.triggers", item["triggers"], str(item.get("name", "")), found)
        request = found.trying(lambda where=where, item=item: _request_of(source, where, item, folder))  # type: ignore[misc]
        if request is None:
            continue
        place = source.place(f"{where}.name")
        if request.name in places:
            message = f"{place}: there is another {request.name!r}: {places[str(request.name)]}."
            found.errors.append(InvalidInput(message))
        places[str(request.name)] = place
        entries.append(FileEntry(source, where, request))
    automations = automations_of(source, found) if "automations" in content else None
    check_distinct([*(automations or ()), *triggers], found)
    pools = _pools_of(source, content["pools"], found) if "pools" in content else None
    if findings is None:
        found.tell()
    return FileContent(
        deployments=entries if "deployments" in content else None,
        automations=automations,
        pools=pools,
        names=frozenset(str(item["name"]) for item in items if isinstance(item, dict) and "name" in item),
        triggers=tuple(triggers),
    )


def sent_content(
    name: str,
    form: Mapping[str, Any],
    notebook: str | None,
    findings: Findings,
    texts: Mapping[str, str] | None = None,
) -> FileContent:
    """Return a deployment that did not come in a file, in the form of files; relative paths are those from now.

    Parameters
    ----------
    form
        Without ``triggers`` those that it has stay.
    notebook
        The text of its notebook; None where that is read from its path.
    texts
        Further parameters as text: the declaration says what each means.
    """
    source = SaidContent(f"deployment {name}", form)
    said = {field: value for field, value in form.items() if field != "triggers"}
    request = findings.trying(lambda: _request_of(source, "", {"name": name, **said}, Path.cwd()))
    triggers = form.get("triggers")
    entries = (
        []
        if request is None
        else [msgspec.structs.replace(request, notebook=notebook, parameter_texts=dict(texts or {}))]
    )
    return FileContent(
        deployments=[FileEntry(source, "", entry) for entry in entries],
        automations=None,
        names=frozenset({name}),
        triggers=tuple(triggers_of(source, "triggers", triggers or [], name, findings)),
        keeps_triggers=triggers is None,
    )


def schedule_request(form: Mapping[str, Any]) -> ScheduleRequest:
    """Return the schedule that a form of files describes; relative paths are those from now."""
    return _schedule_of(SaidContent("schedule", form), "", form, Path.cwd())


def _pools_of(source: LocatedYaml, items: object, findings: Findings) -> list[WorkPool]:
    if not isinstance(items, list):
        findings.errors.append(InvalidInput(f"{source.place('pools')}: write a list of pools below it."))
        return []
    pools: dict[str, WorkPool] = {}
    for number, item in enumerate(items):
        where = f"pools[{number}]"
        pool = findings.trying(lambda where=where, item=item: _pool_of(source, where, item))  # type: ignore[misc]
        if pool is not None and pool.name in pools:
            findings.errors.append(InvalidInput(f"{source.place(f'{where}.name')}: there is another {pool.name!r}."))
        elif pool is not None:
            pools[pool.name] = pool
    return list(pools.values())


def _pool_of(source: LocatedYaml, where: str, item: object) -> WorkPool:
    form = source.convert(where, item, PoolForm, "a pool")
    try:
        return read_pool(form)
    except OrchestraError as error:  # all that is wrong with it, each in a line
        raise InvalidInput("\n".join(f"{source.place(where)}: {line}" for line in str(error).splitlines())) from None


def request_of(deployment: Deployment) -> DeploymentRequest:
    """Return the request that makes a deployment as it is; what it deploys is read anew."""
    form = form_of(deployment.spec)
    return _request_of(LocatedYaml(deployment.name, form, {}), "", form, Path.cwd())


def write_deployments(
    deployments: Iterable[Deployment],
    folder: Path | None = None,
    automations: Sequence[Automation] = (),
    pools: Sequence[WorkPool] = (),
) -> str:
    """Return the text of a file with these deployments, automations and pools.

    Parameters
    ----------
    automations
        Those that are triggers of one of the deployments stand below it.
    folder
        Where the file will be: paths below it are written as from there. None for absolute paths.
    """
    return text_of_content(content_of(deployments, automations, pools), folder)


def content_of(
    deployments: Iterable[Deployment], automations: Sequence[Automation], pools: Sequence[WorkPool]
) -> dict[str, Any]:
    """Return what a file with these deployments, automations and pools says; as :func:`write_deployments`."""
    forms = []
    for deployment in deployments:
        form = form_of(deployment.spec)
        if deployment.is_paused:
            form["paused"] = True
        triggers = [one for one in automations if is_trigger_of(one, deployment.name)]
        if triggers:
            form["triggers"] = [trigger_form(one, number) for number, one in enumerate(triggers, start=1)]
        automations = [one for one in automations if one not in triggers]
        forms.append(form)
    content: dict[str, Any] = {"pools": [pool_form(one) for one in pools]} if pools else {}
    content["deployments"] = forms
    if automations:
        content["automations"] = [automation_form(one) for one in automations]
    return content


def text_of_content(content: Mapping[str, Any], folder: Path | None) -> str:
    """Return the text of a file that says this.

    Parameters
    ----------
    folder
        Where the file will be: paths below it are written as from there. None for absolute paths.
    """
    import yaml

    forms = list(content["deployments"])
    if folder is not None:
        forms = [{**form, **{name: _relative(form[name], folder) for name in _PATHS if name in form}} for form in forms]
    text: str = yaml.safe_dump({**content, "deployments": forms}, sort_keys=False, allow_unicode=True, width=100)
    return text


def _request_of(source: LocatedYaml, where: str, item: object, folder: Path) -> DeploymentRequest:
    said = source.convert(where, item, FileDeployment, "a deployment")
    given = [name for name in ("notebook", "flow") if getattr(said, name) is not None]
    if len(given) != 1:
        raise InvalidInput(f"{source.place(where)}: a deployment has a notebook or a flow, and one of them.")

    def seconds(name: str, value: Duration | None) -> float | None:
        return None if value is None else _seconds(source, f"{where}.{name}", value)

    target = _from(folder, str(said.notebook)) if said.flow is None else _flow_from(folder, said.flow)
    is_module = said.flow is not None and not _file_of(said.flow)[0].endswith(".py")
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
        limits=tuple(said.limits),
        job_variables=said.job_variables,
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
    where, rest = _file_of(flow)
    return f"{_from(folder, where)}{rest}" if where.endswith(".py") else flow


def _file_of(flow: str) -> tuple[str, str]:
    """Return the file or the module of a flow, and what stands behind it: nothing for the one flow of a file."""
    where, colon, name = flow.rpartition(":")
    return (where, f":{name}") if colon else (flow, "")


def _relative(path: str, folder: Path) -> str:
    try:
        below = Path(path).relative_to(folder)
    except ValueError:
        return path
    return str(below)
