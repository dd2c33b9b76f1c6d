"""What is told, line by line, of what a notebook displays: of a task what it printed, as it comes, and how it ended.

Under a task cell stand two displays that change for as long as the task is live: its line, and what it showed
(:mod:`orchestra_nb.cell_display`). A log cannot change what it has said, so it gets each line once, under the task's
name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: What the line of a task, or a flow's graph, is shown as; ``live`` says whether it will change.
_RUN_MIME: Final = "application/vnd.orchestra.run.v1+json"
_TASK_PREFIX: Final = "orchestra-"
_OUTPUTS_SUFFIX: Final = "-outputs"


class ToldDisplays:
    """Turns displays and their changes into the text that a log gets. Not thread-safe."""

    def __init__(self) -> None:
        #: display id of a task's line to the task's name
        self._names: dict[str, str] = {}
        #: display id of what a task showed to how many characters of it were told
        self._told: dict[str, int] = {}
        #: the same to its newest text
        self._texts: dict[str, str] = {}
        self._ended: set[str] = set()

    def shown(self, display_id: str | None, data: Mapping[str, Any]) -> str:
        """Return what to tell of something that is displayed now; "" for nothing."""
        if display_id is not None and (_RUN_MIME in data or _is_outputs(display_id)):
            return self.changed(display_id, data)
        text = data.get("text/plain")
        return text if isinstance(text, str) else ""

    def changed(self, display_id: str, data: Mapping[str, Any]) -> str:
        """Return what to tell of a display that has other content now; "" for nothing."""
        if _is_outputs(display_id):
            return self._outputs_changed(display_id, str(data.get("text/plain", "")))
        view = data.get(_RUN_MIME)
        if not isinstance(view, Mapping):
            return ""  # a bar or a counter of the user's: its changes are for who looks at it
        task = view.get("task")
        if isinstance(task, Mapping):
            self._names[display_id] = str(task.get("name", ""))
        if view.get("live"):
            self._ended.discard(display_id)
            return ""
        if display_id in self._ended:
            return ""
        self._ended.add(display_id)
        rest = self._take(f"{display_id}{_OUTPUTS_SUFFIX}", is_whole=True)
        return "\n".join(filter(None, [rest, str(data.get("text/plain", ""))]))

    def knows_outputs(self, display_id: str) -> bool:
        """Tell whether this is a display of what a task showed that was there before."""
        return display_id in self._texts

    def _outputs_changed(self, display_id: str, text: str) -> str:
        if not text.startswith(self._texts.get(display_id, "")[: self._told.get(display_id, 0)]):
            self._told[display_id] = 0  # it was cleared
        self._texts[display_id] = text
        return self._take(display_id, is_whole=display_id.removesuffix(_OUTPUTS_SUFFIX) in self._ended)

    def _take(self, display_id: str, *, is_whole: bool) -> str:
        """Return the lines that were not told yet, without one that may go on."""
        text, told = self._texts.get(display_id, ""), self._told.get(display_id, 0)
        end = len(text) if is_whole else text.rfind("\n") + 1
        if end <= told:
            return ""
        self._told[display_id] = end
        name = self._names.get(display_id.removesuffix(_OUTPUTS_SUFFIX), "")
        lines = text[told:end].strip("\n").split("\n")
        return "\n".join(f"{name}: {line}" if name else line for line in lines) if any(lines) else ""


def _is_outputs(display_id: str) -> bool:
    return display_id.startswith(_TASK_PREFIX) and display_id.endswith(_OUTPUTS_SUFFIX)
