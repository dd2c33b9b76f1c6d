"""A notebook run as it is asked for, checked as a whole before anything starts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from orchestra_nb.acting_user import acting_user, process_user
from orchestra_nb.engine.event_relay import RUN_ID_VARIABLE, RUN_NAME_VARIABLE, RUN_SOCKET_VARIABLE
from orchestra_nb.engine.kernel_environment import CLUSTER_VARIABLE, KERNEL_VARIABLES
from orchestra_nb.engine.task_keys import NOTEBOOK_VARIABLE
from orchestra_nb.errors import CellNotPython, CellsNeedEachOther, InvalidInput, InvalidParameters
from orchestra_nb.model.identifiers import run_name
from orchestra_nb.model.jsonable import to_stored
from orchestra_nb.model.runs import Run, RunKind
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.states import State
from orchestra_nb.model.sweeps import TypedText
from orchestra_nb.notebooks.cell_options import check_options
from orchestra_nb.notebooks.cell_syntax import first_broken_cell
from orchestra_nb.notebooks.document import kernel_name, read_notebook, write_notebook
from orchestra_nb.notebooks.early_reads import may_read_early
from orchestra_nb.notebooks.kernelspecs import check_language, kernel_language, runs_this_python
from orchestra_nb.notebooks.output_notebook import PAPERMILL_VERSION
from orchestra_nb.notebooks.parameter_preparation import PreparedParameters, prepare_parameters
from orchestra_nb.notebooks.runner_messages import RunnerSpec, runner_socket
from orchestra_nb.operations.absolute_paths import absolute_path, working_folder
from orchestra_nb.operations.sent_parameters import received_parameters, sent_parameters
from orchestra_nb.settings import Settings, default_store_path

#: Output paths that stand for none.
_NO_COPY = ("-", os.devnull)
_DEVICES = Path("/dev")


class NotebookRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to run.

    Parameters
    ----------
    parameters
        Parameter name to value: of JSON's types, a real object, or ``{"$secret": name}`` for a stored secret.
    parameter_texts
        Parameter name to text from a command line: the notebook's declaration says what it means.
    visible_parameters
        Names whose values others could read where they were given, so that none of them may be a secret.
    output_path
        Where a copy of the executed notebook goes; None for a name of its own beside the notebook, ``"-"`` and
        ``"/dev/null"`` for no copy.
    cwd
        The kernel's working folder; None for the notebook's own.
    kernel_name
        None for the one that the notebook names.
    cluster
        Where task cells run; None for the one of the settings.
    is_cached, is_refreshed
        Whether cells are replayed from what was kept; whether all run nevertheless, and are kept anew.
    fresh_from_index
        Which code cell of the executed notebook runs, and all below it, whatever was kept; None for none.
    is_strict
        Whether every parameter must be one that the notebook declares, and every cell Python.
    snapshot_path, epoch
        The notebook as it ran, and the epoch of the run, where a run is run again.
    flow_name
        None for the notebook's stem.
    timeout_seconds
        After so long the run is stopped and ends as TIMED_OUT; None for never. Counted from the first cell.
    tags, parent_run_id, parent_task_run_id
        As in :class:`~orchestra_nb.model.runs.Run`.
    is_parallel
        Whether cells may run ahead of their turn on the cluster, where that pays.
    report_mode
        Whether the code is hidden in the executed notebook.
    start_timeout_seconds, cell_timeout_seconds
        How long the kernel may take to start, and each cell to end; None for ever.
    is_shown
        Whether the driver is told what cells show.
    owner
        Whose the run is; None for the user of the driver's process.
    """

    path: str
    run_id: str
    parameters: dict[str, object] = {}
    parameter_texts: dict[str, str] = {}
    visible_parameters: tuple[str, ...] = ()
    output_path: str | None = None
    cwd: str | None = None
    kernel_name: str | None = None
    cluster: str | None = None
    is_strict: bool = True
    is_cached: bool = False
    is_refreshed: bool = False
    fresh_from_index: int | None = None
    snapshot_path: str | None = None
    epoch: int = 1
    flow_name: str | None = None
    timeout_seconds: float | None = None
    tags: dict[str, str] = {}
    parent_run_id: str | None = None
    parent_task_run_id: str | None = None
    is_parallel: bool = False
    report_mode: bool = False
    start_timeout_seconds: float = 60.0
    cell_timeout_seconds: float | None = None
    is_shown: bool = False
    owner: str | None = None

    @property
    def is_folder_chosen(self) -> bool:
        """Whether the kernel's folder was asked for; of a run that is run again its folder is known in any case."""
        own = None if self.snapshot_path is None else str(absolute_path(self.path).parent)
        return self.cwd not in (None, own)


class PreparedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A checked request: the record of the run, what the runner needs, and where the copy of its output goes."""

    run: Run
    spec: RunnerSpec
    copy_path: Path


def encode_request(request: NotebookRequest) -> bytes:
    """Return a request as JSON, its parameters exact and its secrets readable: for a pipe, never for a file."""
    fields = msgspec.structs.asdict(request) | {"parameters": sent_parameters(request.parameters)}
    return json.dumps(fields).encode()


def decode_request(data: bytes) -> NotebookRequest:
    """Return the request that :func:`encode_request` wrote."""
    fields = json.loads(data)
    return NotebookRequest(**fields | {"parameters": received_parameters(fields["parameters"])})


def prepare(
    request: NotebookRequest,
    settings: Settings,
    now: datetime,
    *,
    is_run: bool = True,
    find_secret: Callable[[str], Secret] | None = None,
) -> PreparedRun:
    """Read the notebook and check everything; start nothing.

    Parameters
    ----------
    is_run
        Whether it is to be run, so that its cells must be such that they can.
    find_secret
        Returns a stored secret; None for one of the store of these settings.

    Raises
    ------
    NotebookNotFound
        There is no such file.
    InvalidInput
        The file is no notebook, a cell is no Python, two cells need each other, its kernel is not installed, a
        parameter does not fit, or a folder is not there.
    SecretNotFound
        A parameter refers to a secret that is not stored.
    """
    source = _read(request)
    if request.is_cached and request.is_parallel:
        raise InvalidInput(
            "--cache replays cells in order, --parallel runs them ahead: choose one of them.",
            {"/parallel": "Cells are replayed in order, or run ahead: choose one of them."},
        )
    source.check_cache(request)
    check_language(source.notebook, source.kernel, source.language)
    parameters = _parameters_of(
        source, request, request.parameters, request.parameter_texts, find_secret or _secret_finder(request, settings)
    )
    parameters.inject(source.notebook)
    if is_run:
        source.check_cells(request)
    if request.report_mode:
        _hide_code(source.notebook)
    run = Run(
        run_id=request.run_id,
        name=run_name(request.run_id),
        flow_name=request.flow_name or source.path.stem,
        kind=RunKind.NOTEBOOK,
        state=State.PENDING,
        created_at=now,
        notebook_path=str(source.path),
        parameters=parameters.recorded,
        cluster=_checked_cluster(request.cluster or settings.cluster),
        tags=request.tags,
        parent_run_id=request.parent_run_id,
        parent_task_run_id=request.parent_task_run_id,
        owner=request.owner or process_user(),
    )
    output_path = attempts_folder() / f"{run.run_id}.{request.epoch}.ipynb"
    copy_path = output_path
    if request.output_path not in _NO_COPY:
        copy_path = checked_output(request.output_path, source.path, run.name)
    spec = _spec_of(request, source, run, parameters, settings, (output_path, copy_path))
    return PreparedRun(run=run, spec=spec, copy_path=copy_path)


def _spec_of(
    request: NotebookRequest,
    source: _Source,
    run: Run,
    parameters: PreparedParameters,
    settings: Settings,
    outputs: tuple[Path, Path],
) -> RunnerSpec:
    """Return what the runner needs; ``outputs`` are the attempt's own file and the user's."""
    output_path, copy_path = outputs
    socket_path = str(runner_socket(run.run_id))
    return RunnerSpec(
        run_id=run.run_id,
        run_name=run.name,
        flow_name=run.flow_name,
        kernel_name=source.kernel,
        cwd=str(_checked_folder(request.cwd, source.path)),
        environ={
            RUN_ID_VARIABLE: run.run_id,
            RUN_NAME_VARIABLE: run.name,
            RUN_SOCKET_VARIABLE: socket_path,
            CLUSTER_VARIABLE: run.cluster or settings.cluster,
            NOTEBOOK_VARIABLE: source.path.stem,
            **KERNEL_VARIABLES,
        },
        notebook_json=json.dumps(source.notebook),
        parameters_json=json.dumps(to_stored(parameters.recorded)),
        hidden_source=parameters.hidden_source,
        secrets=parameters.secrets,
        input_path=str(source.path),
        output_path=str(output_path),
        copy_path=str(copy_path),
        socket_path=socket_path,
        is_cached=request.is_cached,
        is_refreshed=request.is_refreshed,
        fresh_from_index=request.fresh_from_index,
        cache_bytes=settings.cell_cache_bytes,
        epoch=request.epoch,
        start_timeout_seconds=request.start_timeout_seconds,
        cell_timeout_seconds=request.cell_timeout_seconds,
        is_shown=request.is_shown,
    )


def prepare_only(request: NotebookRequest, settings: Settings) -> Path:
    """Write the notebook with its parameters where the executed one would go, and return that path; run nothing.

    Raises
    ------
    NotebookNotFound, InvalidInput
        As :func:`prepare`.
    """
    prepared = prepare(request, settings, datetime.now(UTC), is_run=False)
    notebook = json.loads(prepared.spec.notebook_json)
    notebook["metadata"]["papermill"] = {
        "default_parameters": {},
        "parameters": prepared.run.parameters,
        "environment_variables": {},
        "version": PAPERMILL_VERSION,
        "input_path": prepared.spec.input_path,
        "output_path": str(prepared.copy_path),
    }
    write_notebook(notebook, prepared.copy_path)
    return prepared.copy_path


def _hide_code(notebook: dict[str, Any]) -> None:
    """Hide what code cells say, as papermill does."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["metadata"]["jupyter"] = {**cell["metadata"].get("jupyter", {}), "source_hidden": True}


