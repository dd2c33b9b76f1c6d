"""The dependences between the cells of a notebook, found without running it.

``depends_on`` has, for each thing that a cell reads or changes, the cells that bound or changed it before: names with
all that their objects hold, hidden state, files. That a cell binds a name anew which an earlier one has read makes no
dependence, because each version of a value can be kept: such order is in ``follows``.

Nothing of the user's is run or imported, whatever a notebook holds.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from orchestra_nb.notebooks.abstract_values import reachable
from orchestra_nb.notebooks.cell_run import (
    BOUND,
    DELETED,
    INCOMING,
    SHELL_NAMES,
    CellRun,
    NotebookState,
    settle,
)
from orchestra_nb.notebooks.document import language
from orchestra_nb.notebooks.hidden_state import CONFIGURATION
from orchestra_nb.notebooks.notebook_analysis import CellAnalysis, NotebookAnalysis, needs_in_words

_RESULT_NAMES: Final = frozenset("_ __ ___ In Out _i _ii _iii _ih _oh _dh".split())


def analyse_notebook(notebook: Mapping[str, Any], path: str = "") -> NotebookAnalysis:
    """Return what is known of each code cell of a notebook (as :func:`read_notebook` gives it); never fails.

    Cells of a notebook in another language than Python are barriers, all of them.
    """
    cells = [cell for cell in notebook.get("cells", ()) if cell.get("cell_type") == "code"]
    sources = [(str(cell.get("id", "")), str(cell.get("source", ""))) for cell in cells]
    other = language(notebook)
    if other not in ("", "python", "ipython", "python3"):
        reason = f"it is written in {other}, which is not read"
        return NotebookAnalysis(
            path=path,
            cells=tuple(
                CellAnalysis(
                    index=index,
                    id=cell_id,
                    depends_on=tuple(range(index)),
                    follows=tuple(range(index)),
                    barrier=True,
                    why=reason,
                )
                for index, (cell_id, _) in enumerate(sources)
            ),
        )
    return NotebookAnalysis(path=path, cells=analyse_sources(sources))


def analyse_sources(cells: Sequence[tuple[str, str]]) -> tuple[CellAnalysis, ...]:
    """Return what is known of code cells in Python, given as (id, source) in the order in which they run."""
    state = NotebookState(shares_frames=_pandas_shares_memory())
    return tuple(_analyse_next(state, index, cell_id, source) for index, (cell_id, source) in enumerate(cells))


@lru_cache(maxsize=1)
def _pandas_shares_memory() -> bool:
    """Tell whether a part of a table may show changes of the table: not from pandas 3 on, which copies on write."""
    try:
        return int(importlib.metadata.version("pandas").partition(".")[0]) < 3
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return True


def _analyse_next(state: NotebookState, index: int, cell_id: str, source: str) -> CellAnalysis:
    run = CellRun(index, state)
    why = run.execute(source)
    ended = run.finish()
    known_before = set(state.names)
    mutates = run.aliases_of_changed()
    for name in mutates:
        binding = state.names.get(name)
        value = state.unknown[name] if binding is None else binding.value
        cells = () if binding is None else binding.cells
        for cell in (*cells, *(c for thing in reachable(value.things) for c in thing.changed_in)):
            if cell != index:
                run.causes.setdefault(cell, set()).add(name)
    for thing in run.mutated:
        for cell in thing.changed_in:
            if cell != index:
                run.causes.setdefault(cell, set()).update(mutates or {"an object"})
    _add_resource_causes(run)
    follows = _follows(run, ended, mutates)
    defines = {name for name, (mask, _) in ended.items() if mask & BOUND}
    unbound: set[str] = set()
    if why is None and state.barrier < 0 and not state.may_have_ended:
        unbound = {name for name in run.certain_reads - known_before - SHELL_NAMES if not _is_given(name)}
    state.may_have_ended = state.may_have_ended or run.may_end
    reads = {name for name in run.reads if name in known_before or not _is_given(name)} - SHELL_NAMES
    depends_on = set(run.causes)
    if why is not None:
        depends_on = set(range(index))
    elif state.barrier >= 0:
        depends_on.add(state.barrier)
    for name in run.reads:
        state.readers.setdefault(name, []).append(index)
    if why is not None and why.startswith(("`exec", "`eval", "`globals", "`get_ipython")):
        state.ran_unknown_code = True
    settle(run, ended, is_barrier=why is not None)
    if source.strip():
        state.executions += 1
        result = run.result()
        if result is not None and result.kind != "none":
            state.results[state.executions] = (index, result)
    return CellAnalysis(
        index=index,
        id=cell_id,
        defines=tuple(sorted(defines)),
        conditional=tuple(sorted(name for name in defines if ended[name][0] & INCOMING)),
        reads=tuple(sorted(reads)),
        mutates=tuple(sorted(mutates)),
        deletes=tuple(sorted(name for name, (mask, _) in ended.items() if mask & DELETED)),
        depends_on=tuple(sorted(depends_on)),
        follows=tuple(range(index)) if why is not None else tuple(sorted(follows)),
        barrier=why is not None,
        why=why if why is not None else needs_in_words(run.causes, state.barrier),
        last_barrier=state.barrier,
        resources_read=tuple(sorted(_named(run.resource_reads | run.unseeded, run.file_reads))),
        resources_written=tuple(sorted(_named(run.resource_writes, run.file_writes))),
        is_configuration=why is None and _is_configuration(run, ended, mutates),
        unbound=tuple(sorted(unbound)),
        causes={cell: tuple(sorted(names)) for cell, names in sorted(run.causes.items())},
    )


def _is_given(name: str) -> bool:
    """Tell whether every notebook has a name without a cell that binds it."""
    import builtins

    return (
        hasattr(builtins, name)
        or name in _RESULT_NAMES
        or name == "display"
        or (name[:1] == "_" and name[1:].lstrip("i").isdigit())
    )


def _add_resource_causes(run: CellRun) -> None:
    resources = run.resources
    for resource in run.resource_reads:
        for cell in resources.writers.get(resource, ()):
            run.causes.setdefault(cell, set()).add(resource)
    for cell, names in run.file_writers().items():
        run.causes.setdefault(cell, set()).update(names)
    for module in run.needed_modules:
        for cell in resources.imports.get(module, ()):
            if cell != run.cell:
                run.causes.setdefault(cell, set()).add(f"module {module}")


def _follows(run: CellRun, ended: Mapping[str, tuple[int, object]], mutates: set[str]) -> set[int]:
    """Return the cells before that read or bind what this one changes."""
    state = run.notebook
    found: set[int] = set()
    for name in {*(name for name, (mask, _) in ended.items() if mask & (BOUND | DELETED)), *mutates}:
        found.update(state.readers.get(name, ()))
        if name in state.names:
            found.update(state.names[name].cells)
    for resource in run.resource_writes:
        found.update(run.resources.readers.get(resource, ()))
        found.update(run.resources.writers.get(resource, ()))
    return found


def _named(resources: set[str], files: set[str]) -> set[str]:
    return resources | {"file " + name.replace("\0", "…") for name in files}


def _is_configuration(run: CellRun, ended: Mapping[str, tuple[int, Any]], mutates: set[str]) -> bool:
    """Tell whether a cell only imports and sets options."""
    if (
        mutates
        or run.file_writes
        or not run.resource_writes
        <= CONFIGURATION
        | {resource for resource in run.resource_writes if resource.startswith(("environment variable ", "extension "))}
    ):
        return False
    if not all(value.paths and not value.things for mask, value in ended.values() if mask & BOUND):
        return False
    return bool(ended or run.resource_writes)
