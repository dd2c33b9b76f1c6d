"""Runs one notebook and prints what that took: ``notebook_probe.py run|engine|papermill NOTEBOOK [--watched]``."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import psutil


def main(engine: str, path: str, *, is_watched: bool) -> dict[str, float]:
    """Return milliseconds of the call and of its cells, bytes written in sizes of the file, and the peak memory (MB).

    Written is what the process and its children wrote to files: a child's are added to its parent's when it ends. The
    memory is that of the process that holds the outputs: the runner's, or papermill's own; a runner's is looked at only
    where it is to be watched, because that takes a tenth of a core.
    """
    output = f"out-{engine}-{path}"
    run = _prepare(engine, path, output)
    peaks: dict[int, int] = {}
    done = threading.Event()
    watch = threading.Thread(target=_watch_runners, args=(peaks, done))
    if is_watched:
        watch.start()
    written, began = _written(), time.perf_counter()
    try:
        run()
        call_ms = (time.perf_counter() - began) * 1000
    finally:
        done.set()
        if is_watched:
            watch.join()
    file = Path(output)
    cells = [cell["metadata"]["papermill"] for cell in json.loads(file.read_bytes())["cells"]]
    first, last = (datetime.fromisoformat(at) for at in (cells[0]["start_time"], cells[-1]["end_time"]))
    return {
        "call_ms": call_ms,
        "cells_ms": (last - first).total_seconds() * 1000,
        "written": (_written() - written) / file.stat().st_size,
        "peak": max(peaks.values(), default=_peak_mb(os.getpid())),
    }


def _prepare(engine: str, path: str, output: str):  # type: ignore[no-untyped-def]
    if engine == "run":
        from orchestra_nb.operations.notebook_request import NotebookRequest
        from orchestra_nb.operations.run_notebook import NotebookDriver, new_run_id

        request = NotebookRequest(path=path, run_id=new_run_id(), output_path=output)
        return lambda: NotebookDriver(request, kind="shell").execute()
    import papermill
    from papermill.engines import papermill_engines

    from orchestra_nb.papermill_engine import OrchestraEngine

    papermill_engines.register("orchestra", OrchestraEngine)
    name = "orchestra" if engine == "engine" else None
    return lambda: papermill.execute_notebook(path, output, engine_name=name, progress_bar=False)


def _written() -> int:
    return int(re.findall(r"wchar: (\d+)", Path("/proc/self/io").read_text())[0])


def _watch_runners(peaks: dict[int, int], done: threading.Event) -> None:
    while not done.wait(0.05):
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error, OSError, IndexError):
                words = " ".join(process.cmdline())
                if "sentinel" not in words and re.search(
                    "a notebook's runner|-m orchestra_nb.notebooks.notebook_runner", words
                ):
                    peaks[process.pid] = _peak_mb(process.pid)


def _peak_mb(pid: int) -> int:
    return int(re.findall(r"VmHWM:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) // 1024


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], is_watched="--watched" in sys.argv)))
