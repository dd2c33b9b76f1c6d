"""A notebook as it is deployed: read and checked as a run of it would be, and kept without what it once showed."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from orchestra_nb.errors import InvalidInput, InvalidParameters
from orchestra_nb.model.counted import counted
from orchestra_nb.model.deployments import NotebookTarget
from orchestra_nb.model.secret_values import HIDDEN
from orchestra_nb.notebooks.document import notebook_text, read_notebook
from orchestra_nb.notebooks.parameter_preparation import check_names
from orchestra_nb.operations.absolute_paths import absolute_path
from orchestra_nb.operations.deployment_request import DeploymentRequest
from orchestra_nb.operations.notebook_request import NotebookRequest, check_combinations, checked_output
from orchestra_nb.settings import Settings

#: What a run leaves in a notebook beside outputs, by where it stands.
_TRACES_OF_CELLS: Final = ("execution", "ExecuteTime", "papermill", "collapsed", "scrolled")
_TRACES: Final = ("widgets", "papermill")


def notebook_target(request: DeploymentRequest) -> NotebookTarget:
    """Return where the notebook of a request stands and how it is run; nothing is looked at."""
    return NotebookTarget(
        path=str(absolute_path(request.target)),
        cwd=None if request.cwd is None else str(absolute_path(request.cwd)),
        kernel_name=request.kernel_name,
        output_path=_output_path(request.output_path),
        is_cached=request.is_cached,
        start_timeout_seconds=request.start_timeout_seconds,
        cell_timeout_seconds=request.cell_timeout_seconds,
    )


def snapshot_of(source: str | bytes) -> str:
    """Return the text of a notebook without outputs, and without what else differs from run to run.

    Parameters
    ----------
    source
        Its path, or its content.

    Raises
    ------
    NotebookNotFound, InvalidNotebook
        It cannot be read.
    """
    notebook = read_notebook(source)
    for cell in notebook["cells"]:
        for trace in _TRACES_OF_CELLS:
            cell["metadata"].pop(trace, None)
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    for trace in _TRACES:
        notebook["metadata"].pop(trace, None)
    return notebook_text(notebook)


def check_notebook(
    target: NotebookTarget,
    snapshot_path: str,
    combinations: Sequence[Mapping[str, object]],
    settings: Settings,
    *,
    cluster: str | None,
    is_whole: bool,
) -> tuple[dict[str, object], ...]:
    """See that a notebook can be run with each of these combinations, and return them as they are recorded.

    Parameters
    ----------
    snapshot_path
        A file with the text that is to run.
    combinations
        A value that is a :class:`~orchestra_nb.model.sweeps.TypedText` is given its meaning by the declaration.
    is_whole
        Whether parameters that have no default must be among them.

    Raises
    ------
    InvalidInput, NotFound
        As :func:`~orchestra_nb.operations.notebook_request.prepare`, and for a secret whose text was given.
    """
    request = NotebookRequest(
        path=target.path,
        run_id="",
        snapshot_path=snapshot_path,
        cwd=target.cwd,
        kernel_name=target.kernel_name,
        cluster=cluster,
        is_cached=target.is_cached,
    )
    swept = sorted({name for combination in combinations for name in combination})
    checked = check_combinations(request, settings, combinations, swept, is_whole=is_whole)
    for combination in checked:
        for name, value in combination.items():
            if _is_hidden(value):
                detail = "A deployment keeps no secret's text: give the name of a stored secret."
                raise InvalidParameters(secret_remedy(name), {f"/parameters/{name}": detail})
    if target.output_path not in (None, "-"):
        checked_output(target.output_path, Path(target.path), "run")
    if target.cell_timeout_seconds is not None and target.cell_timeout_seconds <= 0:
        raise InvalidInput(f"A cell may take more than 0 s, not {target.cell_timeout_seconds:g} s.")
    return checked


def check_parameter_names(path: str, names: Collection[str]) -> None:
    """See that the notebook of this file declares parameters of these names.

    Raises
    ------
    InvalidParameters
        It does not.
    """
    check_names(read_notebook(path), names)


def secret_remedy(name: str) -> str:
    """Say how a deployment is given a secret: by its name."""
    return (
        f"Parameter {name!r} is a secret, and a deployment keeps no secret's text. Store it with `orchestra secrets "
        f"set NAME`, and give --secret {name} NAME (in a file, in Python and by REST: {{$secret: NAME}})."
    )


def cells_changed(before: str, after: str) -> str:
    """Say in words what differs between two texts of a notebook: ``"2 cells changed, 1 cell added"``."""
    old, new = ([_cell_key(cell) for cell in read_notebook(text.encode())["cells"]] for text in (before, after))
    changed = added = removed = 0
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            both = min(i2 - i1, j2 - j1)
            changed, added, removed = changed + both, added + (j2 - j1 - both), removed + (i2 - i1 - both)
    numbers = {"changed": changed, "added": added, "removed": removed}
    parts = [f"{counted(number, 'cell')} {word}" for word, number in numbers.items() if number]
    return ", ".join(parts) or "its metadata changed"


def _cell_key(cell: Mapping[str, Any]) -> tuple[str, str, str]:
    return cell["cell_type"], cell["source"], repr(sorted(cell["metadata"].items()))


def _output_path(chosen: str | None) -> str | None:
    return chosen if chosen in (None, "-") else str(absolute_path(chosen))


def _is_hidden(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_is_hidden, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_is_hidden, value))
    return value == HIDDEN
