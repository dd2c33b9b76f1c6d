"""Displays in a terminal, which cannot change what it has printed: each is printed once, and of a task how it ended."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping

from orchestra_nb.notebooks.told_displays import ToldDisplays
from orchestra_nb.run_display import RUN_MIME


class TerminalDisplays:
    """Prints what is shown. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self._told = ToldDisplays()
        self._lock = threading.Lock()

    def publish(self, data: Mapping[str, object], display_id: str, *, update: bool) -> None:
        """Print a display, or what is new in it."""
        with self._lock:
            text = self._text(data, display_id, update)
            if text:
                sys.stdout.write(f"{text.rstrip()}\n")
                sys.stdout.flush()

    def _text(self, data: Mapping[str, object], display_id: str, update: bool) -> str:
        view = data.get(RUN_MIME)
        if isinstance(view, Mapping) and view.get("view") == "flow":
            # it goes on with each later task, and nobody asked for it again
            return "" if update else str(data.get("text/plain", ""))
        is_shown_again = RUN_MIME in data or self._told.knows_outputs(display_id)
        told = self._told.changed(display_id, data)
        return str(data.get("text/plain", "")) if is_shown_again and not (update or told) else told
