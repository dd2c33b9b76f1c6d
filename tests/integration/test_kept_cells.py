"""``orchestra run --cache``, ``plan``, ``runs retry`` of notebooks, options of cells, and ``%flow run --stale``."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from command_here import run_here
from notebook_kernel import NotebookKernel
from patience import PATIENCE_SECONDS
from warm_service import ORCHESTRA, environment_with

from orchestra_nb.notebooks.kernel_client import KernelClient
from orchestra_nb.notebooks.kernel_process import KernelProcess

pytestmark = pytest.mark.usefixtures("warm_service")


#: Prints what the badges of a notebook's cells ask for.
STALE = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from orchestra_nb.operations.notebook_cells import notebook_cells
from orchestra_nb.operations.opening import open_store
from orchestra_nb.settings import load_settings
settings = load_settings()
found = notebook_cells(open_store(settings), Path(sys.argv[1]), settings, datetime.now(UTC))
print(json.dumps({cell.cell_id: cell.stale for cell in found.cells if cell.stale}))
"""


@dataclass(frozen=True)
class Shell:
    """A user's shell in a folder, with a store of its own."""

    folder: Path

    def write(self, name: str, *cells: str, kernel: str = "python3") -> None:
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source, id=f"cell-{number}") for number, source in enumerate(cells)]
        )
        if cells[0].startswith("# parameters"):
            notebook.cells[0].metadata["tags"] = ["parameters"]
        language = kernel if kernel == "bash" else "python"
        notebook.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": language}
        nbformat.write(notebook, self.folder / name)

    def run(self, *words: str, piped: str | None = None) -> subprocess.CompletedProcess[str]:
        environ = environment_with(self.folder)
        if words[0] == "plan" or words[:2] in {("runs", "logs"), ("runs", "ls"), ("runs", "show")}:
            return run_here(*words, folder=self.folder, environ=environ)
        return subprocess.run(
            [*ORCHESTRA, *words],
            cwd=self.folder,
            input=piped,
            capture_output=True,
            text=True,
            env=environ,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def json(self, *words: str) -> dict[str, Any]:
        done = self.run(*words, "--json")
        assert done.stdout, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def stale(self, name: str) -> dict[str, str]:
        """Return cell id to why its badge calls it stale."""
        done = subprocess.run(
            [sys.executable, "-c", STALE, str(self.folder / name)],
            capture_output=True,
            text=True,
            env=environment_with(self.folder),
            timeout=PATIENCE_SECONDS,
            check=True,
        )
        found: dict[str, str] = json.loads(done.stdout)
        return found

    def outputs(self, name: str) -> list[str]:
        notebook = json.loads((self.folder / name).read_text())
        return ["".join("".join(o.get("text", "")) for o in cell["outputs"]) for cell in notebook["cells"]]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def cached(document: Mapping[str, Any]) -> list[bool]:
    return [cell["is_cached"] for cell in document["cells"]]


def test_a_run_with_a_secret_keeps_nothing_and_the_plan_says_so(shell: Shell) -> None:
    shell.write("a.ipynb", "# parameters\ntoken: str = ''", "made = list(range(3))", "size = len(token)\nprint(size)")
    assert shell.run("secrets", "set", "api", piped="hunter22").returncode == 0
    secret = ("--secret", "token", "api")
    shell.json("run", "a.ipynb", "out.ipynb", "--cache", *secret)

    plan = shell.json("plan", "a.ipynb", *secret)
    again = shell.json("run", "a.ipynb", "out.ipynb", "--cache", *secret)

    assert {(cell["action"], cell["why"]) for cell in plan["cells"]} == {
        ("run", "a run with secret parameters keeps nothing")
    }
    assert cached(again) == [False] * 4


def test_the_plan_of_a_notebook_in_another_language_says_that_all_cells_run(shell: Shell) -> None:
    shell.write("a.ipynb", "echo 1", "echo 2", kernel="bash")

    plan = shell.json("plan", "a.ipynb")

    why = "cells are kept in Python only, and the kernel bash runs bash"
    assert [(cell["action"], cell["why"]) for cell in plan["cells"]] == [("run", why)] * 2


def test_the_plan_tells_a_run_without_the_cache_from_another_source(shell: Shell) -> None:
    (shell.folder / "sub").mkdir()
    shell.write("a.ipynb", "x = 1")
    path = str(shell.folder / "sub" / ".." / "a.ipynb")
    ran = shell.json("run", path, str(shell.folder / "sub" / ".." / "out.ipynb"))

    plan = shell.json("plan", "a.ipynb")
    (run,) = shell.json("runs", "ls")["runs"]

    assert plan["cells"][0]["why"] == "new: it has not run with --cache yet"
    assert plan["cells"][0]["seconds"] is not None
    assert run["notebook_path"] == str(shell.folder / "a.ipynb")
    assert ran["output"] == run["output_path"] == str(shell.folder / "out.ipynb")


def test_a_second_run_replays_what_an_edit_does_not_touch_and_the_plan_says_so_before(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGE", "test")
    use = "import os\nstage = os.environ['STAGE']\ny = sum(x)"
    cells = ["# parameters\nn = 2", "x = list(range(n))\nprint('made', x)", use, "print(y)"]
    shell.write("a.ipynb", *cells)
    new = shell.json("plan", "a.ipynb")
    first = shell.json("run", "a.ipynb", "out.ipynb", "--cache")
    shell.write("a.ipynb", *cells[:3], "print(y + 1)")

    plan = shell.json("plan", "a.ipynb")
    second = shell.json("run", "a.ipynb", "out.ipynb", "--cache")
    shown = shell.run("runs", "show", second["run_id"]).stdout
    other = shell.json("plan", "a.ipynb", "-p", "n", "3")
    monkeypatch.setenv("STAGE", "live")
    live = shell.json("plan", "a.ipynb")

    assert [(cell["action"], cell["why"][:3]) for cell in new["cells"]] == [("run", "new")] * 4
    assert (first["state"], second["state"]) == ("COMPLETED", "COMPLETED")
    assert (cached(first), cached(second)) == ([False] * 4, [True, True, True, False])
    assert [cell["action"] for cell in plan["cells"]] == ["replay", "replay", "replay", "run"]
    assert plan["cells"][3]["why"] == "changed: its source is another one"
    assert shown.count("✓ Cached") == 3
    assert shell.outputs("out.ipynb")[1:] == ["made [0, 1]\n", "", "2\n"]
    executed = json.loads((shell.folder / "out.ipynb").read_text())
    assert [cell["metadata"].get("orchestra", {}).get("cached", False) for cell in executed["cells"]] == cached(second)
    assert [cell["execution_count"] for cell in executed["cells"]] == [1, 2, 3, 4]
    assert [cell["action"] for cell in live["cells"][:3]] == ["replay", "replay", "run"]
    assert live["cells"][2]["why"] == "the environment is not as before"
    assert [cell["number"] for cell in other["cells"]] == [1, 0, 2, 3, 4]  # the file lacks the second
    whys = [cell["why"] for cell in other["cells"]]
    assert whys[1] == "parameters changed"
    assert whys[2].startswith("parameters changed: `n`")
    assert whys[3].startswith("upstream changed (cell 2): `x`")


def test_a_retry_goes_on_at_the_cell_that_failed_in_the_same_run(shell: Shell) -> None:
    flag = shell.folder / "flag"
    shell.write(
        "a.ipynb",
        "# parameters\nword = 'default'",
        "import os\nprint('heavy', word)",
        "open('log', 'a').write('x')",
        f"assert os.path.exists({str(flag)!r}), 'no flag'\nprint('went on', word)",
    )
    failed = shell.json("run", "a.ipynb", "out.ipynb", "--cache", "-p", "word", "given")
    flag.touch()
    (shell.folder / "a.ipynb").unlink()  # it runs as it was

    retried = shell.run("runs", "retry", failed["run_id"])
    details = shell.json("runs", "show", failed["run_id"])
    logs = shell.run("runs", "logs", failed["run_id"]).stdout

    assert failed["state"] == "FAILED"
    assert retried.returncode == 0, retried.stderr
    assert retried.stderr.splitlines()[-1].startswith("  COMPLETED in ")
    assert f"→  out.ipynb   (orchestra runs show {details['name']})" in retried.stderr
    assert (details["state"], details["epoch"]) == ("COMPLETED", 2)
    assert cached(details) == [True, True, True, True, False]
    assert (shell.folder / "log").read_text() == "x"  # what it did outside has happened in this run
    assert shell.outputs("out.ipynb")[-1] == "went on given\n"
    assert "Goes on at cell 4" in logs
    outputs = sorted(path.name.split(".")[1] for path in (shell.folder / "data/orchestra/outputs").glob("*.ipynb"))
    assert outputs == ["1", "2", "source"]


def counting(name: str, *lines: str) -> str:
    """Return a cell that leaves a file with one letter for each time that it ran."""
    kept = f"from pathlib import Path\ncount = len(Path({name!r}).read_text()) if Path({name!r}).exists() else 0"
    return "\n".join((kept, f"Path({name!r}).write_text('x' * (count + 1))", *lines))


def counts(shell: Shell) -> list[str]:
    return [(shell.folder / name).read_text() for name in ("one", "two", "three", "four")]


def test_a_run_is_resumed_from_a_cell_of_it_also_when_it_completed(shell: Shell) -> None:
    shell.write(
        "a.ipynb",
        "# parameters\nbase = 1",
        "open('one', 'x').write('x')\nfirst = base + 1",
        "open('two', 'x').write('x')\nsecond = first + 1",
        counting("three", "third = second + 1", "print('third', third)"),
        counting("four", "import os", "assert not os.path.exists('bad'), 'bad'", "print('fourth', third + 1)"),
    )
    ended = shell.json("run", "a.ipynb", "out.ipynb", "--cache", "-p", "base", "10")
    run_id = ended["run_id"]

    by_number = shell.run("runs", "retry", run_id, "--from", "4", "--note", "once more")
    completed = shell.json("runs", "show", run_id)
    (shell.folder / "bad").touch()
    failed = shell.run("runs", "retry", run_id, "--from", "cell-4", "--json")
    (shell.folder / "bad").unlink()
    after_failure = shell.json("runs", "show", run_id)
    again = shell.run("runs", "retry", run_id, "--json")
    details = shell.json("runs", "show", run_id)
    logs = shell.run("runs", "logs", run_id).stdout

    assert ended["state"] == "COMPLETED"
    assert by_number.returncode == 0, by_number.stderr
    assert (completed["state"], completed["epoch"]) == ("COMPLETED", 2)
    assert cached(completed) == [True, True, True, True, False, False]
    assert json.loads(failed.stdout)["state"] == "FAILED"
    assert after_failure["epoch"] == 3
    assert cached(after_failure) == [True, True, True, True, True, False]
    assert json.loads(again.stdout)["state"] == "COMPLETED"
    assert details["epoch"] == 4
    assert cached(details) == [True, True, True, True, True, False]
    assert counts(shell) == ["x", "x", "xx", "xxxx"]
    assert shell.outputs("out.ipynb")[-2:] == ["third 13\n", "fourth 14\n"]
    assert "Goes on at cell 4: forced: the run was resumed from this cell" in logs


def test_a_cell_that_is_not_there_and_a_run_of_which_nothing_was_kept_are_not_resumed_from(shell: Shell) -> None:
    shell.write("a.ipynb", "open('ran', 'a').write('x')", "print('two')")
    kept = shell.json("run", "a.ipynb", "out.ipynb", "--cache")
    bare = shell.json("run", "a.ipynb", "out.ipynb")
    ran = (shell.folder / "ran").read_text()

    wrong = [shell.run("runs", "retry", kept["run_id"], "--from", cell) for cell in ("7", "0", "cell-9", "²")]
    nothing = shell.run("runs", "retry", bare["run_id"], "--from", "2")
    unchanged = [shell.json("runs", "show", one["run_id"]) for one in (kept, bare)]
    first = shell.run("runs", "retry", bare["run_id"], "--from", "1")

    assert [done.returncode for done in wrong] == [2, 2, 2, 2]
    assert "has no cell '7'. Its cells, by number and id: 1 (cell-0), 2 (cell-1)." in wrong[0].stderr
    assert nothing.returncode == 1
    assert "it ran without --cache, so nothing was kept of the cells above it" in nothing.stderr
    assert [(one["state"], one["epoch"]) for one in unchanged] == [("COMPLETED", 1)] * 2
    assert first.returncode == 0, first.stderr
    assert (shell.folder / "ran").read_text() == ran + "x"


def test_a_retry_of_a_run_without_a_cache_says_that_it_starts_over(shell: Shell) -> None:
    shell.write("a.ipynb", "print('first')", "import os\nassert os.path.exists('flag')")
    failed = shell.json("run", "a.ipynb", "out.ipynb")
    (shell.folder / "flag").touch()

    retried = shell.run("runs", "retry", failed["run_id"], "--json")
    logs = shell.run("runs", "logs", failed["run_id"]).stdout

    assert json.loads(retried.stdout)["state"] == "COMPLETED"
    assert "Starts over from the first cell: it ran without --cache" in logs
    assert "· Starts over from the first cell: it ran without --cache" in retried.stderr


def test_a_cell_with_retries_runs_again_without_the_earlier_ones_and_one_that_is_late_ends(shell: Shell) -> None:
    shell.write(
        "a.ipynb",
        "open('first', 'a').write('x')",
        "#: --retries 3 --retry-delay 10ms\nopen('tries', 'a').write('x')\nassert len(open('tries').read()) == 3",
        "#: --timeout 1s --retries 1\nopen('late', 'a').write('x')\nimport time\ntime.sleep(600)",
        "print('never')",
    )

    ended = shell.json("run", "a.ipynb", "out.ipynb")

    assert (shell.folder / "first").read_text() == "x"
    assert (shell.folder / "late").read_text() == "xx"
    assert [(cell["state"], cell["attempts"]) for cell in ended["cells"]] == [
        ("COMPLETED", 1),
        ("COMPLETED", 3),
        ("TIMED_OUT", 2),
        ("PENDING", 1),
    ]
    assert ended["state"] == "FAILED"
    assert "ran longer than 1 s" in ended["message"]


@pytest.mark.parametrize(
    ("cells", "kernel", "words"),
    [
        (
            ["1", "#: --retires 1\n2"],
            "python3",
            "Cell 2: Unknown option --retires in line 1 of the cell. Did you mean --retries?",
        ),
        (["#: --after load\n2"], "python3", "--after in line 1 of the cell is an option of tasks"),
        (["#: --retry-delay 5\n2"], "python3", "--retry-delay has no effect without --retries"),
        (
            ["%load_ext orchestra_nb", "%%task load --retires 1\n2"],
            "python3",
            "Cell 2: Unknown option --retires in %%task. Did you mean --retries?",
        ),
        (
            ["%load_ext orchestra_nb", "%%task load\n#: --timeout soon\n2"],
            "python3",
            "Cell 2: --timeout",
        ),
        (["echo 1"], "bash", "--cache needs a Python kernel"),
    ],
    ids=["unknown", "of-tasks", "without-effect", "line-of-a-task", "directive-of-a-task", "bash"],
)
def test_what_cannot_be_understood_is_refused_before_anything_runs(
    shell: Shell, cells: list[str], kernel: str, words: str
) -> None:
    shell.write("a.ipynb", *cells, kernel=kernel)

    refused = shell.run("run", "a.ipynb", "--cache")

    assert refused.returncode == 2
    assert words in refused.stderr


def test_stale_cells_run_in_the_open_kernel_and_share_what_runs_have_kept(shell: Shell, tmp_path: Path) -> None:
    cells = [
        "x = [1]",
        "y = len(x)",
        "x.append(2)",
        "import os\nprint('sum', sum(x), y, os.environ['PATH'][:0])",
        "%flow stale",
    ]
    shell.write("a.ipynb", *cells)
    shell.json("run", "a.ipynb", "out.ipynb", "--cache")
    environ = {
        **environment_with(shell.folder),
        "JPY_SESSION_NAME": str(shell.folder / "a.ipynb"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    texts: list[str] = []

    def take(message: Any) -> None:
        texts.append(message["content"].get("text", "") or str(message["content"].get("evalue", "")))

    async def scenario() -> dict[str, str]:
        process = await KernelProcess.launch("python3", cwd=str(tmp_path), environ=environ)
        client = KernelClient(process, take)

        async def say(code: str) -> str:
            texts.clear()
            await client.execute(code)
            return "".join(texts)

        try:
            await client.connect(60)
            await say("%load_ext orchestra_nb")
            await say("scratch = 5")
            said = {"before": await say("%flow stale"), "loaded": await say("%flow run --stale")}
            said["values"] = await say("print(x, y, scratch)")
            said["after"] = await say("%flow stale")
            await say("x.append('by hand')")
            shell.write("a.ipynb", "x = [1, 1]", *cells[1:])
            said["edited"] = await say("%flow stale")
            said["ran"] = await say("%flow run --stale")
            said["new values"] = await say("print(x, y, scratch)")
            said["wrong"] = await say("%flow bogus")
        finally:
            await client.shutdown(5)
        return said

    said = asyncio.run(scenario())

    assert said["before"].count("not run here; its result is kept") == 4, said["before"]
    assert said["loaded"].count("loaded") == 4
    assert said["values"] == "[1, 2] 1 5\n"
    assert said["after"] == "No cell is stale.\n"
    assert "cell 1" in said["edited"]
    assert "changed: its source is another one" in said["edited"]
    assert "upstream changed (cell 1): `x`" in said["edited"]
    assert "sum 4 2" in said["ran"]
    assert said["new values"] == "[1, 1, 2] 2 5\n"
    assert "%flow knows no 'bogus'" in said["wrong"]


def ask(shell: Shell, cells: list[str], *questions: str, edited: Mapping[int, str] | None = None) -> list[str]:
    """Run cells in a kernel after ``%flow keep``, save them with some edited, and return what it says to each line."""
    sources = ["%load_ext orchestra_nb", "%flow keep", *cells]
    (shell.folder / "kernel").mkdir(exist_ok=True)
    environ = {"JUPYTER_DATA_DIR": str(shell.folder / "data")}
    with NotebookKernel(shell.folder / "kernel", environ) as kernel:
        for number, source in enumerate(sources):
            kernel.run(source, f"cell-{number}")
        saved = [(edited or {}).get(number, source) for number, source in enumerate(sources)]
        shell.write("kernel/work.ipynb", *saved, *questions)
        return [kernel.run(line, f"cell-{len(saved) + number}").output for number, line in enumerate(questions)]


#: Cells around which the kernel, or a package that it loads, replaces functions or sets options itself.
UNTOUCHED: Mapping[str, list[str]] = {
    "input and getpass": ["import builtins, getpass", "x = 1", "y = x + 1", "builtins.input\ny"],
    "hooks of sys": ["import sys", "1 / 0", "{}['no']", "x = 1\nx", "y = x\nsys.stdout.write('a')"],
    "inline figures": [
        "%matplotlib inline",
        "import matplotlib.pyplot as plt\nplt.plot([1])",
        "fig, ax = plt.subplots()",
        "plt.figure()\nplt.show()",
        "x = 1\nx",
    ],
    "tables": ["import numpy as np, pandas as pd", "df = pd.DataFrame({'a': [1]})\ndf", "df.plot()", "display(df)"],
    "displays": ["handle = display('a', display_id=True)", "handle.update('b')", "x = 1", "x;", "%time y = x"],
    "a patch that ends with its cell": ["import builtins", "builtins.input = lambda *a: 'x'\nx = input()", "y = x"],
}


@pytest.mark.parametrize("cells", UNTOUCHED.values(), ids=UNTOUCHED)
def test_no_cell_is_stale_because_of_what_the_kernel_does_itself(shell: Shell, cells: list[str]) -> None:
    failing = ("1 / 0", "{}['no']")

    stale, again, after = ask(shell, cells, "%flow stale", "%flow run --stale", "%flow stale")

    kept = [cell for cell in cells if not cell.startswith(failing)]
    if len(kept) == len(cells):
        assert stale == after == "No cell is stale.\n"
        assert "forced" not in again
    else:  # a failed cell has no result
        assert stale.count("●") == len(cells) - len(kept), stale


def test_a_cell_below_a_patch_that_is_edited_is_stale(shell: Shell) -> None:
    cells = ["import textwrap", "x = 1", "textwrap.dedent = lambda text: 'patched'", "y = textwrap.dedent('')"]

    (stale,) = ask(shell, cells, "%flow stale", edited={4: "z = 1"})

    assert "● cell 6  y = textwrap.dedent('')" in stale
    assert "the patches are not as before\n2 of 4 cells are stale." in stale


def test_what_tasks_give_is_no_change_of_the_cells_that_read_it(shell: Shell) -> None:
    cells = [
        "%load_ext orchestra_nb",
        "%%task data\nimport random\nrng = random.Random(1)\nrows = [rng.random() for _ in range(3)]",
        "# in order\n%%task order\nrows.sort()\nhighest = rows[-1]",
        "def show():\n    print(len(rows))",
        "show()",
        "print(round(highest, 3))",
    ]
    shell.write("a.ipynb", *cells)

    first = shell.json("run", "a.ipynb", "out.ipynb", "--cache")
    plan = shell.json("plan", "a.ipynb")
    second = shell.json("run", "a.ipynb", "out.ipynb", "--cache")
    logs = "".join(shell.run("runs", "logs", run["run_id"]).stdout for run in (first, second))

    assert (first["state"], second["state"]) == ("COMPLETED", "COMPLETED")
    assert "which its code does not say" not in logs
    assert (cached(first), cached(second)) == ([False] * 6, [False, False, False, True, True, True])
    foreseen = [(cell["action"], cell["is_certain"]) for cell in plan["cells"]]
    assert foreseen == [("run", True)] * 3 + [("replay", True)] + [("run", False)] * 2
    assert shell.stale("a.ipynb") == {}

    shell.write("a.ipynb", cells[0], cells[1].replace("range(3)", "range(4)"), *cells[2:])

    assert {cell: why.partition(":")[0] for cell, why in shell.stale("a.ipynb").items()} == {
        "cell-4": "upstream changed (cell 3)",
        "cell-5": "upstream changed (cell 3)",
    }


def test_a_task_cell_takes_values_of_cells_that_were_replayed(shell: Shell) -> None:
    cells = [
        "%load_ext orchestra_nb",
        "from array import array\nimport time\ntime.sleep(1)\nrows = array('d', [1.0]) * 1_000_000",
        "%%task total\ntotal = sum(rows)",
        "print(total)",
    ]
    shell.write("a.ipynb", *cells)
    shell.json("run", "a.ipynb", "out.ipynb", "--cache")

    second = shell.json("run", "a.ipynb", "out.ipynb", "--cache")

    assert second["state"] == "COMPLETED"
    assert cached(second) == [False, True, False, True]


def test_after_the_stale_cells_have_run_a_patch_of_the_users_makes_none_stale(shell: Shell) -> None:
    cells = ["import textwrap", "x = 1", "textwrap.dedent = lambda text: 'patched'", "y = textwrap.dedent('')"]

    kept, ran, stale, again, still = ask(
        shell, cells, "%flow stale", "%flow run --stale", "%flow stale", "%flow run --stale", "%flow stale"
    )

    assert kept == stale == still == "No cell is stale.\n"
    assert "it replaces textwrap.dedent in a module" in ran
    assert "it replaces textwrap.dedent in a module" in again


def test_a_module_that_was_edited_and_not_loaded_anew_leaves_nothing_for_a_run(shell: Shell) -> None:
    (shell.folder / "kernel").mkdir()
    module = shell.folder / "kernel" / "to_edit.py"
    module.write_text("def number():\n    return 1\n")
    edit = f"open({str(module)!r}, 'w').write('def number():\\n    return 222\\n')"
    cells = ["import to_edit", edit, "import to_edit as again; print(again.number())"]

    ask(shell, cells, "%flow run", edited={3: "x = 1"})
    shell.write("kernel/work.ipynb", cells[2])
    ran = shell.json("run", "kernel/work.ipynb", "out.ipynb", "--cache")

    assert ran["state"] == "COMPLETED"
    assert shell.outputs("out.ipynb") == ["222\n"]


def test_the_plan_tells_a_cell_that_never_ended_well_from_an_edited_one(shell: Shell) -> None:
    shell.write("a.ipynb", "x = 1", "assert x == 2")
    shell.json("run", "a.ipynb", "out.ipynb", "--cache")

    plan = shell.json("plan", "a.ipynb")

    assert plan["cells"][1]["why"] == "new: it has not ended well yet"


def test_the_plan_names_the_cell_that_reads_a_file_and_not_the_one_that_says_where_it_is(shell: Shell) -> None:
    (shell.folder / "data.csv").write_text("a\n1\n")
    shell.write("a.ipynb", "PATH = 'data.csv'", "text = open(PATH).read()", "print(text)")
    shell.json("run", "a.ipynb", "out.ipynb", "--cache")
    (shell.folder / "data.csv").write_text("a\n2\n")

    plan = shell.json("plan", "a.ipynb")

    assert [cell["action"] for cell in plan["cells"]] == ["replay", "run", "run"]
    assert plan["cells"][1]["why"].endswith("data.csv has changed")


def test_options_that_a_cell_sets_are_put_back_for_the_cells_above_it(shell: Shell) -> None:
    cells = [
        "import numpy as np, pandas as pd\nimport matplotlib as mpl",
        "print(np.array([1 / 3]), pd.get_option('display.precision'), mpl.rcParams['font.size'])",
        "np.set_printoptions(precision=2)\npd.set_option('display.precision', 2)\nmpl.rcParams['font.size'] = 3.0",
    ]

    (said,) = ask(shell, cells, "%flow run --stale", edited={3: f"z = 1\n{cells[1]}"})

    assert "[0.33333333] 6 10.0\n" in said


def test_flow_run_says_why_each_cell_runs_and_counts_cells_as_the_notebook_does(shell: Shell) -> None:
    ran, stale = ask(shell, ["x = 1", "y = x"], "%flow run", "%flow stale", edited={2: "x = 2"})
    assert ran.count("forced: %flow run runs every cell") == 2
    assert "--refresh" not in ran
    assert stale == "No cell is stale.\n"


def test_an_edited_cell_makes_the_ones_that_read_it_stale_under_its_own_number(shell: Shell) -> None:
    (stale,) = ask(shell, ["x = 1", "y = x"], "%flow stale", edited={2: "x = 2"})

    assert "● cell 3  x = 2   stale: changed: its source is another one" in stale
    assert "upstream changed (cell 3): `x`" in stale
