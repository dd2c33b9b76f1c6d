"""The story of a deployment in the examples comes to its good end, with what it says it shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.patience import PATIENCE_SECONDS

_STORY = Path(__file__).parents[2] / "notebooks" / "deployment_story.py"


def test_the_story_of_a_deployment_ends_well(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, str(_STORY)],
        cwd=tmp_path,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
    )

    assert told.returncode == 0, told.stdout + told.stderr
    moments = ["Created the deployment orders", "is FAILED: ValueError", "returned total=12", "is COMPLETED"]
    places = [told.stdout.find(moment) for moment in moments]
    assert -1 not in places, told.stdout
    assert places == sorted(places)
