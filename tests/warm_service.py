"""A service that keeps ``orchestra run`` warm for the tests of a module: each run then costs a quarter of its time.

Users have the same where ``orchestra serve`` is up, and see no difference. What concerns the process of the command
itself, such as signals and deaths, is tested without a service.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS

import orchestra_nb

#: The command, with nothing of the working folder in its path: a service runs those that are started as it was.
ORCHESTRA = (sys.executable, "-P", "-m", "orchestra_nb")


def environment_with(folder: Path) -> dict[str, str]:
    """Return the variables of commands that a warm service runs, which keep their data below this folder."""
    root = Path(orchestra_nb.__file__).parents[1]
    return {**os.environ, "PYTHONPATH": str(root), "JUPYTER_DATA_DIR": str(folder / "data")}


@pytest.fixture(scope="module")
def warm_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have a service run what tests of this module start with :data:`ORCHESTRA`."""
    from tests.services.deployed import wait_until_ready

    folder = tmp_path_factory.mktemp("warm")
    service = subprocess.Popen(
        [*ORCHESTRA, "serve", "--no-server"],
        cwd=folder,
        env=environment_with(folder),
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until_ready(service)
    yield
    service.terminate()
    service.communicate(timeout=PATIENCE_SECONDS)
