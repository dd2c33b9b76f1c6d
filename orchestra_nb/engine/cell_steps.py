"""What the runner of a notebook calls in its kernel to have cells replayed: see ``notebooks/cell_keeper``."""

from __future__ import annotations

import contextlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from orchestra_nb.engine.cell_record_store import CellRecordStore
from orchestra_nb.engine.cell_replay import CellReplay, Step
from orchestra_nb.notebooks.kernel_questions import Answer

_replay: CellReplay | None = None
_max_bytes = 0


def begin(spec: str) -> Answer:
    """Take over the cells of a notebook.

    ``spec`` is JSON: sources, run_id, is_refreshed, fresh_from_index, injected_at, folder, max_bytes.
    """
    global _replay, _max_bytes
    fields = json.loads(spec)
    shell: Any = _shell()
    folder = fields["folder"]
    store = CellRecordStore.default() if folder is None else CellRecordStore(Path(folder))
    _max_bytes = fields["max_bytes"]
    _replay = CellReplay(
        shell,
        fields["sources"],
        store,
        run_id=fields["run_id"],
        forced_by="--refresh" if fields["is_refreshed"] else "",
        fresh_from_index=fields["fresh_from_index"],
        injected_at=fields["injected_at"],
        max_value_bytes=_max_bytes // 2,
    )
    return Answer({})


def step(index: int) -> Answer:
    """Replay a cell or make ready for it; what it shows is sent as of the code that calls this."""
    assert _replay is not None
    result: Step = _replay.step(index)
    return Answer(msgspec.to_builtins(result))


def failed() -> Answer:
    """Say that the cell failed; the answer says whether all cells run again, from the first."""
    assert _replay is not None
    error = getattr(sys, "last_value", None)  # IPython puts there what it shows
    return Answer({"is_again": _replay.failed(error.name if type(error) is NameError else None)})


def note_names() -> Answer:
    """Keep what the last cell gave, and take the names as they are now as given by no cell."""
    assert _replay is not None
    _replay.note_names()
    return Answer({})


def finish() -> Answer:
    """Keep what the last cell gave, and keep to the bound of the store."""
    global _replay
    if _replay is not None:
        replay, _replay = _replay, None
        replay.close()
        with contextlib.suppress(OSError):
            replay.store.prune(_max_bytes, datetime.now(UTC))
    return Answer({})


def _shell() -> Any:
    from IPython.core.getipython import get_ipython

    return get_ipython()
