"""What a task cell shows, in order: sent on while it runs, and kept as nbformat outputs for its outcome.

Neighbouring pieces of one stream are joined before they are sent. What is kept is bounded: the head is sent and kept,
of the rest only the tail, which is sent at the end, and a note says how much was cut between them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestra_nb.notebooks.stream_text import as_left_by_terminal

Message = dict[str, Any]

#: What one cell may show, in characters; half of it is kept from the beginning and half from the end.
MAX_CHARACTERS = 10_000_000
#: Longest piece of a stream; the tail is cut in steps of it.
_PIECE_CHARACTERS = 64 * 1024
#: What an output costs beside its text.
_OUTPUT_CHARACTERS = 100


@dataclass(slots=True)
class _Item:
    """One output and its size in characters."""

    message: Message
    size: int
    display_id: str | None = None


class OutputRecorder:
    """Takes what is shown, from any thread.

    Parameters
    ----------
    show
        Called with each message to send on, in order, one call at a time.
    """

    def __init__(self, show: Callable[[Mapping[str, object]], None], max_characters: int = MAX_CHARACTERS) -> None:
        self._show = show
        self._half = max_characters // 2
        # re-entrant: what is sent may print in its turn
        self._lock = threading.RLock()
        self._open_stream = ""
        self._open_pieces: list[str] = []
        self._open_size = 0
        self._is_clear_due = False
        self._forget()

    def _forget(self) -> None:
        self._head: list[_Item] = []
        self._head_size = 0
        self._tail: deque[_Item] = deque()
        self._tail_size = 0
        self._cut_size = 0

    def write(self, stream: str, text: str) -> None:
        """Take text of ``"stdout"`` or ``"stderr"``."""
        with self._lock:
            if stream != self._open_stream:
                self.send_open_stream()
                self._open_stream = stream
            self._open_pieces.append(text)
            self._open_size += len(text)
            if self._open_size >= _PIECE_CHARACTERS:
                self.send_open_stream()

    def send_open_stream(self) -> None:
        """Send on the text that was collected so far."""
        with self._lock:
            text = "".join(self._open_pieces)
            self._open_pieces, self._open_size = [], 0
            for start in range(0, len(text), _PIECE_CHARACTERS):
                piece = text[start : start + _PIECE_CHARACTERS]
                message = {"output_type": "stream", "name": self._open_stream, "text": piece}
                self._add(_Item(message, len(piece)))

    def display(self, data: Mapping[str, object], metadata: Mapping[str, object], display_id: str | None) -> None:
        """Take a rich output; one with an id can be updated."""
        with self._lock:
            self.send_open_stream()
            size = _OUTPUT_CHARACTERS + sum(len(value) if isinstance(value, str) else 0 for value in data.values())
            if size > self._half:
                kinds = ", ".join(kind for kind in data if kind != "text/plain")
                data = {"text/plain": f"[an output of {size / 1e6:.0f} MB ({kinds}) was cut here]"}
                size = _OUTPUT_CHARACTERS
            message: Message = {"output_type": "display_data", "data": dict(data), "metadata": dict(metadata)}
            if display_id is not None:
                message["transient"] = {"display_id": display_id}
            self._add(_Item(message, size, display_id))

    def update_display(self, data: Mapping[str, object], metadata: Mapping[str, object], display_id: str) -> None:
        """Replace the content of all outputs with this id."""
        with self._lock:
            self.send_open_stream()
            for item in (*self._head, *self._tail):
                if item.display_id == display_id:
                    item.message = {**item.message, "data": dict(data), "metadata": dict(metadata)}
            self._show(
                {
                    "output_type": "update_display_data",
                    "data": dict(data),
                    "metadata": dict(metadata),
                    "transient": {"display_id": display_id},
                }
            )

    def clear(self, *, wait: bool) -> None:
        """Forget all outputs, at once or when the next one comes."""
        with self._lock:
            self.send_open_stream()
            self._show({"output_type": "clear_output", "wait": wait})
            self._is_clear_due = wait
            if not wait:
                self._forget()

    def finish(self) -> list[Message]:
        """Send what was held back and return all outputs as nbformat has them: streams joined, no transient fields."""
        with self._lock:
            self.send_open_stream()
            if self._cut_size:
                note = f"\n… {max(self._cut_size / 1e6, 0.1):.1f} MB of output were cut here …\n"
                self._tail.appendleft(_Item({"output_type": "stream", "name": "stderr", "text": note}, len(note)))
            for item in self._tail:
                self._show(item.message)
            return as_nbformat([item.message for item in (*self._head, *self._tail)])

    def _add(self, item: _Item) -> None:
        if self._is_clear_due:
            self._is_clear_due = False
            self._forget()
        if not self._tail and self._head_size + item.size <= self._half:
            self._head.append(item)
            self._head_size += item.size
            self._show(item.message)
            return
        self._tail.append(item)
        self._tail_size += item.size
        while self._tail_size > self._half:
            oldest = self._tail.popleft()
            self._tail_size -= oldest.size
            self._cut_size += oldest.size


def as_nbformat(messages: list[Message]) -> list[Message]:
    """Return messages as nbformat 4 outputs: neighbouring pieces of a stream joined, no transient fields."""
    outputs: list[Message] = []
    texts: list[str] = []
    for message in messages:
        if message["output_type"] != "stream":
            outputs.append({key: value for key, value in message.items() if key != "transient"})
        elif outputs and outputs[-1].get("name") == message["name"]:
            texts.append(message["text"])
            outputs[-1]["text"] = texts
        else:
            texts = [message["text"]]
            outputs.append({"output_type": "stream", "name": message["name"], "text": texts})
    for output in outputs:
        if output["output_type"] == "stream":
            output["text"] = as_left_by_terminal("".join(output["text"]))
    return outputs
