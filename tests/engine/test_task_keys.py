"""What names a task: equal in every process for one script or notebook, different for two."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from orchestra_nb.engine.task_keys import main_name

SCRIPT = """
from orchestra_nb import task

@task
def load(): ...

print(load.task_key)
"""


def test_a_task_has_one_key_whether_its_script_is_run_or_imported(tmp_path: Path) -> None:
    (tmp_path / "sales.py").write_text(SCRIPT)

    keys = {
        subprocess.run([sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for arguments in (["sales.py"], ["-m", "sales"], ["-c", "import sales"])
    }

    assert keys == {"sales.load\n"}


CALLER = """
from orchestra_nb import flow, notebook_task, task
from orchestra_nb.model.fingerprints import fingerprint

RATE = 2
told = notebook_task("told.ipynb", cwd="/tmp")

@task
def priced(row):
    return row * RATE

@flow
def report(rows):
    told(rows=[priced(row) for row in rows])

print(fingerprint(lambda rows: report(rows)))
"""


def test_what_a_function_calls_counts_by_its_code_whether_its_script_is_run_or_imported(tmp_path: Path) -> None:
    def prints(source: str) -> set[str]:
        (tmp_path / "sales.py").write_text(source)
        return {
            subprocess.run(
                [sys.executable, "-B", *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
            ).stdout
            for arguments in (["sales.py"], ["-m", "sales"], ["-c", "import sales"])
        }

    changes = [("RATE = 2", "RATE = 3"), ("@task", "@task(retries=1)"), ("/tmp", "/"), ("told.ipynb", "b.ipynb")]
    found = [prints(CALLER), *(prints(CALLER.replace(*change)) for change in changes)]

    assert [len(of_source) for of_source in found] == [1] * 5
    assert len(set.union(*found)) == 5


@pytest.mark.parametrize(
    ("attributes", "environ", "expected"),
    [
        ({}, {}, "__main__"),
        ({}, {"JPY_SESSION_NAME": "/work/sales/report.ipynb"}, "report"),
        ({}, {"ORCHESTRA_RUN_NOTEBOOK": "report", "JPY_SESSION_NAME": "around.ipynb"}, "report"),
        ({"__vsc_ipynb_file__": "/work/report.ipynb"}, {}, "report"),
        ({"__file__": "/work/report.py"}, {"JPY_SESSION_NAME": "around.ipynb"}, "report"),
    ],
    ids=["a shell", "a notebook", "a notebook that is run", "VS Code", "a script"],
)
def test_main_is_named_after_what_runs(attributes: dict[str, str], environ: dict[str, str], expected: str) -> None:
    main = ModuleType("__main__")
    vars(main).update(attributes)

    assert main_name(main, environ) == expected
