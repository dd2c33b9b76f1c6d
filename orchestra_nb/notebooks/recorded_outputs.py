"""Finds the values that a notebook returned in what its cells showed: ours, scrapbook's and papermill's.

A value that a task cell recorded on its worker stands among the outputs of the task, one level deeper. Of values with
the same name the last one counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from orchestra_nb.model.numbers_in_file import number_in_file
from orchestra_nb.model.recorded_values import VALUE_MIME, RecordedValue, from_output
from orchestra_nb.model.runs import INJECTED_CELL_ID

#: What scrapbook glues, and what papermill's first versions recorded.
SCRAP_MIME: Final = "application/scrapbook.scrap.json+json"
RECORD_MIME: Final = "application/papermill.record+json"
#: What a task cell showed.
OUTPUTS_MIME: Final = "application/vnd.orchestra.outputs.v1+json"
_SUMMARY_CHARACTERS: Final = 80
_SHOWING: Final = frozenset({"display_data", "execute_result", "update_display_data"})

#: A display of another tool has no time: in a file it is as old as the file.
_UNKNOWN_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)


class RecordedOutputs:
    """Takes a kernel's messages and tells of each value in them once. Belongs to one event loop.

    Parameters
    ----------
    tell
        Called with each value.
    """

    def __init__(self, run_id: str, tell: Callable[[RecordedValue], None]) -> None:
        self._run_id = run_id
        self._tell = tell
        #: a task's display is sent again and again with all that it showed
        self._told: set[tuple[str, datetime]] = set()

    def take(self, message: Mapping[str, Any], cell_index: int | None, *, is_replayed: bool = False) -> None:
        """Take one message.

        Parameters
        ----------
        cell_index
            The code cell of the user's own file that runs now.
        is_replayed
            Whether it shows what it showed in an earlier run: its values are returned now, after those of cells before.
        """
        if message["msg_type"] not in _SHOWING:
            return
        if message["msg_type"] == "update_display_data":  # of a task, whose cell ended before
            cell_index = None
        for value in values_in_bundle(
            message["content"].get("data"), run_id=self._run_id, cell_index=cell_index, now=datetime.now(UTC)
        ):
            if is_replayed:
                value = msgspec.structs.replace(value, recorded_at=datetime.now(UTC))
            key = value.name, value.recorded_at
            if key not in self._told:
                self._told.add(key)
                self._tell(value)


def values_of_notebook(notebook: Mapping[str, Any]) -> dict[str, RecordedValue]:
    """Return name to value of what an executed notebook returned, in the order in which names came up first."""
    found: dict[str, RecordedValue] = {}
    run = notebook.get("metadata", {}).get("orchestra", {})
    run_id = str(run.get("run_id", "")) if isinstance(run, Mapping) else ""
    cells = [cell for cell in notebook.get("cells", ()) if cell.get("cell_type") == "code"]
    injected_at = next((index for index, cell in enumerate(cells) if cell.get("id") == INJECTED_CELL_ID), None)
    for index, cell in enumerate(cells):
        number = number_in_file(index, injected_at)
        place = number - 1 if number else None
        for output in cell.get("outputs", ()):
            for value in values_in_bundle(output.get("data"), run_id=run_id, cell_index=place, now=_UNKNOWN_TIME):
                found[value.name] = value
    return found


def values_in_bundle(data: object, *, run_id: str, cell_index: int | None, now: datetime) -> Iterator[RecordedValue]:
    """Yield the values in one display's MIME bundle; ``now`` is the time of those that tell none."""
    if not isinstance(data, Mapping):
        return
    if VALUE_MIME in data:
        value = from_output(data[VALUE_MIME], run_id=run_id, cell_index=cell_index)
        if value is not None:
            yield value
    elif SCRAP_MIME in data and isinstance(data[SCRAP_MIME], Mapping):
        scrap = data[SCRAP_MIME]
        if isinstance(scrap.get("name"), str) and scrap.get("encoder") != "display":
            yield _of_scrap(scrap, run_id, cell_index, now)
    elif RECORD_MIME in data and isinstance(data[RECORD_MIME], Mapping):
        for name, recorded in data[RECORD_MIME].items():
            yield _of_json(str(name), recorded, run_id, cell_index, now)
    elif OUTPUTS_MIME in data and isinstance(data[OUTPUTS_MIME], Mapping):
        for output in data[OUTPUTS_MIME].get("outputs", ()):
            if isinstance(output, Mapping):
                yield from values_in_bundle(output.get("data"), run_id=run_id, cell_index=cell_index, now=now)


def _of_scrap(scrap: Mapping[str, Any], run_id: str, cell_index: int | None, now: datetime) -> RecordedValue:
    name, encoder, data = scrap["name"], str(scrap.get("encoder", "json")), scrap.get("data")
    if encoder in ("json", "text"):
        return _of_json(name, data, run_id, cell_index, now)
    return RecordedValue(
        run_id=run_id,
        name=name,
        type=encoder,
        recorded_at=now,
        serializer=f"scrapbook/{encoder}",
        summary=f"glued with scrapbook's encoder {encoder!r}",
        cell_index=cell_index,
        unreadable=f"scrapbook wrote it with its encoder {encoder!r}; read it with scrapbook, or record it as JSON",
    )


def _of_json(name: str, data: object, run_id: str, cell_index: int | None, now: datetime) -> RecordedValue:
    text = json.dumps(data, ensure_ascii=False)
    summary = repr(data)
    return RecordedValue(
        run_id=run_id,
        name=name,
        type=type(data).__name__,
        recorded_at=now,
        data=text,
        size_bytes=len(text.encode("utf-8", "surrogatepass")),
        summary=summary if len(summary) <= _SUMMARY_CHARACTERS else summary[: _SUMMARY_CHARACTERS - 1] + "…",
        cell_index=cell_index,
    )
