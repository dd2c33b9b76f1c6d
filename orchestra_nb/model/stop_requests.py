"""What somebody may ask the driver of a run for."""

from __future__ import annotations

from enum import StrEnum


class StopKind(StrEnum):
    """How a run is to stop."""

    #: end as CANCELLED, at once
    CANCEL = "cancel"
    #: leave its process at the next boundary between tasks, for somebody to resume it
    SUSPEND = "suspend"
