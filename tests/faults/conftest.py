"""One driver with its store for each module of faults; its tasks run on the session's local cluster of two workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.conftest import FlowWorld, open_world
from tests.faults.flow_script import TIMERS


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowWorld]:
    """This process as a driver of flows."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in TIMERS.items():
            patch.setenv(name, value)
        yield from open_world(tmp_path_factory.mktemp("faults"), "dask", patch)
