"""Runs notebooks' cells as a notebook does, each in a process of its own, and scripts one after the other in this one.

The command line names a JSON file: a list of ``{"folder", "cells"}`` and ``{"folder", "script"}``. What each prints goes to
``printed.txt`` in its folder, what goes wrong to ``errors.txt``. Processes are forked, so that imports are paid once, and scripts share one driver.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

import orchestra_nb.engine.flows
import orchestra_nb.engine.tasks  # noqa: F401  paid once


def run_cells(cells: list[tuple[str, bool]]) -> None:
    """Run cells, given as (source, whether it may fail), in a shell without a kernel."""
    shell = InteractiveShell.instance()
    shell.displayhook.write_output_prompt = lambda: None
    shell.enable_gui = lambda gui=None: None
    shell.system = shell.system_raw
    shell.showtraceback = lambda *args, **kwargs: None
    for source, may_fail in cells:
        result = shell.run_cell(source, store_history=True)
        if not result.success and not may_fail:
            raise AssertionError(f"failed: {source}\n{result.error_in_exec or result.error_before_exec!r}")
        sys.stdout.flush()


def run_script(path: str, words: list[str]) -> None:
    """Run a script as ``python SCRIPT WORDS``."""
    sys.argv = [path, *words]
    sys.path[0] = str(Path(path).parent)
    runpy.run_path(path, run_name="__main__")


def run_one(work: dict[str, Any]) -> None:
    """Run one of the file's entries: cells in a child, a script here, with the process as it was before."""
    if "cells" in work:
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        else:
            os._exit(perform(work))
        return
    path, environ, outputs = [*sys.path], dict(os.environ), [os.dup(number) for number in (1, 2)]
    perform(work)
    for number, output in enumerate(outputs, 1):
        os.dup2(output, number)
        os.close(output)
    sys.path[:] = path
    os.environ.clear()
    os.environ.update(environ)


def perform(work: dict[str, Any]) -> int:
    """Run an entry in its folder, with its own output; return the exit code."""
    code = 1
    try:
        os.chdir(work["folder"])
        for number, name in ((1, "printed.txt"), (2, "errors.txt")):
            opened = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(opened, number)
            os.close(opened)
        if "cells" in work:
            run_cells(work["cells"])
        else:
            run_script(work["script"], work.get("words", []))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        Path(work["folder"], "exit_code.txt").write_text(str(code))
    return code


entries = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
for entry in sorted(entries, key=lambda entry: "script" in entry):  # no fork after the first flow has started threads
    run_one(entry)
