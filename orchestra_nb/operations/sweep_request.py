"""A sweep as it is asked for: checked as a whole before anything starts, and kept for its retry."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec

from orchestra_nb.errors import InvalidInput, InvalidParameters
from orchestra_nb.model.jsonable import from_stored, to_stored
from orchestra_nb.model.run_code import RunCode
from orchestra_nb.model.runs import Run
from orchestra_nb.model.secret_values import Secret
from orchestra_nb.model.sweeps import SweepRequest
from orchestra_nb.operations.absolute_paths import absolute_path
from orchestra_nb.operations.notebook_request import NotebookRequest, check_combinations
from orchestra_nb.settings import Settings

#: How the request of a sweep is marked where the code of runs is kept.
SWEEP_CALL = "sweep"
#: So many values of a parameter stand in the parent's record.
_VALUES_IN_RECORD = 20


def checked_sweep(request: SweepRequest, settings: Settings) -> SweepRequest:
    """See that all of a sweep can be run, and return it with its combinations as they are recorded.

    Raises
    ------
    NotebookNotFound, InvalidInput
        The notebook or a combination cannot be used; the message names the combination.
    """
    if not request.combinations:
        raise InvalidParameters("The sweep has no combinations of parameters. Give at least one.")
    if request.limit is not None and request.limit < 1:
        raise InvalidInput(f"The limit {request.limit} leaves no room for any run. Give a number from 1.")
    for combination in request.combinations:
        for name, value in combination.items():
            if isinstance(value, Secret):
                raise InvalidParameters(
                    f"The secret {name!r} of a sweep must be a stored one, so that a retry finds it. Store it with "
                    f"`orchestra secrets set NAME`, and give --secret {name} NAME."
                )
    common = NotebookRequest(
        path=request.path,
        run_id="",
        cwd=request.cwd,
        kernel_name=request.kernel_name,
        cluster=request.cluster,
        is_strict=request.is_strict,
        is_cached=request.is_cached,
        visible_parameters=request.visible_parameters,
    )
    combinations = check_combinations(common, settings, request.combinations, request.swept)
    return msgspec.structs.replace(request, combinations=combinations)


def sweep_folder(request: SweepRequest, name: str) -> Path:
    """Return the folder of a sweep of this name for its executed notebooks."""
    if request.output_folder is not None:
        return absolute_path(request.output_folder)
    source = absolute_path(request.path)
    return source.with_name(f"{source.stem}.{name}")


def make_sweep_folder(folder: Path) -> bool:
    """Make a folder for executed notebooks where there is none, and see that they can go into it; tell if it is new.

    Raises
    ------
    InvalidInput
        They cannot.
    """
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise InvalidInput(
                f"The executed notebooks are to go into {folder}, which is a file. Name a folder."
            ) from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise InvalidInput(f"The folder {folder} cannot be written. Choose another one as OUTPUT.") from None
        return False
    except OSError as error:
        if not folder.parent.is_dir():
            raise InvalidInput(f"The folder {folder.parent} does not exist. Make it, or choose another one.") from None
        raise InvalidInput(
            f"The folder {folder} for the executed notebooks cannot be made: {error.strerror}. "
            "Choose another one as OUTPUT."
        ) from error
    return True


def sweep_code(run: Run, request: SweepRequest) -> RunCode:
    """Return what a sweep executes, to be kept for its retry."""
    fields = msgspec.structs.asdict(request)
    fields["combinations"] = [to_stored(combination) for combination in request.combinations]
    fields["path"] = str(absolute_path(request.path))
    for name in ("output_folder", "cwd"):
        if fields[name] is not None:
            fields[name] = str(absolute_path(fields[name]))
    return RunCode(run_id=run.run_id, parameters_json=json.dumps(fields), call=SWEEP_CALL, working_folder=os.getcwd())


def request_of_code(code: RunCode) -> SweepRequest:
    """Undo :func:`sweep_code`."""
    fields = json.loads(code.parameters_json or "{}")
    combinations = tuple(from_stored(combination) for combination in fields["combinations"])
    names = {name: tuple(fields[name]) for name in ("swept", "visible_parameters")}
    return SweepRequest(**fields | names | {"combinations": combinations})


def parameters_in_record(request: SweepRequest) -> dict[str, object]:
    """Return the parent's parameters: those that all runs get, and the values of those that differ."""
    shown: dict[str, object] = {}
    names = dict.fromkeys(name for combination in request.combinations for name in combination)
    for name in names:
        values = [combination[name] for combination in request.combinations if name in combination]
        if name not in request.swept:
            shown[name] = values[0]
            continue
        different: list[object] = []
        for value in values:
            if value not in different and len(different) <= _VALUES_IN_RECORD:
                different.append(value)
        shown[name] = [*different[:_VALUES_IN_RECORD], "…"] if len(different) > _VALUES_IN_RECORD else different
    return shown
