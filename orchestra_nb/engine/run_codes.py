"""Notes what a run executes when it begins, and brings it back in another process.

A flow that can be imported is an entrypoint, ``module:flow`` or ``file.py:flow``, which costs nothing to note. One of a
notebook or an interactive session is pickled by value and signed, as are parameters that JSON would change.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import json
import os
import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from orchestra_nb.engine.drivers import keeps_code
from orchestra_nb.engine.function_pickling import pickle_function
from orchestra_nb.engine.task_keys import LOADED_FILE
from orchestra_nb.errors import CodeNotFound, InvalidInput, OrchestraError
from orchestra_nb.model.events import RunCodeRecorded
from orchestra_nb.model.json_values import to_json_text
from orchestra_nb.model.run_code import RunCode
from orchestra_nb.model.runs import Run

if TYPE_CHECKING:
    from orchestra_nb.engine.drivers import Driver
    from orchestra_nb.engine.flows import Flow
    from orchestra_nb.engine.tasks import Task

    Owner: TypeAlias = Flow[Any, Any] | Task[Any, Any]

#: Parameters up to this length as JSON stand in the store itself.
MAX_JSON_BYTES: Final = 100_000
#: A larger pickle is not written: a run must not wait at its beginning until a data set is copied.
MAX_PICKLE_BYTES: Final = 64_000_000
#: That of a subflow, of which a run may call many.
MAX_CHILD_PICKLE_BYTES: Final = 1_000_000

#: set while a file is read for its flow
_loading: ContextVar[bool] = ContextVar("orchestra_loading", default=False)


class LoadingStopped(BaseException):
    """A file that is read for its flow or task calls one: what comes after it is not run."""


def record_code(driver: Driver, run: Run, owner: Flow[Any, Any], parameters: Mapping[str, Any]) -> None:
    """Note what a run of a flow executes, so that it can be run again."""
    if keeps_code(driver):
        most_bytes = MAX_PICKLE_BYTES if run.parent_run_id is None else MAX_CHILD_PICKLE_BYTES
        driver.sink.emit(RunCodeRecorded(code=code_of(run.run_id, owner, parameters, most_bytes)))


def code_of(run_id: str, owner: Owner, parameters: Mapping[str, Any], most_bytes: int = MAX_PICKLE_BYTES) -> RunCode:
    """Return what a call executes; raises nothing, :attr:`RunCode.missing` says what cannot be kept."""
    entrypoint = entrypoint_of(owner)
    json_text = _exact_json(parameters)
    reference, missing = None, ""
    if entrypoint is None or json_text is None:
        kept = (owner if entrypoint is None else None, dict(parameters) if json_text is None else None)
        try:
            reference = _write_pickle(kept, owner.name, most_bytes)
        except (OrchestraError, OSError) as error:
            what = "its code" if entrypoint is None else "its parameters"
            missing = f"{what} could not be kept when it began: {error}"[:2000]
    return RunCode(
        run_id=run_id,
        entrypoint=entrypoint,
        parameters_json=json_text,
        pickle=reference,
        working_folder=_working_folder(),
        import_folder=os.path.abspath(sys.path[0]) if sys.path else None,
        missing=missing,
    )


def entrypoint_of(owner: Owner) -> str | None:
    """Return where a flow or a task can be imported from; None for one that its module does not have by its name."""
    function = inspect.unwrap(owner.fn)
    module = sys.modules.get(getattr(function, "__module__", ""))
    name = getattr(function, "__qualname__", "")
    if module is None or _attribute(module, name) is not owner:
        return None
    if (file := getattr(module, LOADED_FILE, None)) is not None:
        return f"{file}:{name}"
    if module.__name__ != "__main__":
        return f"{module.__name__}:{name}"
    spec = getattr(module, "__spec__", None)
    if spec is not None and spec.name:  # python -m
        return f"{spec.name}:{name}"
    file = getattr(module, "__file__", None)
    if (
        file is None
        or not os.path.isfile(file)
        or getattr(getattr(function, "__code__", None), "co_filename", None) != file
    ):
        return None
    return f"{os.path.abspath(file)}:{name}"


def load_code(code: RunCode) -> tuple[Any, dict[str, Any]]:
    """Return the flow or task and the parameters of a run, in the folder where it ran: this changes the current folder.

    Raises
    ------
    CodeNotFound
        Something is missing; the message says what.
    ResultNotTrusted
        The pickle was altered, or another user signed it.
    """
    if code.missing:
        raise CodeNotFound(f"It cannot be run again: {code.missing}")
    enter_folders(code)
    flow, parameters = (None, None) if code.pickle is None else _read_pickle(code)
    if code.entrypoint is not None:
        flow = _import_owner(code.entrypoint, is_task=bool(code.call))
    if code.parameters_json is not None:
        parameters = json.loads(code.parameters_json)
    if flow is None or parameters is None:
        raise CodeNotFound("It cannot be run again: its flow or its parameters were not kept.")
    return flow, parameters


def enter_folders(code: RunCode) -> None:
    """Change the current folder to that of a run, and have modules be looked for where its own were.

    Raises
    ------
    CodeNotFound
        The folder is not there.
    """
    try:
        os.chdir(code.working_folder)
    except OSError as error:
        raise CodeNotFound(f"The folder {code.working_folder} where it ran cannot be entered: {error}") from None
    if code.import_folder is not None and code.import_folder not in sys.path:
        sys.path.insert(0, code.import_folder)


def flows_of_file(path: Path) -> list[str]:
    """Return the names that a script gives to flows of its own, in the order of the file.

    Raises
    ------
    CodeNotFound
        The script is not there, or does not come to its end.
    """
    from orchestra_nb.engine.flows import Flow

    with _reading():
        return _names_of(_load_file(path), Flow)


def stop_loading() -> None:
    """End the reading of a file that calls a flow, or a task, at its top level; nothing at any other time.

    Raises
    ------
    LoadingStopped
        A file is being read.
    """
    if _loading.get():
        raise LoadingStopped


def _import_owner(entrypoint: str, is_task: bool) -> Any:
    from orchestra_nb.engine.flows import Flow
    from orchestra_nb.engine.tasks import Task

    kind, word = (Task, "task") if is_task else (Flow, "flow")
    where, _, name = entrypoint.rpartition(":")
    with _reading():
        module = _load_file(Path(where)) if where.endswith(".py") else _import_module(where)
    found = _attribute(module, name)
    if not isinstance(found, kind):
        what = "has no" if found is None else f"has a {type(found).__name__} in place of the"
        names = _names_of(module, kind)
        near = difflib.get_close_matches(name, names, n=1)
        hint = (
            f"Did you mean {near[0]}?"
            if near
            else "If the file calls a flow or a task before it defines this one, put the calls under "
            '`if __name__ == "__main__":`.'
        )
        listed = f" Its {word}s: {', '.join(names)}." if names else ""
        raise CodeNotFound(f"{where} {what} {word} {name!r}.{listed} {hint}")
    return found


def _names_of(module: ModuleType, kind: type[Owner]) -> list[str]:
    """Return the names of the flows, or of the tasks, that a module defines and does not only import."""
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, kind) and value.fn.__module__ == module.__name__
    ]


def _import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except LoadingStopped:
        raise CodeNotFound(
            f"The module {name} calls a flow or a task while it is imported. "
            'Put the call under `if __name__ == "__main__":`.'
        ) from None
    except Exception as error:  # what the user's module does
        raise CodeNotFound(f"The module {name} cannot be imported: {type(error).__name__}: {error}") from error


def _load_file(path: Path) -> ModuleType:
    """Run a script as a module, up to the first call of a flow: by then the flow that it called was defined."""
    if not path.is_file():
        raise CodeNotFound(f"The file {path} is not there any more.")
    # code of a module that is named as one of Python's would pass for Python's own
    is_taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
    name = f"orchestra_script_{path.stem}" if is_taken or not path.stem.isidentifier() else path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    setattr(module, LOADED_FILE, str(path))
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except LoadingStopped:
        pass
    except Exception as error:  # what the user's script does
        raise CodeNotFound(f"The file {path} cannot be read: {type(error).__name__}: {error}") from error
    import cloudpickle

    cloudpickle.register_pickle_by_value(module)  # workers cannot import a script
    return module


@contextmanager
def _reading() -> Iterator[None]:
    token = _loading.set(True)
    try:
        yield
    finally:
        _loading.reset(token)


def _attribute(module: ModuleType, qualified_name: str) -> Any:
    found: Any = module
    for part in qualified_name.split("."):
        found = inspect.getattr_static(found, part, None) if found is not module else getattr(found, part, None)
        if found is None:
            return None
    return found


def _exact_json(parameters: Mapping[str, Any]) -> str | None:
    if not _is_exact(parameters):
        return None
    try:
        return to_json_text(dict(parameters), "The parameters", MAX_JSON_BYTES)
    except InvalidInput:  # too long
        return None


def _is_exact(value: object) -> bool:
    """Tell whether JSON gives back the same value, of the same types."""
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return True
    if kind is list:
        return all(map(_is_exact, value))  # type: ignore[call-overload]
    if isinstance(value, Mapping):
        return kind is dict and all(type(key) is str and _is_exact(item) for key, item in value.items())
    return False


def _write_pickle(kept: object, name: str, most_bytes: int) -> Any:
    from orchestra_nb.engine.results import ResultStore, default_results_url
    from orchestra_nb.engine.signing_key import load_signing_key

    data = pickle_function(kept, name, most_bytes=most_bytes)
    store = ResultStore(default_results_url(), load_signing_key(), "pickle")
    return store.write(data, name=f"code of {name}", now=datetime.now(UTC))


def _read_pickle(code: RunCode) -> tuple[Any, Any]:
    from orchestra_nb.engine.results import ResultStore, default_results_url
    from orchestra_nb.engine.signing_key import load_signing_key
    from orchestra_nb.errors import ResultNotFound

    assert code.pickle is not None
    store = ResultStore(default_results_url(), load_signing_key(), "pickle")
    try:
        data = store.read(code.pickle)
    except ResultNotFound:
        raise CodeNotFound(f"The file {code.pickle.url} with its code or parameters is not there any more.") from None
    try:
        flow, parameters = pickle.loads(data)  # its signature was checked
    except Exception as error:  # what it names is not there, or not the same, any more
        raise CodeNotFound(f"Its code cannot be loaded here: {type(error).__name__}: {error}") from error
    return flow, parameters


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # deleted
        return ""


def call_flow(flow: Flow[Any, Any], parameters: Mapping[str, Any]) -> Any:
    """Run a flow with the parameters of an earlier call, and return its final state."""
    bound = flow.signature.bind_partial()
    bound.arguments.update(parameters)
    value = flow(*bound.args, **bound.kwargs, return_state=True)
    if inspect.isawaitable(value):
        import asyncio

        async def wait() -> Any:
            return await value

        return asyncio.run(wait())
    return value
