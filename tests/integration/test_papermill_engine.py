"""Notebooks as papermill's documentation describes them, run by papermill's own engine, by ours, and by the shell."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from papermill_cases import CASES
from patience import PATIENCE_SECONDS, eventually

from tests.faults.invariants import nothing_is_left

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
ERROR_MARKER = "papermill-error-cell-tag"

#: What papermill's own engine says of a cell, and what we say instead: (case, cell) to (status, exception).
TRUER = {
    ("all", "1/0"): ("skipped", None),  # left out by its tag; papermill: completed
    ("exit-0", "import sys\nsys.exit(0)"): ("completed", False),  # ended well; papermill: failed
    ("exit-0", "print('never')"): ("skipped", None),
}


@dataclass(frozen=True)
class Results:
    """What one engine made of the cases."""

    folder: Path
    said: dict[str, Any]

    def notebook(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / f"{name}.ipynb").read_text(encoding="utf-8"))
        return found


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    """The cases, run by papermill's own engine and, beside it, by ours."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("stock", "orchestra")}
    command = [sys.executable, "-W", "ignore", str(HERE / "papermill_cases.py")]
    started = {
        name: subprocess.Popen([*command, name], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name, folder in folders.items()
    }
    results = {}
    for name, process in started.items():
        printed, errors = process.communicate(timeout=2 * PATIENCE_SECONDS)
        assert process.returncode == 0, errors
        results[name] = Results(folders[name], json.loads(printed))
    return results


@pytest.fixture(params=[name for name in CASES if name != "prepared"])
def case(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def cells(notebook: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for cell in notebook["cells"]:
        yield "".join(cell["source"]), cell


def plain_outputs(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """A cell's outputs without what is another one each time: widgets' ids, temporary files, pieces of one stream."""
    text = re.sub(r'"model_id": "\w+"', '"model_id": ""', json.dumps(cell.get("outputs", [])))
    merged: list[dict[str, Any]] = []
    for output in json.loads(re.sub(r"/tmp/[\w/.-]+|ipykernel_\d+", "", text)):
        if "text" in output:
            output["text"] = "".join(output["text"])
        if merged and "text" in output and merged[-1].get("name") == output["name"]:
            merged[-1]["text"] += output["text"]
        else:
            merged.append(output)
    return merged


def test_what_cells_show_is_what_papermill_shows(engines: dict[str, Results], case: str) -> None:
    stock, ours = (list(cells(engines[name].notebook(case))) for name in ("stock", "orchestra"))

    assert [source for source, _ in ours] == [source for source, _ in stock]
    for (source, cell), (_, peer) in zip(ours, stock, strict=True):
        assert plain_outputs(cell) == plain_outputs(peer), source
        assert cell.get("execution_count") == peer.get("execution_count")
        assert cell["metadata"].get("tags") == peer["metadata"].get("tags")
        assert cell["metadata"].get("jupyter") == peer["metadata"].get("jupyter")


def test_the_metadata_is_papermill_s_but_where_papermill_errs(engines: dict[str, Results], case: str) -> None:
    stock, ours = (engines[name].notebook(case) for name in ("stock", "orchestra"))

    for (source, cell), (_, peer) in zip(cells(ours), cells(stock), strict=True):
        if ERROR_MARKER in peer["metadata"].get("tags", []):
            continue
        record, papermill = cell["metadata"]["papermill"], peer["metadata"]["papermill"]
        status, exception = TRUER.get((case, source), (papermill["status"], papermill["exception"]))
        assert record.keys() == papermill.keys()
        assert record["status"] == status, source
        if cell["cell_type"] == "code" and source:
            assert record["exception"] is exception, source
            assert ("execution" in cell["metadata"]) == ("execution" in peer["metadata"])
    changing = ("start_time", "end_time", "duration", "exception")
    assert {k: v for k, v in ours["metadata"]["papermill"].items() if k not in changing} == {
        k: v for k, v in stock["metadata"]["papermill"].items() if k not in changing
    }
    assert ours["metadata"]["papermill"]["exception"] == (True if case in ("fails", "exit-1") else None)
    assert ours["metadata"].keys() - stock["metadata"].keys() == {"orchestra"}


def test_papermill_raises_the_same(engines: dict[str, Results]) -> None:
    assert engines["orchestra"].said["raised"] == engines["stock"].said["raised"]
    assert engines["orchestra"].said["raised"]["fails"] == "PapermillExecutionError: ZeroDivisionError"


@pytest.mark.parametrize("name", ["stdout", "stderr", "inspected"])
def test_what_is_told_beside_the_notebook_is_the_same(engines: dict[str, Results], name: str) -> None:
    assert engines["orchestra"].said[name] == engines["stock"].said[name]
    assert engines["orchestra"].said[name]


def test_the_log_has_what_papermill_s_has_for_the_cells_that_run(engines: dict[str, Results]) -> None:
    def of_cells_that_run(name: str) -> str:
        lines: list[str] = engines[name].said["log"].splitlines()
        not_run = re.compile(r"(Executing|Ending) Cell (1|12|13)-+")  # text, empty, left out
        # a kernel may send what a cell prints in any number of pieces, and each piece is logged as a line
        return re.sub(r"\s", "", "".join(line for line in lines if not not_run.fullmatch(line)))

    assert of_cells_that_run("orchestra") == of_cells_that_run("stock")


def test_widgets_keep_their_state(engines: dict[str, Results]) -> None:
    def values(name: str) -> list[object]:
        widgets = engines[name].notebook("all")["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]
        return [model["state"]["value"] for model in widgets["state"].values() if "value" in model["state"]]

    assert values("orchestra") == values("stock") == [4]


@pytest.mark.parametrize(
    ("case", "words"),
    [
        pytest.param("all", ["--report-mode"], id="all"),
        pytest.param("bash", ["--no-strict"], id="bash"),
    ],
)
def test_the_shell_s_run_shows_the_same(engines: dict[str, Results], case: str, words: list[str]) -> None:
    stock = engines["stock"]
    words = [*words, "-y", json.dumps(CASES[case][1]["parameters"])]
    command = [sys.executable, "-m", "orchestra_nb", "run", f"{case}.in.ipynb", f"{case}.shell.ipynb", *words]
    subprocess.run(command, cwd=stock.folder, check=True, capture_output=True, timeout=PATIENCE_SECONDS)

    ours, papermill = list(cells(stock.notebook(f"{case}.shell"))), list(cells(stock.notebook(case)))
    assert [source for source, _ in ours] == [source for source, _ in papermill]
    for (source, cell), (_, peer) in zip(ours, papermill, strict=True):
        assert plain_outputs(cell) == plain_outputs(peer), source
        assert cell["metadata"].get("jupyter") == peer["metadata"].get("jupyter")


def test_a_notebook_comes_from_stdin_and_goes_to_stdout(tmp_path: Path) -> None:
    source = json.dumps(CASES["no-parameters"][0])
    command = [sys.executable, "-m", "orchestra_nb", "run", "-", "--prepare-only", "-p", "alpha", "5", "--inject-paths"]

    done = subprocess.run(command, cwd=tmp_path, input=source, capture_output=True, text=True, timeout=PATIENCE_SECONDS)

    assert done.returncode == 0, done.stderr
    injected = json.loads(done.stdout)["cells"][1]["source"]
    assert injected == [
        "# Parameters\n",
        'PAPERMILL_INPUT_PATH = "-"\n',
        "PAPERMILL_OUTPUT_PATH = None\n",
        "alpha = 5\n",
    ]
    assert list(tmp_path.iterdir()) == []


# -- where papermill's own engine errs: see the truth that ours tells


def run_script(folder: Path, script: str) -> dict[str, Any]:
    """Run a script that has papermill's ``execute_notebook`` as ``execute``, and return what it has put in ``said``."""
    head = (
        "import json, sys, papermill\nfrom papermill_cases import *\nregister_engine()\nsaid = {}\n"
        "def execute(name, *cells, **options):\n"
        "    Path(name).write_text(json.dumps(notebook(*map(code, cells))))\n"
        "    options = {'engine_name': 'orchestra', 'progress_bar': False} | options\n"
        "    try:\n"
        "        papermill.execute_notebook(name, options.pop('output', f'out-{name}'), **options)\n"
        "    except BaseException as error:\n"
        "        return f'{type(error).__name__}: {error}'\n"
    )
    environ = {**os.environ, "PYTHONPATH": f"{HERE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{head}{script}\nprint(json.dumps(said))"],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environ,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def statuses(path: Path) -> tuple[list[str], object]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    found = [cell["metadata"]["papermill"]["status"] for cell in notebook["cells"]]
    return found, notebook["metadata"]["papermill"]["exception"]


def test_a_file_says_the_truth_whatever_the_end_was_and_no_row_is_stored(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    said = run_script(
        tmp_path,
        f"import os\nos.environ['ORCHESTRA_STORE_URL'] = 'sqlite:///{store}'\n"
        f"os.environ['JUPYTER_RUNTIME_DIR'] = '{tmp_path}/not there yet'\n"
        "said['dead'] = execute('dead.ipynb', 'print(1)', 'import os; os._exit(3)', '2')\n"
        "said['late'] = execute('late.ipynb', '1', 'import time; time.sleep(600)', '2', execution_timeout=1)\n"
        "said['unknown'] = execute('unknown.ipynb', '1', kernel_name='no such kernel')\n",
    )

    assert said["dead"] == "DeadKernelError: The kernel exited with 3 in cell 2 of dead."
    assert statuses(tmp_path / "out-dead.ipynb") == (["completed", "failed", "pending"], True)
    assert said["late"].startswith(
        "CellTimeoutError: TimeoutError: it ran longer than 1 s: it was interrupted (cell 2)"
    )
    assert statuses(tmp_path / "out-late.ipynb") == (["completed", "failed", "pending"], True)
    assert said["unknown"].startswith("NoSuchKernel")
    assert statuses(tmp_path / "out-unknown.ipynb") == (["pending"], True)
    assert not store.exists()


def test_output_goes_where_papermill_writes_it(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    said = run_script(
        tmp_path,
        "from papermill.iorw import papermill_io\n"
        "class Memory:\n"
        "    written = []\n"
        "    def write(self, text, path): self.written.append((path, json.loads(text)))\n"
        "    def pretty_path(self, path): return path\n"
        "papermill_io.register('mem://', Memory())\n"
        "execute('far.ipynb', '1', output='mem://far.ipynb')\n"
        "said['far'] = [(path, [cell['metadata']['papermill']['status'] for cell in nb['cells']]) for path, nb in Memory.written]\n"
        "said['here'] = execute('here.ipynb', 'import os; print(os.getcwd())', cwd='deep', made_up=1)\n"
        "said['nowhere'] = execute('nowhere.ipynb', '1', output=None)\n"
        "said['no folder'] = execute('folder.ipynb', '1', output='missing/out.ipynb')\n",
    )

    assert said["far"][-1] == ["mem://far.ipynb", ["completed"]]
    assert len(said["far"]) >= 2  # once while it ran, once by papermill at the end
    assert said["here"] is None
    assert json.loads((tmp_path / "out-here.ipynb").read_text())["cells"][0]["outputs"][0]["text"] == [
        f"{tmp_path}/deep\n"
    ]
    assert said["nowhere"] is None
    assert said["no folder"].startswith("FileNotFoundError: output folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "deep", "far.ipynb", "folder.ipynb", "here.ipynb", "nowhere.ipynb", "out-here.ipynb",
    ]  # fmt: skip


def test_ctrl_c_ends_the_cell_and_leaves_no_process(tmp_path: Path) -> None:
    cell = (
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "pathlib.Path('pid.new').write_text(str(child.pid))\npathlib.Path('pid.new').rename('pid')\ntime.sleep(600)"
    )
    (tmp_path / "in.ipynb").write_text(json.dumps(notebook_of("1", cell, "2")))
    script = (
        "import papermill\nfrom papermill_cases import register_engine\nregister_engine()\n"
        "papermill.execute_notebook('in.ipynb', 'out.ipynb', engine_name='orchestra', progress_bar=False)"
    )
    environ = {**os.environ, "PYTHONPATH": f"{HERE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-W", "ignore", "-c", script]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, env=environ) as process:
        assert process.stderr is not None
        eventually(lambda: (tmp_path / "pid").exists() or None)
        started = psutil.Process(process.pid).children(recursive=True)

        process.send_signal(signal.SIGINT)
        errors = process.stderr.read()

    assert process.returncode == -signal.SIGINT
    assert b"KeyboardInterrupt" in errors
    assert statuses(tmp_path / "out.ipynb") == (["completed", "failed", "pending"], True)
    nothing_is_left([*(each.pid for each in started), int((tmp_path / "pid").read_text())])


def notebook_of(*sources: str) -> dict[str, Any]:
    from papermill_cases import code, notebook

    return notebook(*map(code, sources))


def test_the_engine_is_registered_and_loading_it_loads_nothing_else() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, name = project["entry-points"]["papermill.engine"]["orchestra"].partition(":")
    code = (
        f"import sys\nbefore = set(sys.modules)\nfrom {module} import {name} as engine\n"
        "print([hasattr(engine, word) for word in ('execute_notebook', 'nb_kernel_name', 'nb_language')])\n"
        "print(sorted({module.partition('.')[0] for module in set(sys.modules) - before} - sys.stdlib_module_names))"
    )

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout.splitlines() == ["[True, True, True]", "['orchestra_nb']"]
