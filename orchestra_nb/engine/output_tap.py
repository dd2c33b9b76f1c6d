"""What a cell shows, taken where the kernel sends it, and sent again when the cell is replayed.

Streams, displays, results and updates go through one object of the kernel, its session; there is no other place that
all of them pass. What is sent again is the same message under the parent of the code that runs then.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

#: Messages that a cell's picture is made of.
_SHOWING = frozenset({"stream", "display_data", "execute_result", "update_display_data", "clear_output"})
#: What one cell may show and still be replayed, in characters: what one may show at all.
_MOST_CHARACTERS = 10_000_000


class OutputTap:
    """Takes the messages of one cell at a time in a kernel of ipykernel."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._session = kernel.session
        self._send = self._session.send
        self._parent: str | None = None
        self._size = 0
        self.messages: list[dict[str, Any]] = []
        #: why what was shown cannot be shown again; None where it can
        self.problem: str | None = None
        self._session.send = self._tapped_send

    def begin(self) -> None:
        """Take what belongs to the code that runs now."""
        self.messages, self.problem, self._size = [], None, 0
        self._parent = _message_id(self._kernel.get_parent("shell"))

    def end(self) -> None:
        """Take no more, after what is still on its way has gone."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self._parent = None

    def close(self) -> None:
        """Leave the session as it was."""
        self._session.send = self._send

    def replay(self, messages: Sequence[Mapping[str, Any]], execution_count: int) -> None:
        """Send messages again, as of the code that runs now."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        parent = self._kernel.get_parent("shell")
        for message in messages:
            content = dict(message["content"])
            if message["type"] == "execute_result":
                content["execution_count"] = execution_count
            self._send(self._kernel.iopub_socket, message["type"], content, parent, ident=b"replay")

    def _tapped_send(
        self, stream: Any, msg_or_type: Any, content: Any = None, parent: Any = None, *a: Any, **k: Any
    ) -> Any:
        if self._parent is not None:
            try:
                self._take(msg_or_type, content, parent)
            except Exception as error:  # whatever it is, the message goes out
                self.problem = f"it shows what cannot be kept: {error}"
        return self._send(stream, msg_or_type, content, parent, *a, **k)

    def _take(self, msg_or_type: Any, content: Any, parent: Any) -> None:
        if isinstance(msg_or_type, str):
            kind, above = msg_or_type, parent
        else:
            kind = msg_or_type["header"]["msg_type"]
            content, above = msg_or_type["content"], {"header": msg_or_type.get("parent_header") or {}}
        if _message_id(above) != self._parent:
            return
        if kind in ("comm_open", "comm_msg"):
            self.problem = "it shows widgets, which live only in the kernel that made them"
        if kind not in _SHOWING or self.problem is not None:
            return
        last = self.messages[-1] if self.messages else None
        if kind == "stream":
            self._size += len(content["text"])
            if last is not None and last["type"] == "stream" and last["content"]["name"] == content["name"]:
                last["content"]["text"] += content["text"]
            else:
                self.messages.append({"type": kind, "content": {"name": content["name"], "text": content["text"]}})
        else:
            text = json.dumps(content)  # also a copy: who sends it may change it afterwards
            self._size += len(text)
            self.messages.append({"type": kind, "content": json.loads(text)})
        if self._size > _MOST_CHARACTERS:
            self.problem = f"it shows more than {_MOST_CHARACTERS / 1e6:.0f} MB"
            self.messages = []


def _message_id(message: Any) -> str | None:
    header = (message or {}).get("header") or message or {}
    found = header.get("msg_id")
    return None if found is None else str(found)
