"""What the cells of a running notebook have shown, from the kernel's messages, in the form of nbformat 4.

Follows JupyterLab where nbclient does not: neighbouring stream texts are one output, a line that was overwritten by a
carriage return is kept in its last form only, and a display is updated wherever it stands, also in another cell and
after its cell has ended. A cell that shows without end is bounded: head and tail are kept, and what was cut is said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Output = dict[str, Any]

#: What one cell may show, in characters; half of it is kept from the beginning and half from the end.
MAX_CELL_CHARACTERS = 10_000_000
#: Into how many pieces the stream text of a tail is divided at least, so that it is cut in small steps.
_PIECES = 64
#: What an output costs beside its text.
_OUTPUT_CHARACTERS = 100


@dataclass(slots=True)
class _Item:
    """One output; ``pieces`` instead of ``output["text"]`` while it is a stream."""

    output: Output
    size: int
    pieces: list[str] = field(default_factory=list)


class CellOutputs:
    """The outputs of one cell, in order. Not thread-safe."""

    def __init__(self, max_characters: int = MAX_CELL_CHARACTERS) -> None:
        self._half = max_characters // 2
        self._piece = max(1, self._half // _PIECES)
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._head: list[_Item] = []
        self._tail: deque[_Item] = deque()
        self._head_size = 0
        self._tail_size = 0
        self._cut = 0

    def append(self, output: Output) -> _Item:
        """Add an output that is no stream; never shortened, since half an image is none."""
        item = _Item(output, _OUTPUT_CHARACTERS + sum(map(_length, output.get("data", {}).values())))
        self._add(item)
        return item

    def append_stream(self, name: str, text: str) -> None:
        """Add text to a stream."""
        for start in range(0, len(text), self._piece):
            piece = text[start : start + self._piece]
            last = self._tail[-1] if self._tail else self._head[-1] if self._head else None
            fits = self._tail or self._head_size + len(piece) <= self._half
            if last is None or not fits or last.output.get("name") != name or last.size > self._piece:
                last = _Item({"output_type": "stream", "name": name}, _OUTPUT_CHARACTERS)
                self._add(last)
            last.pieces.append(piece)
            last.size += len(piece)
            if self._tail:
                self._tail_size += len(piece)
            else:
                self._head_size += len(piece)
        self._shorten()

    def as_list(self) -> list[Output]:
        """Return the outputs; the dicts of those that are no streams are the very ones that were added."""
        return list(self._merged())

    def _add(self, item: _Item) -> None:
        if not self._tail and self._head_size + item.size <= self._half:
            self._head.append(item)
            self._head_size += item.size
        else:
            self._tail.append(item)
            self._tail_size += item.size
            self._shorten()

    def _shorten(self) -> None:
        while self._tail_size > self._half and len(self._tail) > 1:
            item = self._tail.popleft()
            self._tail_size -= item.size
            self._cut += item.size - _OUTPUT_CHARACTERS

    def _merged(self) -> Iterator[Output]:
        stream: str | None = None
        pieces: list[str] = []
        for item in self._with_note():
            name = item.output.get("name") if item.output["output_type"] == "stream" else None
            if stream is not None and name != stream:
                yield _stream(stream, pieces)
                pieces = []
            stream = name
            if name is None:
                yield item.output
            else:
                pieces += item.pieces
        if stream is not None:
            yield _stream(stream, pieces)

    def _with_note(self) -> Iterator[_Item]:
        yield from self._head
        if self._cut:
            note = f"\n[{self._cut / 1e6:.1f} MB of this cell's output were cut here]\n"
            yield _Item({"output_type": "stream", "name": "stderr"}, 0, [note])
        yield from self._tail


class OutputCollector:
    """Sorts a kernel's iopub messages into the outputs of the cells. Not thread-safe.

    Parameters
    ----------
    on_change
        Called with the index of each cell whose outputs are no longer what they were.
    on_text
        Called with (index, stream name, text) for what streams say.
    """

    def __init__(self, on_change: Callable[[int], None], on_text: Callable[[int, str, str], None]) -> None:
        self._on_change = on_change
        self._on_text = on_text
        self._cells: dict[int, CellOutputs] = {}
        self._cell_of: dict[str, int] = {}
        self._displays: dict[str, list[tuple[int, _Item]]] = {}
        self._clear_waits: set[int] = set()

    def open_cell(self, index: int, message_id: str) -> None:
        """Take messages with this parent as those of the cell with this index."""
        self._cell_of[message_id] = index
        self._cells[index] = CellOutputs()

    def outputs(self, index: int) -> list[Output]:
        """Return what the cell has shown so far."""
        cell = self._cells.get(index)
        return [] if cell is None else cell.as_list()

    def add_error(self, index: int, name: str, value: str, traceback: list[str]) -> None:
        """Add an error that the kernel told only in its reply."""
        self._cells[index].append(_error({"ename": name, "evalue": value, "traceback": traceback}))
        self._on_change(index)

    def has_error(self, index: int) -> bool:
        """Whether an error is among what the cell shows."""
        return any(output["output_type"] == "error" for output in self.outputs(index))

    def take(self, message: Mapping[str, Any]) -> None:
        """Take one message; those that belong to no cell, or show nothing, are passed over."""
        kind, content = message["msg_type"], message["content"]
        display_id = (content.get("transient") or {}).get("display_id")
        if kind == "update_display_data":
            self._update(display_id, content)
            return
        index = self._cell_of.get(message["parent_header"].get("msg_id", ""))
        if index is None:
            return
        cell = self._cells[index]
        if kind == "clear_output":
            self._clear(index, wait=bool(content.get("wait")))
            return
        if kind not in ("stream", "display_data", "execute_result", "error"):
            return
        if index in self._clear_waits:
            self._clear(index, wait=False)
        if kind == "stream":
            cell.append_stream(content["name"], content["text"])
            self._on_text(index, content["name"], content["text"])
        else:
            if display_id is not None and display_id in self._displays:
                self._update(display_id, content)  # shown again, it is the same display everywhere
            item = cell.append(_MAKERS[kind](content))
            if display_id is not None:
                self._displays.setdefault(display_id, []).append((index, item))
        self._on_change(index)

    def _update(self, display_id: str | None, content: Mapping[str, Any]) -> None:
        for index, item in self._displays.get(display_id or "", ()):
            item.output["data"] = content["data"]
            item.output["metadata"] = content.get("metadata", {})
            self._on_change(index)

    def _clear(self, index: int, *, wait: bool) -> None:
        if wait:
            self._clear_waits.add(index)
            return
        self._clear_waits.discard(index)
        self._cells[index].clear()
        for display_id, items in list(self._displays.items()):
            self._displays[display_id] = [entry for entry in items if entry[0] != index]
        self._on_change(index)


def _display_data(content: Mapping[str, Any]) -> Output:
    return {"output_type": "display_data", "data": content["data"], "metadata": content.get("metadata", {})}


def _execute_result(content: Mapping[str, Any]) -> Output:
    return {
        "output_type": "execute_result",
        "data": content["data"],
        "metadata": content.get("metadata", {}),
        "execution_count": content["execution_count"],
    }


def _error(content: Mapping[str, Any]) -> Output:
    traceback = [str(line) for line in content.get("traceback", ())]
    return {"output_type": "error", "ename": content["ename"], "evalue": content["evalue"], "traceback": traceback}


_MAKERS: Mapping[str, Callable[[Mapping[str, Any]], Output]] = {
    "display_data": _display_data,
    "execute_result": _execute_result,
    "error": _error,
}


def _stream(name: str, pieces: list[str]) -> Output:
    return {"output_type": "stream", "name": name, "text": _without_overwritten("".join(pieces))}


def _without_overwritten(text: str) -> str:
    """Return the text with each line in the form that a carriage return left last: one line of a progress bar."""
    if "\r" not in text:
        return text
    return "\n".join(_last_form(line) for line in text.split("\n"))


def _last_form(line: str) -> str:
    return line if "\r" not in line else line.rstrip("\r").rsplit("\r", 1)[-1]


def _length(value: object) -> int:
    return len(value) if isinstance(value, str) else _OUTPUT_CHARACTERS