def check_combinations(
    request: NotebookRequest,
    settings: Settings,
    combinations: Sequence[Mapping[str, object]],
    swept: Sequence[str],
    *,
    is_whole: bool = True,
) -> tuple[dict[str, object], ...]:
    """See that a notebook can be run with each of these combinations of parameters; start nothing.

    Parameters
    ----------
    request
        Its parameters are left aside.
    combinations
        A value that is a :class:`~orchestra_nb.model.sweeps.TypedText` is given its meaning by the declaration.
    swept
        The names that differ, for messages.
    is_whole
        Whether parameters that have no default must be among them.

    Returns
    -------
    tuple of dict
        The combinations as they are recorded; given again they mean the same.

    Raises
    ------
    NotebookNotFound, InvalidInput
        As :func:`prepare`; a message about a combination names it.
    """
    source = _read(request)
    source.check_cache(request)
    check_language(source.notebook, source.kernel, source.language)
    source.check_cells(request)
    checked: list[dict[str, object]] = []
    for number, given in enumerate(combinations, 1):
        try:
            prepared = _parameters_of(
                source,
                request,
                {name: value for name, value in given.items() if not isinstance(value, TypedText)},
                {name: str(value) for name, value in given.items() if isinstance(value, TypedText)},
                _secret_finder(request, settings),
                is_whole=is_whole,
            )
        except InvalidParameters as error:
            if len(combinations) == 1:
                raise
            shown = ", ".join(f"{name}={given[name]}" for name in swept if name in given)
            raise InvalidParameters(f"Combination {number} of {len(combinations)} ({shown[:200]}): {error}") from None
        checked.append({name: prepared.recorded[name] for name in given})
    _checked_folder(request.cwd, source.path)
    _checked_cluster(request.cluster or settings.cluster)
    return tuple(checked)


