"""The notebook of a run as it was when the run began, and how it was asked for: what a retry runs again.

Kept beside the run's output notebooks. Parameters are not among it: those of the run are in its record, where a secret
one stands by its name.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from orchestra_nb.engine.result_files import write_file
from orchestra_nb.errors import CodeNotFound
from orchestra_nb.model.jsonable import from_stored
from orchestra_nb.model.runs import Run
from orchestra_nb.operations.notebook_request import NotebookRequest, attempts_folder


def keep_snapshot(request: NotebookRequest, *, cwd: str, kernel_name: str, output_path: str) -> None:
    """Keep what a run executes; where that is kept already (it is a retry) nothing changes.

    Parameters
    ----------
    cwd, kernel_name, output_path
        What the request's own were found to mean.

    Raises
    ------
    OSError
        It cannot be written.
    """
    if request.snapshot_path is not None:
        return
    asked = msgspec.structs.replace(
        request,
        parameters={},
        parameter_texts={},
        visible_parameters=(),
        output_path=_wanted_output(request.run_id, output_path),
        cwd=cwd,
        kernel_name=kernel_name,
        is_shown=False,  # who retries it looks on in another way
    )
    write_file(str(_notebook_path(request.run_id)), Path(request.path).read_bytes())
    write_file(str(_asked_path(request.run_id)), msgspec.json.encode(asked))


def keep_deployed(run: Run, notebook: str, request: NotebookRequest) -> None:
    """Keep what a run of a deployment executes, where that is not kept already.

    Raises
    ------
    OSError
        It cannot be written.
    """
    if _asked_path(run.run_id).exists():
        return
    write_file(str(_notebook_path(run.run_id)), notebook.encode())
    write_file(str(_asked_path(run.run_id)), msgspec.json.encode(request))


def request_again(run: Run, fresh_from_index: int | None = None) -> NotebookRequest:
    """Return the request that runs a run's notebook again in the same run.

    Parameters
    ----------
    fresh_from_index
        Which of its cells runs, and all below it, whatever was kept; None for none.

    Raises
    ------
    CodeNotFound
        What it executed was not kept, or is gone.
    """
    path = _notebook_path(run.run_id)
    known = {
        "path": run.notebook_path or str(path),
        "run_id": run.run_id,
        "cluster": run.cluster,
        "flow_name": run.flow_name,
        "tags": run.tags,
        "owner": run.owner,
        "parent_run_id": run.parent_run_id,
        "parent_task_run_id": run.parent_task_run_id,
        "snapshot_path": str(path),
        "epoch": run.epoch + 1,
    }
    try:
        kept = msgspec.json.decode(_asked_path(run.run_id).read_bytes(), type=dict[str, Any])
        asked = msgspec.convert(kept | known, NotebookRequest)  # an earlier version kept fewer fields
        os.stat(path)
    except (OSError, msgspec.DecodeError) as error:
        raise CodeNotFound(f"The notebook of run {run.name} as it ran is not at {path} any more.") from error
    return msgspec.structs.replace(
        asked,
        parameters={name: from_stored(value) for name, value in run.parameters.items()},
        output_path=None if asked.output_path is None else _wanted_output(run.run_id, asked.output_path),
        fresh_from_index=fresh_from_index,
        is_refreshed=asked.is_refreshed and fresh_from_index is None,  # the cells above are replayed then
    )


def read_snapshot(run: Run) -> bytes:
    """Return the notebook of a run as it was when the run began.

    Raises
    ------
    CodeNotFound
        It was not kept, or is gone.
    """
    path = _notebook_path(run.run_id)
    try:
        return path.read_bytes()
    except OSError as error:
        raise CodeNotFound(f"The notebook of run {run.name} as it ran is not at {path} any more.") from error


def _wanted_output(run_id: str, output_path: str) -> str:
    """Return where a copy goes: nowhere, ``"-"``, where the path is an attempt's own file, which only that writes."""
    path = Path(output_path)
    is_of_attempt = path.parent == attempts_folder() and path.name.startswith(f"{run_id}.")
    return "-" if is_of_attempt else output_path


def _notebook_path(run_id: str) -> Path:
    return attempts_folder() / f"{run_id}.source.ipynb"


def _asked_path(run_id: str) -> Path:
    return attempts_folder() / f"{run_id}.source.json"
