"""Cells that show far more than anybody can read (F56): bounded on disk and in memory, and the run goes on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import psutil
from patience import PATIENCE_SECONDS, eventually

from tests.processes import words_of

CELLS = [
    "for _ in range(100):\n    print('x' * 1_000_000)",
    "for number in range(1_000_000):\n    print(number)",
    "from IPython.display import HTML, display\ndisplay(HTML('y' * 30_000_000))",
    "import sys\nfor step in range(100_000):\n    sys.stdout.write(f'\\r{step} ' + '#' * 50)",
    "import pathlib, time\npathlib.Path('on').touch()\nwhile not pathlib.Path('go').exists():\n    time.sleep(0.01)",
]


def peak_mb_of_the_runner(command: psutil.Process) -> int:
    """The most memory that the process had that runs the notebook."""
    peaks = []
    for process in command.children(recursive=True):
        words = " ".join(words_of(process))
        if "runner" in words and "sentinel" not in words and "zygote" not in words and "starts" not in words:
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
            peaks.append(int(re.findall(r"VmHWM:\s*(\d+)", status)[0]) // 1024)
    return max(peaks)


def test_cells_that_show_without_end_are_cut_and_the_run_goes_on(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "code", "id": f"c{n}", "execution_count": None, "metadata": {}, "outputs": [], "source": source}
        for n, source in enumerate(CELLS)
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "flood.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    command = [sys.executable, "-m", "orchestra_nb", "run", "flood.ipynb", "out.ipynb", "--no-progress-bar"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        eventually(lambda: (tmp_path / "on").exists() or None)
        peak = peak_mb_of_the_runner(psutil.Process(process.pid))
        (tmp_path / "go").touch()
        assert process.wait(PATIENCE_SECONDS) == 0

    assert 20 < peak < 200
    prints, lines, rich, bar, _ = [
        cell["outputs"] for cell in json.loads((tmp_path / "out.ipynb").read_bytes())["cells"]
    ]
    texts = ["".join(output["text"]) for output in prints]
    assert sum(map(len, texts)) < 10_500_000
    assert re.fullmatch(r"\n\[9\d\.\d MB of this cell's output were cut here\]\n", texts[1])
    assert texts[0].startswith("xxx")
    assert texts[2].endswith("xxx\n")
    assert "".join(lines[0]["text"]) == "".join(f"{number}\n" for number in range(1_000_000))  # 7 MB: all of it
    assert rich[0]["data"]["text/plain"][-1] == "[left out, as it is too large: text/html of 30.0 MB]"
    assert [output["text"] for output in bar] == [["99999 " + "#" * 50]]
