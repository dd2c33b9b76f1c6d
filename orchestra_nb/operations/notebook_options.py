"""The options of a notebook that is a flow or a task, and its parameters as they are given in Python."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from orchestra_nb.engine.argument_trees import replace_leaves
from orchestra_nb.engine.futures import TaskFuture
from orchestra_nb.engine.run_states import State as RunState
from orchestra_nb.engine.task_settings import InvalidOption
from orchestra_nb.operations.absolute_paths import absolute_path
from orchestra_nb.operations.notebook_request import NotebookRequest
from orchestra_nb.operations.run_notebook import RunResult


def check_options(what: str, options: Mapping[str, object], known: Collection[str]) -> None:
    """Refuse an option that there is not.

    Raises
    ------
    InvalidOption
        The message names those that there are.
    """
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"The options are: {', '.join(sorted(known))}."
            raise InvalidOption(f"{what} has no option {name!r}. {hint}")


def request_of(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    kernel_name: str | None = None,
    cwd: str | os.PathLike[str] | None = None,
    cluster: str | None = None,
    output_path: str | os.PathLike[str] | None = None,
    strict: bool = True,
    timeout_seconds: float | None = None,
    tags: Collection[str] = (),
) -> NotebookRequest:
    """Return what a call of the notebook asks for, without its parameters; paths are those of now."""
    if not os.fspath(path):
        raise InvalidOption("The path of the notebook is empty.")
    if timeout_seconds is not None and not timeout_seconds > 0:
        raise InvalidOption(f"timeout_seconds is {timeout_seconds!r}. Write a number of seconds that is above 0.")
    return NotebookRequest(
        path=str(absolute_path(path)),
        run_id="",
        flow_name=name,
        kernel_name=kernel_name,
        cwd=None if cwd is None else str(absolute_path(cwd)),
        cluster=cluster,
        output_path=None if output_path is None else str(absolute_path(output_path)),
        is_strict=strict,
        timeout_seconds=timeout_seconds,
        tags=dict.fromkeys(sorted(tags), ""),
    )


def name_of(request: NotebookRequest) -> str:
    """Return what the notebook is called as a flow."""
    return request.flow_name or Path(request.path).stem


def as_parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as a notebook takes them: numpy's numbers as Python's, tuples as lists, paths as texts."""
    return {name: _as_parameter(value) for name, value in values.items()}


def _as_parameter(value: Any) -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        return value.item()
    if isinstance(value, PurePath):
        return str(value)
    if type(value) in (list, tuple):
        return [_as_parameter(item) for item in value]
    if type(value) is dict:
        return {key: _as_parameter(item) for key, item in value.items()}
    return value


def with_values(arguments: Any) -> Any:
    """Return arguments with the value of each future in its place; waits for it, and raises what it raised."""

    def value_of(leaf: Any) -> Any:
        return leaf.result() if isinstance(leaf, TaskFuture | RunState) else leaf

    return replace_leaves(arguments, value_of)


def picker(returns: str | Sequence[str] | None) -> Callable[[RunResult], Any]:
    """Return what makes the value of a call of its run: all that it returned, one value, or a tuple of them.

    Raises
    ------
    InvalidOption
        ``returns`` is neither a name nor a list of names.
    """
    if returns is None:
        return lambda result: result.values
    names = [returns] if isinstance(returns, str) else list(returns)
    if not names or not all(isinstance(name, str) for name in names):
        raise InvalidOption(f"returns is {returns!r}. Write the name of a value that the notebook records, or a list.")
    if isinstance(returns, str):
        return lambda result: result.values[returns]
    return lambda result: tuple(result.values[name] for name in names)