@dataclass(frozen=True, slots=True)
class _Source:
    """A notebook as it was read, and what is to run it."""

    path: Path
    notebook: dict[str, Any]
    kernel: str
    language: str

    def check_cache(self, request: NotebookRequest) -> None:
        """Refuse what cannot be kept."""
        if request.is_cached and self.language != "python":
            option = "--cache" if request.snapshot_path is None else "cache"  # which is deployed by others than shells
            raise InvalidInput(
                f"{option} needs a Python kernel, and {self.kernel} runs {self.language}. Leave {option} out.",
                {"/cache": f"This needs a Python kernel, and {self.kernel} runs {self.language}."},
            )

    def check_cells(self, request: NotebookRequest) -> None:
        """Refuse a notebook in Python that is certain not to reach its end."""
        if self.language != "python":
            return
        looks = request.is_strict and runs_this_python(self.kernel)
        if looks and (broken := first_broken_cell(self.notebook)) is not None:
            others = ", or run the cells before it with --no-strict" if request.snapshot_path is None else ""
            raise CellNotPython(f"{self.path}: {broken}. Mend it{others}.")
        if not may_read_early(self.notebook):
            return  # the analysis takes longer than to start it all
        from orchestra_nb.notebooks.cell_circles import circle_in_words

        if (circle := circle_in_words(self.notebook)) is not None:
            raise CellsNeedEachOther(f"{self.path}: {circle}")


def _read(request: NotebookRequest) -> _Source:
    """Read the notebook, and see that its kernel is there and the options of its cells are good."""
    path = absolute_path(request.path)
    notebook = read_notebook(path if request.snapshot_path is None else Path(request.snapshot_path))
    kernel = request.kernel_name or kernel_name(notebook)
    language = kernel_language(kernel)
    check_options(notebook)
    return _Source(path, notebook, kernel, language)


def _parameters_of(
    source: _Source,
    request: NotebookRequest,
    values: Mapping[str, object],
    texts: Mapping[str, str],
    find_secret: Callable[[str], Secret],
    *,
    is_whole: bool = True,
) -> PreparedParameters:
    return prepare_parameters(
        source.notebook,
        values,
        texts=texts,
        strict=request.is_strict,
        kernel_name=source.kernel,
        language=source.language,
        find_secret=find_secret,
        visible=request.visible_parameters,
        is_whole=is_whole,
    )


def _secret_finder(request: NotebookRequest, settings: Settings) -> Callable[[str], Secret]:
    """Return what reads a stored secret of whose run it is; the store is opened for the first one."""
    owner = request.owner or acting_user() or process_user()

    def find(name: str) -> Secret:
        from orchestra_nb.operations.opening import open_store
        from orchestra_nb.operations.shared_variables import get_secret

        return get_secret(open_store(settings), name, settings.secret_key_place, owner)

    return find


def _checked_folder(cwd: str | None, source: Path) -> Path:
    return working_folder(source.parent if cwd is None else absolute_path(cwd))


def checked_output(chosen: str | None, source: Path, name: str) -> Path:
    """Return where the copy of an executed notebook goes; refuse what would fail at the end of a long run.

    Parameters
    ----------
    chosen
        None for a place beside the source.
    name
        Of the run.

    Raises
    ------
    InvalidInput
        Nothing can be written there.
    """
    if chosen is None:
        return source.with_name(f"{source.stem}.{name}.ipynb")
    path = absolute_path(chosen)
    if os.path.isdir(path):
        raise InvalidInput(f"The output path {path} is a folder. Name a file in it.")
    if path.parent == _DEVICES or (os.path.exists(path) and not os.path.isfile(path)):
        raise InvalidInput(
            f"The output path {path} is a device or a pipe, and would be replaced by a file. Name a file, or - for "
            f"stdout, or {os.devnull} for no copy."
        )
    if not os.path.isdir(path.parent):
        raise InvalidInput(f"The output folder {path.parent} does not exist. Make it, or choose another one.")
    if not os.access(path.parent, os.W_OK):
        raise InvalidInput(f"The output folder {path.parent} cannot be written. Choose another one.")
    if os.path.exists(path) and source.exists() and path.samefile(source):
        raise InvalidInput(f"The output would overwrite the notebook {path} itself. Choose another output path.")
    return path


def _checked_cluster(text: str) -> str:
    if text != "local":
        from orchestra_nb.engine.clusters import parse_cluster

        parse_cluster(text)
    return text


def attempts_folder() -> Path:
    """Return the folder that has one output notebook for each attempt of each run."""
    folder = default_store_path().parent / "outputs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
