"""``orchestra adopt``: the copy with task cells gives what the notebook gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from patience import PATIENCE_SECONDS

from tests.integration.test_run_notebooks import run
from tests.notebooks.varied_notebooks import notebook_of

CELLS = [
    ("code", "import math"),
    ("code", "days = 30  # How many\nfactor = 2"),
    ("md", "## Load"),
    ("code", "def price(day):\n    return factor * day % 7"),
    ("code", "prices = {day: price(day) for day in range(days)}\nlen(prices)"),
    ("md", "## Rome"),
    ("code", "!echo the shell says {days}"),
    (
        "code",
        "!echo Rome of {days} days\nrome = sorted(prices.values())\nrome_sum = sum(math.sqrt(value) for value in rome)",
    ),
    ("md", "## Oslo"),
    ("code", "prices[0] = sum(prices.values())\noslo = [prices[day] for day in range(3)]\noslo"),
    ("md", "## Tell"),
    ("code", "print(round(rome_sum, 3), oslo, prices[0])"),
]


def _orchestra(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "JUPYTER_DATA_DIR": str(folder / "data")}
    command = [sys.executable, "-m", "orchestra_nb", *words]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=PATIENCE_SECONDS)


def _shown(notebook: dict[str, Any]) -> list[str]:
    """What cells printed, and the values of their last lines."""
    found: list[str] = []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "text" in output:
                found.append("".join(output["text"]).strip())
            elif "text/plain" in data and not any("orchestra" in mime for mime in data):
                found.append("".join(data["text/plain"]))
    return [text for text in found if text]


def test_the_copy_gives_what_the_notebook_gives(tmp_path: Path) -> None:
    source = tmp_path / "shop.ipynb"
    source.write_text(json.dumps(notebook_of(CELLS)))
    before = source.read_bytes()

    proposed = _orchestra(tmp_path, "adopt", "shop.ipynb", "--dry-run")
    assert proposed.returncode == 0, proposed.stderr
    assert not (tmp_path / "shop-tasks.ipynb").exists()
    assert "cell 2 becomes the parameters cell: it only assigns constants (days, factor)" in proposed.stdout
    assert "  +%%task rome" in proposed.stdout
    adopted = _orchestra(tmp_path, "adopt", "shop.ipynb", "--json")
    again = _orchestra(tmp_path, "adopt", "shop.ipynb")

    assert adopted.returncode == 0, adopted.stderr
    document = json.loads(adopted.stdout)
    assert document["tasks"] == ["load", "rome", "oslo"]
    assert [cell["cell"] for cell in document["cells"] if cell["is_changed"]] == [1, 2, 4, 6, 7]
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    assert source.read_bytes() == before
    plain = run(tmp_path, source)
    with_tasks = run(tmp_path, tmp_path / "shop-tasks.ipynb", "-p", "days", "30")
    assert with_tasks.document["state"] == "COMPLETED", with_tasks.document["message"]
    assert [task["state"] for task in with_tasks.document["tasks"]] == ["COMPLETED"] * 3
    assert (
        _shown(with_tasks.notebook)
        == _shown(plain.notebook)
        == [
            "30",
            "the shell says 30",
            "Rome of 30 days",
            "[86, 2, 4]",
            "44.742 [86, 2, 4] 86",
        ]
    )
    later = json.loads(_orchestra(tmp_path, "adopt", "shop.ipynb", "--dry-run", "--json").stdout)
    assert later["times_from_run"] is not None
    assert set(later["tasks"]) <= {"rome"}  # a shell takes its time
