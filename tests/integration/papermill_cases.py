"""Notebooks as papermill's documentation describes them, run by papermill with one engine: ``papermill_cases.py ENGINE``.

For each case the executed notebook is written to the working folder, and what ``execute_notebook`` raised is printed.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def code(source: str, *tags: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": 7,
        "id": f"c{abs(hash(source)) % 10**8}",
        "metadata": {"tags": list(tags)} if tags else {},
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "of an earlier run"}],
        "source": source,
    }


def text(source: str, *tags: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": "text", "metadata": {"tags": list(tags)}, "source": source}


def notebook(*cells: dict[str, Any], kernel: str = "python3", language: str = "python") -> dict[str, Any]:
    kernelspec = {"display_name": kernel, "language": language, "name": kernel}
    return {"cells": list(cells), "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5}


#: Name of the case to its notebook and to what ``execute_notebook`` is called with.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "all": (
        notebook(
            text("An Exception was encountered at In [3]", "papermill-error-cell-tag"),
            text("# A report"),
            code("alpha = 1  # the first\nbeta = 'b'", "parameters"),
            code("print(alpha, beta)\nimport sys\nprint('to stderr', file=sys.stderr)"),
            code("from IPython.display import clear_output, display, HTML\nhandle = display('first', display_id='x')"),
            code("handle.update('second')\nprint('kept')"),
            code("for n in range(3):\n    clear_output(wait=True)\n    print(n)"),
            code("print('gone')\nclear_output()\ndisplay(HTML('<b>rich</b>'))"),
            code("%run -i part.py"),
            code("import ipywidgets\nslider = ipywidgets.IntSlider(value=3)\nslider"),
            code("slider.value = 4\n[1, 2]"),
            code(""),
            code("1/0", "skip-execution"),
            code("# papermill_description=the_last\nalpha * 2"),
        ),
        {"parameters": {"alpha": 21, "beta": "ä\"'\n"}, "report_mode": True},
    ),
    "no-parameters": (notebook(code("alpha = 1", "parameters"), code("alpha")), {}),
    "prepared": (
        notebook(code("alpha = 1", "parameters"), code("1/0")),
        {"parameters": {"alpha": 2}, "prepare_only": True},
    ),
    "fails": (notebook(text("# first"), code("print('before')"), code("1/0"), code("print('never')")), {}),
    "may-fail": (notebook(code("1/0", "raises-exception"), code("print('goes on')")), {}),
    "exit-0": (notebook(code("import sys\nsys.exit(0)"), code("print('never')")), {}),
    "exit-1": (notebook(code("import sys\nsys.exit(1)"), code("print('never')")), {}),
    "bash": (
        notebook(code("a=1", "parameters"), code("echo $a $b"), kernel="bash", language="bash"),
        {"parameters": {"a": 5, "b": "x y"}},
    ),
}


def run(name: str, engine: str | None, **more: Any) -> str:
    """Run one case in the working folder; return what it raised."""
    import papermill

    content, options = CASES[name]
    Path(f"{name}.in.ipynb").write_text(json.dumps(content), encoding="utf-8")
    try:
        papermill.execute_notebook(
            f"{name}.in.ipynb", f"{name}.ipynb", engine_name=engine, progress_bar=False, **options, **more
        )
    except Exception as error:
        return f"{type(error).__name__}: {getattr(error, 'ename', error)}"
    return ""


def register_engine() -> None:
    """Register our engine also where this project was installed before it had one."""
    from papermill.engines import papermill_engines

    from orchestra_nb.papermill_engine import OrchestraEngine

    papermill_engines.register("orchestra", OrchestraEngine)


def main(engine: str) -> Mapping[str, object]:
    register_engine()
    logged = io.StringIO()
    stdout_file, stderr_file = io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(logged)
    logger = logging.getLogger("papermill")
    logger.setLevel("INFO")
    logger.addHandler(handler)
    Path("part.py").write_text("print('part', alpha)\ndisplay('from a file')\n", encoding="utf-8")
    more = {"all": {"log_output": True, "stdout_file": stdout_file, "stderr_file": stderr_file}}
    raised = {name: run(name, None if engine == "stock" else engine, **more.get(name, {})) for name in CASES}
    import papermill

    inspected = json.dumps(papermill.inspect_notebook("all.ipynb"), sort_keys=True)
    files = {"inspected": inspected, "stdout": stdout_file.getvalue(), "stderr": stderr_file.getvalue()}
    return {"raised": raised, "log": logged.getvalue(), **files}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
