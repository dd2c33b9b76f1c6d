"""Sorts what a kernel says into the outputs of the cells of its notebook.

Follows JupyterLab where nbclient does not: a display is updated wherever it stands, also in another cell and after its
cell has ended. What a cell has shown can be put away once it is written down; a word that comes for it later, from a
thread for example, fetches it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestra_nb.notebooks.cell_outputs import MAX_CELL_CHARACTERS, CellOutputs, Display, Output, fitting_bundle


class OutputCollector:
    """Sorts a kernel's iopub messages into the outputs of the cells. Not thread-safe.

    Parameters
    ----------
    on_change
        Called with the index of each cell whose outputs are no longer what they were.
    on_text
        Called with (index, stream name, text) for what streams say.
    on_rich
        Called with (index, output, display id or None) for what else is shown, as it came.
    on_update
        Called with (index, display id, data) for a display that has other content now; index is the first cell with it.
    fetch
        Returns the outputs of a cell that were put away by :meth:`put_away`.
    """

    def __init__(
        self,
        on_change: Callable[[int], None],
        on_text: Callable[[int, str, str], None],
        *,
        on_rich: Callable[[int, Output, str | None], None] = lambda index, output, display_id: None,
        on_update: Callable[[int, str, Mapping[str, Any]], None] = lambda index, display_id, data: None,
        fetch: Callable[[int], list[Output]] = lambda index: [],
        max_characters: int = MAX_CELL_CHARACTERS,
    ) -> None:
        self._on_change = on_change
        self._on_text = on_text
        self._on_rich = on_rich
        self._on_update = on_update
        self._fetch = fetch
        self._max_characters = max_characters
        self._cells: dict[int, CellOutputs] = {}
        self._cell_of: dict[str, int] = {}
        self._displays: dict[str, Display] = {}
        self._clear_waits: set[int] = set()
        self._put_away: set[int] = set()

    def open_cell(self, index: int, message_id: str) -> None:
        """Take messages with this parent as those of the cell with this index, which has shown nothing yet."""
        self._cell_of[message_id] = index
        self._cells[index] = CellOutputs(self._max_characters, self._displays)
        self._put_away.discard(index)

    def outputs(self, index: int) -> list[Output]:
        """Return what the cell has shown so far."""
        return self._cell(index).as_list() if index in self._cells or index in self._put_away else []

    @property
    def size(self) -> int:
        """What is kept in memory, in characters."""
        return sum(cell.size for cell in self._cells.values())

    def put_away(self, index: int) -> None:
        """Forget what a cell showed that :attr:`fetch` can give back; no more than a hint."""
        cell = self._cells.get(index)
        if cell is not None and not cell.has_displays and index not in self._clear_waits:
            del self._cells[index]
            self._put_away.add(index)

    def add_error(self, index: int, name: str, value: str, traceback: list[str]) -> None:
        """Add an error that the kernel told only in its reply."""
        self._cell(index).append_error(name, value, traceback)
        self._on_change(index)

    def has_error(self, index: int) -> bool:
        """Whether an error is among what the cell shows."""
        return self._cell(index).has_error

    def take(self, message: Mapping[str, Any]) -> None:
        """Take one message; those that belong to no cell, or show nothing, are passed over."""
        kind, content = message["msg_type"], message["content"]
        if kind == "update_display_data":
            self._update(display_id := _display_id(content), content)
            if display_id is not None and (display := self._displays.get(display_id)) is not None:
                self._on_update(min(display.cells), display_id, content["data"])
            return
        index = self._cell_of.get(message["parent_header"].get("msg_id", ""))
        if index is None:
            return
        if kind == "clear_output":
            self._clear(index, wait=bool(content.get("wait")))
        elif kind in ("stream", "display_data", "execute_result", "error"):
            if index in self._clear_waits:
                self._clear(index, wait=False)
            self._show(index, kind, content)
            self._on_change(index)

    def _show(self, index: int, kind: str, content: Mapping[str, Any]) -> None:
        cell = self._cell(index)
        if kind == "stream":
            cell.append_stream(content["name"], content["text"])
            self._on_text(index, content["name"], content["text"])
            if "cut" in content:
                cell.skip(content["cut"])
                cell.append_stream(content["name"], content["rest"])
            return
        if kind == "error":
            traceback = [str(line) for line in content.get("traceback") or ()]
            cell.append_error(str(content["ename"]), str(content["evalue"]), traceback)
            self._on_rich(index, {"output_type": kind, **content}, None)
            return
        output: Output = {"output_type": kind, "data": content["data"], "metadata": content.get("metadata") or {}}
        if kind == "execute_result":
            output["execution_count"] = content["execution_count"]
        display_id = _display_id(content)
        if display_id is None:
            cell.append(output)
        else:
            self._update(display_id, content)  # shown again, it is the same display everywhere
            display = self._displays.get(display_id)
            if display is None:
                display = self._displays[display_id] = Display(display_id, *self._fitting(content))
            display.cells.add(index)
            cell.append_display(output, display)
        self._on_rich(index, output, display_id)

    def _cell(self, index: int) -> CellOutputs:
        if index in self._put_away:
            self._put_away.discard(index)
            self._cells[index] = CellOutputs(self._max_characters, self._displays)
            self._cells[index].load(self._fetch(index))
        return self._cells[index]

    def _update(self, display_id: str | None, content: Mapping[str, Any]) -> None:
        display = self._displays.get(display_id or "")
        if display is None:
            return
        before = display.size
        display.bundle, display.size = self._fitting(content)
        for index in display.cells:
            cell = self._cells.get(index)
            if cell is not None and cell.display_changed(display, display.size - before):
                self._on_change(index)

    def _clear(self, index: int, *, wait: bool) -> None:
        if wait:
            self._clear_waits.add(index)
            return
        self._clear_waits.discard(index)
        self._cell(index).clear()
        self._on_change(index)

    def _fitting(self, content: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        return fitting_bundle(content, self._max_characters)


def _display_id(content: Mapping[str, Any]) -> str | None:
    found = (content.get("transient") or {}).get("display_id")
    return found if isinstance(found, str) else None
