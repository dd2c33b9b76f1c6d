"""The values that a notebook returns by name: their records, and the form in which they stand in a notebook's outputs.

A value is recorded by showing it: a display with our MIME type, beside text and HTML for people. So the executed
notebook holds what the run returned, and a runner finds it in what the kernel shows, whatever the kernel's language.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from orchestra_nb.model.result_reference import ResultReference

#: A recorded value in a cell's outputs.
VALUE_MIME: Final = "application/vnd.orchestra.value.v1+json"


class RecordedValue(msgspec.Struct, frozen=True, kw_only=True):
    """One value that a run returned. Recorded again under the same name, the later one counts.

    Parameters
    ----------
    run_id
        Empty for a value that was read from a file which no run is known of.
    type
        The name of its class (``"DataFrame"``).
    serializer
        What can read it: ``"json"``, ``"json+floats"`` (JSON with non-finite floats tagged), ``"arrow"``, ``"pickle"``.
    data
        A small value itself: its JSON text, or base64 of what another serializer made. None where it stands elsewhere.
    reference
        Where a large one is stored; None for one that is small.
    summary
        The value in one line, for people.
    readable_json
        What people and scripts read in place of a value that is no JSON, such as the fields of a dataclass; None where
        there is nothing better than the summary.
    cell_index
        The code cell of the user's own file that recorded it, from 0; None where nobody knows.
    unreadable
        Why the value itself cannot be read; empty where it can.
    """

    run_id: str
    name: str
    type: str
    recorded_at: datetime
    serializer: str = "json"
    data: str | None = None
    reference: ResultReference | None = None
    size_bytes: int = 0
    summary: str = ""
    readable_json: str | None = None
    cell_index: int | None = None
    unreadable: str = ""

    @property
    def readable(self) -> object:
        """The value as JSON has it, or what stands for it; non-finite floats are tagged."""
        if self.serializer.startswith("json") and self.data is not None:
            return json.loads(self.data)
        return self.summary if self.readable_json is None else json.loads(self.readable_json)


def to_output(value: RecordedValue) -> dict[str, object]:
    """Return what stands in a notebook under :data:`VALUE_MIME`."""
    output: dict[str, object] = {
        "version": 1,
        "name": value.name,
        "type": value.type,
        "recorded_at": value.recorded_at.isoformat(),
        "serializer": value.serializer,
        "size_bytes": value.size_bytes,
        "summary": value.summary,
    }
    if value.data is not None and value.serializer.startswith("json"):
        output["value"] = json.loads(value.data)
    elif value.data is not None:
        output["data"] = value.data
    if value.reference is not None:
        output["reference"] = msgspec.to_builtins(value.reference)
    if value.readable_json is not None:
        output["readable"] = json.loads(value.readable_json)
    if value.unreadable:
        output["unreadable"] = value.unreadable
    return output


def from_output(output: object, *, run_id: str = "", cell_index: int | None = None) -> RecordedValue | None:
    """Undo :func:`to_output`; None for what is none of ours, or was damaged."""
    if not isinstance(output, Mapping):
        return None
    try:
        readable = output.get("readable")
        reference = output.get("reference")
        return RecordedValue(
            run_id=run_id,
            name=str(output["name"]),
            type=str(output["type"]),
            recorded_at=datetime.fromisoformat(str(output["recorded_at"])),
            serializer=str(output["serializer"]),
            data=_inline(output),
            reference=None if reference is None else msgspec.convert(reference, ResultReference),
            size_bytes=int(output.get("size_bytes", 0)),
            summary=str(output.get("summary", "")),
            readable_json=None if readable is None else json.dumps(readable, ensure_ascii=False),
            cell_index=cell_index,
            unreadable=str(output.get("unreadable", "")),
        )
    except (KeyError, TypeError, ValueError, msgspec.ValidationError):
        return None


def _inline(output: Mapping[str, Any]) -> str | None:
    if "value" in output:
        return json.dumps(output["value"], ensure_ascii=False)
    return None if "data" not in output else str(output["data"])
