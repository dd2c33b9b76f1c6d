"""A flow whose module takes until it is told to go on, wherever it is imported: code of users takes its time."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.patience import PATIENCE_SECONDS

_CODE = """
import time
from pathlib import Path

from orchestra_nb import flow

here = Path(__file__).parent
(here / "begun").touch()
while (here / "wait").exists():
    time.sleep(0.01)


@flow
def load(day: int = 1) -> None: ...
"""


class SlowFlow:
    """``slow.py:load`` in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "slow.py").write_text(_CODE)

    def stop(self) -> None:
        """Have the next import wait."""
        (self._folder / "begun").unlink(missing_ok=True)
        (self._folder / "wait").touch()

    def go_on(self) -> None:
        """Let all imports go on."""
        (self._folder / "wait").unlink(missing_ok=True)

    async def wait_until_begun(self) -> None:
        """Return when it is being imported."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (self._folder / "begun").exists():
                await asyncio.sleep(0.01)
