"""The notebook of a run as it was when the run began, and how it was asked for: what a retry runs again.

Kept beside the run's output notebooks. Parameters are not among it: those of the run are in its record, where a secret
one stands by its name.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from orchestra_nb.engine.result_files import write_file
from orchestra_nb.errors import CodeNotFound
from orchestra_nb.model.jsonable import from_stored
from orchestra_nb.model.runs import Run
from orchestra_nb.operations.notebook_request import NotebookRequest, attempts_folder


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What of a request is in no record of the run."""

    output_path: str
    cwd: str
    kernel_name: str
    is_strict: bool = True
    is_cached: bool = False


def keep_snapshot(request: NotebookRequest, *, cwd: str, kernel_name: str, output_path: str) -> None:
    """Keep what a run executes; where that is kept already (it is a retry) nothing changes.

    Raises
    ------
    OSError
        It cannot be written.
    """
    if request.snapshot_path is not None:
        return
    asked = _Asked(
        output_path=output_path,
        cwd=cwd,
        kernel_name=kernel_name,
        is_strict=request.is_strict,
        is_cached=request.is_cached,
    )
    write_file(str(_notebook_path(request.run_id)), Path(request.path).read_bytes())
    write_file(str(_asked_path(request.run_id)), msgspec.json.encode(asked))


def request_again(run: Run) -> NotebookRequest:
    """Return the request that runs a run's notebook again in the same run.

    Raises
    ------
    CodeNotFound
        What it executed was not kept, or is gone.
    """
    path = _notebook_path(run.run_id)
    try:
        asked = msgspec.json.decode(_asked_path(run.run_id).read_bytes(), type=_Asked)
        os.stat(path)
    except (OSError, msgspec.DecodeError) as error:
        raise CodeNotFound(f"The notebook of run {run.name} as it ran is not at {path} any more.") from error
    return NotebookRequest(
        path=run.notebook_path or str(path),
        run_id=run.run_id,
        parameters={name: from_stored(value) for name, value in run.parameters.items()},
        output_path=asked.output_path,
        cwd=asked.cwd,
        kernel_name=asked.kernel_name,
        cluster=run.cluster,
        is_strict=asked.is_strict,
        is_cached=asked.is_cached,
        snapshot_path=str(path),
        epoch=run.epoch + 1,
    )


def delete_snapshot(run_id: str) -> None:
    """Delete what was kept of a run; nothing happens when there is nothing."""
    for path in (_notebook_path(run_id), _asked_path(run_id)):
        path.unlink(missing_ok=True)


def _notebook_path(run_id: str) -> Path:
    return attempts_folder() / f"{run_id}.source.ipynb"


def _asked_path(run_id: str) -> Path:
    return attempts_folder() / f"{run_id}.source.json"
