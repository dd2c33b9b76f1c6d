"""How long a test waits for what must come: enough for a machine several times slower, since waiting costs nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 120.0


def eventually(look: Callable[[], T | None]) -> T:
    """Return what ``look`` finds, when it finds something: neither None nor False."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := look()) is None or found is False:
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found
