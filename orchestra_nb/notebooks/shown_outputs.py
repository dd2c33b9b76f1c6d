"""What a task has shown so far, put together by the driver from the pieces that its worker sends while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestra_nb.notebooks.output_recorder import as_nbformat


class ShownOutputs:
    """The messages of one task in order, with updates and clearings applied. Not thread-safe.

    The worker bounds what it sends, so nothing is bounded here.
    """

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        self._is_clear_due = False

    def add(self, message: Mapping[str, Any]) -> None:
        """Take what :meth:`AttemptContext.show` was given."""
        kind = message["output_type"]
        if kind == "update_display_data":
            display_id = message["transient"]["display_id"]
            for number, shown in enumerate(self._messages):
                if shown.get("transient", {}).get("display_id") == display_id:
                    self._messages[number] = {**shown, "data": message["data"], "metadata": message["metadata"]}
        elif kind == "clear_output":
            self._is_clear_due = bool(message["wait"])
            if not self._is_clear_due:
                self._messages.clear()
        else:
            if self._is_clear_due:
                self._is_clear_due = False
                self._messages.clear()
            self._messages.append(dict(message))

    def merged(self) -> list[dict[str, Any]]:
        """Return nbformat 4 outputs, neighbouring pieces of one stream joined."""
        return as_nbformat(self._messages)
