"""What ``orchestra run NOTEBOOK --cache`` would do with each cell, and how long that would take; nothing runs."""

from __future__ import annotations

import itertools
import json
import os
import statistics
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from orchestra_nb.engine.cell_plan import PlannedCell, PlanSource, plan_cells
from orchestra_nb.engine.cell_record_store import CellRecordStore
from orchestra_nb.engine.file_digests import FileDigests
from orchestra_nb.engine.package_versions import PackageVersions
from orchestra_nb.model.cell_records import RESOURCE, Known, World
from orchestra_nb.model.environment_variables import environment_that_counts
from orchestra_nb.model.fingerprints import fingerprint
from orchestra_nb.model.numbers_in_file import number_in_file
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.document import INJECTED_TAG, cell_title, tags_of
from orchestra_nb.notebooks.kernelspecs import kernel_language
from orchestra_nb.operations.absolute_paths import absolute_path
from orchestra_nb.operations.cell_history import runs_of_notebook, seconds_of, was_recorded
from orchestra_nb.operations.notebook_request import NotebookRequest, prepare
from orchestra_nb.settings import Settings

if TYPE_CHECKING:
    from orchestra_nb.store.run_store import RunStore

#: So many earlier runs of a notebook are asked how long its cells take.
_RUNS_ASKED = 10

#: Front ends ask at each save what still holds: files that have not changed since are not read again.
_DIGESTS: Final = FileDigests(most=10_000)


class PlanLine(msgspec.Struct, frozen=True, kw_only=True):
    """One code cell in a plan: ``action`` is ``"run"``, ``"replay"`` or ``"skip"``.

    ``index`` counts code cells of what is run from 0; ``number`` is that of the user's own file, from 1, and 0 for the
    cell that a run puts in for its parameters.
    """

    index: int
    number: int
    id: str
    title: str
    action: str
    is_certain: bool
    why: str
    seconds: float | None


class NotebookPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The cells, and the expected time of those that run and of those that are replayed, in seconds."""

    path: str
    cells: tuple[PlanLine, ...]
    run_seconds: float
    saved_seconds: float


def plan_notebook(
    store: RunStore, request: NotebookRequest, settings: Settings, now: datetime, *, is_refreshed: bool = False
) -> NotebookPlan:
    """Return what would become of each cell.

    Raises
    ------
    NotebookNotFound, InvalidInput
        As :func:`~orchestra_nb.operations.notebook_request.prepare`: what would be refused is refused here.
    """
    planned = _planned(store, request, settings, now, is_refreshed=is_refreshed)
    injected_at = next((index for index, (cell, *_) in enumerate(planned) if INJECTED_TAG in tags_of(cell)), None)
    lines = tuple(_line(cell, plan, is_skipped, history, injected_at) for cell, plan, is_skipped, history in planned)
    return NotebookPlan(
        path=str(absolute_path(request.path)),
        cells=lines,
        run_seconds=sum(line.seconds or 0.0 for line in lines if line.action == "run"),
        saved_seconds=sum(line.seconds or 0.0 for line in lines if line.action == "replay"),
    )


def stale_cells(store: RunStore, request: NotebookRequest, settings: Settings, now: datetime) -> dict[str, str]:
    """Return the id of each cell of which what was kept no longer holds, to why.

    Raises
    ------
    NotebookNotFound, InvalidInput
        As :func:`plan_notebook`.
    """
    planned = _planned(store, request, settings, now)
    return {
        str(cell["id"]): plan.why
        for cell, plan, is_skipped, _ in planned
        if plan.is_stale and not is_skipped and "id" in cell
    }


def _planned(
    store: RunStore,
    request: NotebookRequest,
    settings: Settings,
    now: datetime,
    *,
    is_refreshed: bool = False,
) -> list[tuple[dict[str, Any], PlannedCell, bool, _History]]:
    """Return of each code cell what would become of it, whether it is skipped, and the history of all cells."""
    # of a notebook in another language, too, it can be told what a run would do
    spec = prepare(msgspec.structs.replace(request, is_cached=False, is_refreshed=False), settings, now).spec
    language = kernel_language(spec.kernel_name)
    cells = [cell for cell in json.loads(spec.notebook_json)["cells"] if cell["cell_type"] == "code"]
    history = _History(store, absolute_path(request.path))
    skipped = [("skip-execution" in tags_of(cell)) for cell in cells]
    injected_at = next((index for index, cell in enumerate(cells) if INJECTED_TAG in tags_of(cell)), None)
    sources = [
        PlanSource(
            source="" if is_skipped else cell["source"],
            number=number_in_file(index, injected_at),
            is_parameters=index == injected_at,
            has_run=str(cell.get("id", "")) in history.kept,
            has_failed=str(cell.get("id", "")) in history.failed,
        )
        for index, (cell, is_skipped) in enumerate(zip(cells, skipped, strict=True))
    ]
    known = {
        f"{RESOURCE}working folder": Known(fingerprint(spec.cwd)),
        f"{RESOURCE}environment": Known(fingerprint(environment_that_counts({**os.environ, **spec.environ}))),
        f"{RESOURCE}random": Known(None),
    }
    why = ""
    if language != "python":
        why = f"cells are kept in Python only, and the kernel {spec.kernel_name} runs {language}"
    elif spec.secrets:
        why = "a run with secret parameters keeps nothing"
    if why:
        planned = [PlannedCell(index=index, is_replayed=False, is_certain=True, why=why) for index in range(len(cells))]
    else:
        world = World(_DIGESTS, PackageVersions())
        planned = plan_cells(sources, CellRecordStore.default(), known, now, is_refreshed=is_refreshed, world=world)
    return [(cell, plan, is_skipped, history) for cell, plan, is_skipped in zip(cells, planned, skipped, strict=True)]


def _line(
    cell: dict[str, Any], plan: PlannedCell, is_skipped: bool, history: _History, injected_at: int | None
) -> PlanLine:
    if is_skipped:
        action, why = "skip", "its tag skip-execution excludes it"
    else:
        action, why = ("replay" if plan.is_replayed else "run"), plan.why
    cell_id = str(cell.get("id", ""))
    return PlanLine(
        index=plan.index,
        number=number_in_file(plan.index, injected_at),
        id=cell_id,
        title=cell_title(cell["source"]),
        action=action,
        is_certain=plan.is_certain or is_skipped,
        why=why,
        seconds=None if is_skipped else history.seconds_of(cell_id, plan.seconds),
    )


class _History:
    """How long the cells of a notebook took in its earlier runs, by their ids, and how they ended with ``--cache``."""

    def __init__(self, store: RunStore, path: Path) -> None:
        self.seconds: dict[str, list[float]] = {}
        self.kept: set[str] = set()
        self.failed: set[str] = set()
        for _, cells in itertools.islice(runs_of_notebook(store, path), _RUNS_ASKED):
            for cell in cells:
                took = self.seconds.setdefault(cell.cell_id, [])
                if was_recorded(cell):
                    if cell.state is State.COMPLETED:
                        self.kept.add(cell.cell_id)
                    elif cell.started_at is not None:
                        self.failed.add(cell.cell_id)
                if (seconds := seconds_of(cell)) is not None:
                    took.append(seconds)

    def seconds_of(self, cell_id: str, recorded: float | None) -> float | None:
        """Return how long a cell is expected to run: as its record says, else the median of earlier runs."""
        if recorded is not None:
            return recorded
        took = self.seconds.get(cell_id)
        return statistics.median(took) if took else None
