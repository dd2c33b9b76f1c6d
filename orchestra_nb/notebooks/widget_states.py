"""The state of the ipywidgets that a notebook left open, as a notebook's metadata keeps it.

Format: https://ipywidgets.readthedocs.io/en/stable/embedding.html and ``@jupyter-widgets/schema``. A widget that the
notebook closed is forgotten, other than in nbclient: nobody can show it any more.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

_MIME_TYPE = "application/vnd.jupyter.widget-state+json"


class WidgetStates:
    """Collects widget states from a kernel's comm messages. Not thread-safe."""

    def __init__(self) -> None:
        self._states: dict[str, dict[str, Any]] = {}
        self._buffers: dict[str, dict[tuple[object, ...], dict[str, Any]]] = {}

    def take(self, message: Mapping[str, Any]) -> None:
        """Take a comm message; those that are no widget's are passed over."""
        content = message["content"]
        comm_id = content["comm_id"]
        if message["msg_type"] == "comm_close":
            self._buffers.pop(comm_id, None)
            self._states.pop(comm_id, None)
            return
        data = content.get("data", {})
        is_open = message["msg_type"] == "comm_open" and content.get("target_name") == "jupyter.widget"
        if "state" not in data or not (is_open or comm_id in self._states):
            return
        self._states.setdefault(comm_id, {}).update(data["state"])
        for path, buffer in zip(data.get("buffer_paths", ()), message.get("buffers", ()), strict=False):
            self._buffers.setdefault(comm_id, {})[tuple(path)] = {
                "data": base64.b64encode(buffer).decode("ascii"),
                "encoding": "base64",
                "path": path,
            }

    def metadata(self) -> dict[str, object] | None:
        """Return what the notebook's ``metadata.widgets`` is to be; None without a widget."""
        states = {
            comm_id: self._describe(comm_id, state) for comm_id, state in self._states.items() if "_model_name" in state
        }
        return {_MIME_TYPE: {"state": states, "version_major": 2, "version_minor": 0}} if states else None

    def _describe(self, comm_id: str, state: Mapping[str, Any]) -> dict[str, object]:
        described: dict[str, object] = {
            "model_name": state.get("_model_name"),
            "model_module": state.get("_model_module"),
            "model_module_version": state.get("_model_module_version"),
            "state": state,
        }
        if comm_id in self._buffers:
            described["buffers"] = list(self._buffers[comm_id].values())
        return described
