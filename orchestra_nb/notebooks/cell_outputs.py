"""What one cell of a running notebook has shown, in the form of nbformat 4, bounded.

Neighbouring texts of one stream are one output. A cell that shows without end keeps head and tail, and what was cut
between them is said. One rich output may take all that a cell may show; of a larger one the largest representations are
left out, since half an image is none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from orchestra_nb.model.counted import counted
from orchestra_nb.notebooks.stream_text import StreamText

Output = dict[str, Any]

#: What one cell may show, in characters; text is kept half from the beginning and half from the end.
MAX_CELL_CHARACTERS = 10_000_000
#: Into how many pieces the stream text of a tail is divided at least, so that it is cut in small steps.
_PIECES = 64
#: What an output costs beside its content: a cell with a million tiny ones is bounded, too.
_OUTPUT_CHARACTERS = 500
#: The longest unfinished line that goes along to the next piece, where it may still be overwritten.
_LONGEST_OPEN_LINE = 4_000
#: The lines of a traceback that are kept, half of them from its end.
_MAX_TRACEBACK_LINES = 1_000


class Display:
    """What stands wherever one display id is shown; changing it costs the same however often that is.

    ``uses`` counts the outputs that show it; ``cells`` are those that have shown it, by their index.
    """

    __slots__ = ("bundle", "cells", "display_id", "size", "uses")

    def __init__(self, display_id: str, bundle: Mapping[str, Any], size: int) -> None:
        self.display_id = display_id
        self.bundle = bundle
        self.size = size
        self.uses = 0
        self.cells: set[int] = set()


class _Item:
    """One output; a stream has ``text``, one that can be updated ``display``."""

    __slots__ = ("_size", "display", "output", "text")

    def __init__(self, output: Output, size: int = 0, text: StreamText | None = None, display: Display | None = None):
        self.output = output
        self.text = text
        self.display = display
        self._size = size

    @property
    def content_size(self) -> int:
        if self.text is not None:
            return self.text.size
        return self._size if self.display is None else self.display.size

    @property
    def size(self) -> int:
        return _OUTPUT_CHARACTERS + self.content_size

    def as_output(self) -> Output:
        return self.output if self.display is None else {**self.output, **self.display.bundle}


class CellOutputs:
    """The outputs of one cell, in order. Not thread-safe.

    Parameters
    ----------
    displays
        The displays of the whole notebook by their id; one that no output shows any more is taken out.
    """

    def __init__(self, max_characters: int = MAX_CELL_CHARACTERS, displays: dict[str, Display] | None = None) -> None:
        self._max = max_characters
        self._half = max_characters // 2
        self._piece = max(1, self._half // _PIECES)
        self._displays = {} if displays is None else displays
        self._items_of: dict[str, list[int]] = {}
        self._forget()

    def _forget(self) -> None:
        self._head: list[_Item] = []
        self._tail: deque[_Item] = deque()
        self._head_size = 0
        self._tail_size = 0
        self._cut = 0
        self._is_head_closed = False

    @property
    def size(self) -> int:
        """What is kept, in characters."""
        return self._head_size + self._tail_size

    @property
    def has_displays(self) -> bool:
        """Whether any output can be updated."""
        return bool(self._items_of)

    @property
    def has_error(self) -> bool:
        """Whether one of the outputs is an error."""
        return any(item.output["output_type"] == "error" for item in (*self._head, *self._tail))

    def clear(self) -> None:
        """Forget all."""
        for item in (*self._head, *self._tail):
            self._let_go(item)
        self._items_of.clear()
        self._forget()

    def append(self, output: Output) -> None:
        """Add an output that is no stream."""
        if output["output_type"] == "error":
            self.append_error(output["ename"], output["evalue"], output["traceback"])
            return
        bundle, size = fitting_bundle(output, self._max)
        self._add(_Item({**output, **bundle}, size))

    def append_error(self, name: str, value: str, traceback: list[str]) -> None:
        """Add an error; a text without end is shortened."""
        longest = max(self._piece, 1_000)
        if len(traceback) > _MAX_TRACEBACK_LINES:
            half = _MAX_TRACEBACK_LINES // 2
            count = len(traceback) - 2 * half
            cut = f"[{counted(count, 'line')} of this traceback {'was' if count == 1 else 'were'} cut here]"
            traceback = [*traceback[:half], cut, *traceback[-half:]]
        traceback = [_shortened(line, longest) for line in traceback]
        output = {"output_type": "error", "ename": name, "evalue": _shortened(value, longest), "traceback": traceback}
        self._add(_Item(output, len(output["evalue"]) + sum(map(len, traceback))))

    def append_display(self, output: Output, display: Display) -> None:
        """Add an output that shows a display of the notebook."""
        display.uses += 1
        self._items_of.setdefault(display.display_id, [0, 0])
        self._add(_Item(output, display=display))

    def append_stream(self, name: str, text: str) -> None:
        """Add text to a stream."""
        for start in range(0, len(text), self._piece):
            self._append_piece(name, text[start : start + self._piece])

    def skip(self, characters: int) -> None:
        """Note that so much text came and is not kept: what was shown before is the head, what follows the tail."""
        self._cut += characters
        self._is_head_closed = True
        self._shorten(down_to=0)

    def display_changed(self, display: Display, growth: int) -> bool:
        """Take note that a display has other content now; return whether it stands here."""
        found = self._items_of.get(display.display_id)
        if found is None:
            return False
        self._head_size += growth * found[0]
        self._tail_size += growth * found[1]
        self._shorten()
        return True

    def as_list(self) -> list[Output]:
        """Return the outputs, without places that were kept for what never came."""
        return [output for output in self._merged() if output.get("data") != {}]

    def load(self, outputs: list[Output]) -> None:
        """Take these as what was shown so far; they were bounded already."""
        for output in outputs:
            if output["output_type"] == "stream":
                self._append_piece(output["name"], output["text"])
            else:
                self.append(output)

    def _append_piece(self, name: str, piece: str) -> None:
        last = self._tail[-1] if self._tail else self._head[-1] if self._head else None
        is_same = last is not None and last.output.get("name") == name
        is_head_open = not self._is_head_closed and self._head_size + len(piece) <= self._half
        fits = bool(self._tail) or is_head_open
        if last is None or last.text is None or not is_same or not fits or last.text.size > self._piece:
            text = StreamText()
            if last is not None and last.text is not None and is_same and (self._tail or not self._is_head_closed):
                open_line = last.text.take_open_line(_LONGEST_OPEN_LINE)
                self._grow_last(-len(open_line))
                text.add(open_line)
            last = _Item({"output_type": "stream", "name": name}, text=text)
            self._add(last)
        assert last.text is not None
        before = last.text.size
        last.text.add(piece)
        self._grow_last(last.text.size - before)
        self._shorten()

    def _grow_last(self, growth: int) -> None:
        if self._tail:
            self._tail_size += growth
        else:
            self._head_size += growth

    def _add(self, item: _Item) -> None:
        is_head = not self._tail and not self._is_head_closed and self._head_size + item.size <= self._half
        if is_head:
            self._head.append(item)
            self._head_size += item.size
        else:
            self._tail.append(item)
            self._tail_size += item.size
        if item.display is not None:
            self._items_of[item.display.display_id][0 if is_head else 1] += 1
        self._shorten()

    def _shorten(self, down_to: int = 1) -> None:
        while (down_to == 0 or self._head_size + self._tail_size > self._max) and len(self._tail) > down_to:
            item = self._tail.popleft()
            self._tail_size -= item.size
            self._cut += item.content_size
            if item.display is not None:
                self._items_of[item.display.display_id][1] -= 1
                if not any(self._items_of[item.display.display_id]):
                    del self._items_of[item.display.display_id]
                self._let_go(item)

    def _let_go(self, item: _Item) -> None:
        if item.display is not None:
            item.display.uses -= 1
            if not item.display.uses:
                self._displays.pop(item.display.display_id, None)

    def _merged(self) -> Iterator[Output]:
        name: str | None = None
        texts: list[str] = []
        for item in self._with_note():
            if texts and (item.text is None or item.output["name"] != name):
                yield {"output_type": "stream", "name": name, "text": "".join(texts)}
                texts = []
            if item.text is None:
                yield item.as_output()
            else:
                name = item.output["name"]
                texts.append(item.text.text())
        if texts:
            yield {"output_type": "stream", "name": name, "text": "".join(texts)}

    def _with_note(self) -> Iterator[_Item]:
        yield from self._head
        if self._cut:
            note = StreamText()
            note.add(f"\n[{self._cut / 1e6:.1f} MB of this cell's output were cut here]\n")
            yield _Item({"output_type": "stream", "name": "stderr"}, text=note)
        yield from self._tail


def fitting_bundle(content: Mapping[str, Any], max_characters: int) -> tuple[dict[str, Any], int]:
    """Return data and metadata of a rich output without the representations that are too large, and their size."""
    data = dict(content["data"])
    sizes = {kind: value_size(value) for kind, value in data.items()}
    left_out: list[str] = []
    for kind in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if sum(sizes.values()) <= max_characters:
            break
        left_out.append(f"{kind} of {sizes.pop(kind) / 1e6:.1f} MB")
        del data[kind]
    if left_out:
        text = f"[left out, as it is too large: {', '.join(left_out)}]"
        before = data.get("text/plain")
        data["text/plain"] = f"{before}\n{text}" if isinstance(before, str) else text
    size = sum(sizes.values())
    return {"data": data, "metadata": content.get("metadata") or {}}, size


def value_size(value: object) -> int:
    """Return the length of all texts in a value as JSON has it, and a little for what is none."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(str(key)) + value_size(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return sum(map(value_size, value))
    return 8


def _shortened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}\n[{(len(text) - 2 * half) / 1e6:.1f} MB were cut here]\n{text[-half:]}"
