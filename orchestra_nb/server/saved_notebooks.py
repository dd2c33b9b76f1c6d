"""What a notebook leaves out when a front end saves it: the places under task cells in which nothing was shown.

Below the line of a task the kernel keeps a display for what the task may show, since a display that comes after its
cell has returned would not reach every front end. Jupyter has no message that takes one away again, so a task that
shows nothing would leave an output without content: an empty paragraph in everything that is made of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestra_nb.run_display import RUN_MIME


def leave_out_empty_places(*, model: dict[str, Any], **_others: object) -> None:
    """Take the empty places out of a notebook that is about to be saved: a pre-save hook of a contents manager."""
    content = model.get("content")
    if model.get("type") != "notebook" or not isinstance(content, Mapping):
        return
    for cell in content.get("cells", ()):
        outputs = cell.get("outputs", ())
        if any(map(_is_task_line, outputs)):
            cell["outputs"] = [output for output in outputs if not _is_empty_place(output)]


def _is_task_line(output: Mapping[str, Any]) -> bool:
    view = output.get("data", {}).get(RUN_MIME)
    return isinstance(view, Mapping) and view.get("view") == "task"


def _is_empty_place(output: Mapping[str, Any]) -> bool:
    return output.get("output_type") == "display_data" and not output.get("data")
