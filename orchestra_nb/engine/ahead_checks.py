"""Whether a cell that ran on a worker may take effect: what it was given is compared with what the kernel has now."""

from __future__ import annotations

import threading
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestra_nb.engine.ahead_cell import AheadReport
from orchestra_nb.engine.cell_session import is_of_shell
from orchestra_nb.engine.file_digests import file_state
from orchestra_nb.engine.pending import PendingValue
from orchestra_nb.engine.process_resources import Resource
from orchestra_nb.engine.random_generators import GENERATORS
from orchestra_nb.engine.user_modules import state_of_user_modules, user_modules, variables_of
from orchestra_nb.errors import ValueNotHashable
from orchestra_nb.model.ahead_plans import AheadCell
from orchestra_nb.model.fingerprints import fingerprint as content_of
from orchestra_nb.notebooks.aliases import Aliases, Pickled
from orchestra_nb.notebooks.cell_values import fingerprint

#: Functions through which code of the notebook comes to names that nobody can see.
_ROUNDABOUT = frozenset(
    {
        "globals",
        "locals",
        "vars",
        "eval",
        "exec",
        "dir",
        "__main__",
        "_getframe",
        "currentframe",
        "getstate",
        "get_state",
    }
)


@dataclass(slots=True)
class SentCell:
    """A cell that was sent, and what it was given.

    Parameters
    ----------
    prints
        Name to the fingerprint of its value in this kernel.
    upstream
        Index of a cell that was sent, too, to the names that are taken of it.
    absent
        Names that it might read, and that were not there.
    state
        Key to the fingerprint of each resource.
    modules
        State of the user's own modules.
    """

    index: int
    task_run_id: str
    prints: dict[str, bytes | None]
    upstream: dict[int, tuple[str, ...]]
    absent: frozenset[str]
    state: dict[str, str]
    modules: dict[str, str | None]


def difference(
    sent: SentCell,
    report: AheadReport,
    namespace: dict[str, Any],
    resources: Sequence[Resource],
    taken: Mapping[int, Mapping[str, bytes | None]],
    cells: Sequence[AheadCell],
) -> str:
    """Return what is otherwise now than it was for a cell; empty where nothing is.

    Parameters
    ----------
    taken
        Cell that took effect from a worker to the fingerprints of what it gave.
    cells
        All of the notebook.
    """
    for name, content in report.along.items():
        try:
            is_same = name in namespace and content == content_of(namespace[name])
        except ValueNotHashable:
            is_same = False
        if not is_same:
            return f"`{name}` is another one here"
    for name, before in sent.prints.items():
        if name in report.along:
            continue
        if before is None or name not in namespace or fingerprint(namespace[name], namespace) != before:
            return f"`{name}` has changed meanwhile"
    for name in sent.absent:
        if name in namespace:
            return f"`{name}` was not there yet"
    for index, given in sent.upstream.items():
        prints = taken.get(index, {})
        for name in set(given) - report.along.keys():
            now = fingerprint(namespace[name], namespace) if name in namespace else None
            if now is None or prints.get(name) != now:
                return f"`{name}` of {cells[index].name} has changed meanwhile"
    for resource in resources:
        if not _is_same_state(resource, sent, report):
            return f"the state of {resource.name} has changed meanwhile"
    now_modules = state_of_user_modules()
    for module, digest in report.modules.items():
        if (module in now_modules and now_modules[module] != digest) or digest is None:
            return f"what lies in the variables of module {module} differs there"
    if any(now_modules.get(module) != digest for module, digest in sent.modules.items()):
        return "a module of yours has changed meanwhile"
    for path, status in report.files.items():
        if file_state(path) != status:
            return f"the file {path} has changed meanwhile"
    return ""


def _is_same_state(resource: Resource, sent: SentCell, report: AheadReport) -> bool:
    key, state = resource.key, resource.look()
    if resource.name in GENERATORS and key not in report.resources:
        return True  # it has not drawn from it
    now = None if state is None else content_of(state)
    if key in sent.state:
        return bool(now == sent.state[key])
    if now is None or key in report.resources:  # its package was not loaded here when the cell was sent
        return now is None
    return report.started.get(key, now) == now


def shared_elsewhere(replaced: Collection[str], given: Mapping[str, object], namespace: dict[str, Any]) -> str:
    """Return which other name shares an object that would be replaced and keeps the old one; empty where none does."""
    if not (inside := [name for name in replaced if name in namespace]):
        return ""
    parts: dict[str, Pickled] = {}
    holders = {
        f"{module.__name__}.{name}": value for module in user_modules() for name, value in variables_of(module).items()
    }
    for name, value in (*namespace.items(), *holders.items()):
        if isinstance(value, types.ModuleType | PendingValue) or is_of_shell(name, value) or name.startswith("__"):
            continue
        try:
            parts[name] = Pickled.of({name: value}, namespace, None)
        except Exception:  # pickling runs code of any class
            return f"nobody can tell whether `{name}` shares `{inside[0]}`"
    for group in Aliases(parts).groups():
        others = [name for name in group if name not in given]
        if others and set(group) & set(inside):
            return f"`{others[0]}` shares an object that it changes"
    return ""


def roundabout_way(inputs: Mapping[str, Any]) -> str:
    """Return which function of the notebook comes to names in a way that nobody can see; empty where none does.

    On a worker it would not find what the kernel has.
    """
    for name, value in inputs.items():
        for code in _codes_of(value):
            if found := _ROUNDABOUT & {*code.co_names, *(c for c in code.co_consts if isinstance(c, str))}:
                return f"`{name}` uses `{min(found)}`"
    return ""


def has_own_threads() -> bool:
    """Tell whether threads of the notebook's own code are running."""
    targets = (getattr(thread, "_target", None) for thread in threading.enumerate())
    return any(getattr(target, "__module__", None) == "__main__" for target in targets)


def _codes_of(value: object) -> list[types.CodeType]:
    """Return the code of the functions of the notebook that a value is, or has as methods."""
    functions: list[Callable[..., Any]] = []
    kind = value if isinstance(value, type) else type(value)
    if isinstance(value, types.FunctionType) and value.__module__ == "__main__":
        functions.append(value)
    elif kind.__module__ == "__main__":
        functions += [item for item in vars(kind).values() if isinstance(item, types.FunctionType)]
    found: list[types.CodeType] = []
    pending = [function.__code__ for function in functions]
    while pending:
        code = pending.pop()
        found.append(code)
        pending += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return found
