"""A task cell on its worker: what it takes, what it gives, how it fails, and that it leaves no trace."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cell_worker
import numpy as np
import pytest
from cell_worker import CellWorker

from orchestra_nb.model.attempts import AttemptResult
from orchestra_nb.model.outcomes import ValueInfo
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.cell_task import CellTask
from orchestra_nb.notebooks.cell_values import pack_values, unpack_exception


@pytest.fixture(scope="module")
def worker() -> Iterator[CellWorker]:
    worker = CellWorker()
    yield worker
    worker.close()


def packed(**values: object) -> Any:
    return pack_values(values, {}).groups


# --- inputs and outputs


def test_a_cell_gives_the_names_that_it_binds(worker: CellWorker) -> None:
    ended = worker.run("y = x + 1\nhelper = 5", inputs=packed(x=41), outputs=("y",))

    assert ended.outcome.state is State.COMPLETED
    assert ended.outcome.worker == "worker-1"
    assert ended.outcome.pid == worker.process.pid
    assert ended.outcome.started_at <= ended.outcome.ended_at
    size = ended.outcome.values["y"].size_bytes
    assert ended.outcome.values == {"y": ValueInfo(type="int", group=0, size_bytes=size)}
    assert ended.values() == {"y": 42}


def test_a_cell_takes_the_values_of_another_task(worker: CellWorker) -> None:
    first = worker.run("x = [1]\nalso = x\nother = 'big'", outputs=("x", "also", "other"))

    ended = worker.run(
        "x.append(2)\nsame = x is also",
        upstream={"task-1": first.result},
        upstream_names={"task-1": ("x", "also")},
        outputs=("x", "same"),
    )

    assert ended.values() == {"x": [1, 2], "same": True}
    assert first.values()["x"] == [1]


def test_a_value_of_a_task_comes_after_the_one_of_the_kernel(worker: CellWorker) -> None:
    first = worker.run("x = 'new'", outputs=("x",))

    ended = worker.run(
        "y = x", upstream={"t": first.result}, upstream_names={"t": ("x",)}, inputs=packed(x="old"), outputs=("y",)
    )

    assert ended.values() == {"y": "new"}


def test_a_name_that_was_bound_in_no_branch_is_left_out(worker: CellWorker) -> None:
    ended = worker.run("if False:\n    a = 1\nb = 2", outputs=("a", "b"))

    assert ended.values() == {"b": 2}


def test_a_deleted_name_is_told(worker: CellWorker) -> None:
    ended = worker.run("del x", inputs=packed(x=1, y=2))

    assert ended.outcome.deleted == ("x",)


def test_a_cell_that_cannot_be_read_gives_all_that_it_bound_or_changed(worker: CellWorker) -> None:
    ended = worker.run(
        "exec('new = 1')\nglobals()['other'] = 2\nchanged.append(1)\n_private = 3\n1 + 1\n!true",
        inputs=packed(changed=[], still=[1], table=np.zeros(100_000)),
        opaque="it uses exec",
    )

    assert ended.values() == {"new": 1, "other": 2, "changed": [1], "_private": 3}


def test_functions_and_classes_of_a_cell_are_at_home_in_the_kernel(worker: CellWorker) -> None:
    ended = worker.run(
        "limit = 1\ndef f(): return limit\nclass A:\n    def m(self): return limit\na = A()",
        outputs=("f", "A", "a"),
    )
    kernel: dict[str, Any] = {"__name__": "__main__", "limit": 10}

    kernel.update(ended.values(kernel))

    assert (kernel["f"](), kernel["a"].m(), type(kernel["a"]) is kernel["A"]) == (10, 10, True)


def test_a_cell_is_the_main_module(worker: CellWorker) -> None:
    ended = worker.run(
        "import dataclasses, pickle, sys\n"
        "@dataclasses.dataclass\nclass D:\n    x: int\n"
        "same = pickle.loads(pickle.dumps(D(1))) == D(1)\n"
        "name = __name__, sys.modules['__main__'].D is D",
        outputs=("same", "name"),
    )

    assert ended.values() == {"same": True, "name": ("__main__", True)}


def test_a_cell_imports_from_the_notebooks_folder(worker: CellWorker, tmp_path: Path) -> None:
    (tmp_path / "beside_the_notebook.py").write_text("value = 7")

    ended = worker.run(
        "import os, beside_the_notebook\n"
        "x = beside_the_notebook.value, os.getcwd(), os.environ['REGION'], os.environ.get('HOME')",
        outputs=("x",),
        cwd=str(tmp_path),
        sys_path=(str(tmp_path),),
        environ={"REGION": "EU", "HOME": None},
    )

    assert ended.values() == {"x": (7, str(tmp_path), "EU", None)}


def test_a_folder_that_the_worker_does_not_have_is_told_in_the_log(worker: CellWorker) -> None:
    ended = worker.run("x = 1", outputs=("x",), cwd="/does/not/exist")

    assert ended.values() == {"x": 1}
    assert "/does/not/exist cannot be used on this worker (No such file or directory)" in ended.lines[0].message


def test_a_submodule_that_the_notebook_imported_is_there(worker: CellWorker) -> None:
    import xml.sax.handler

    ended = worker.run("kind = xml.sax.handler.ContentHandler.__name__", inputs=packed(xml=xml), outputs=("kind",))

    assert ended.values() == {"kind": "ContentHandler"}


# --- what cannot be given


def test_a_value_that_cannot_leave_is_told_and_the_others_come(worker: CellWorker) -> None:
    ended = worker.run("import threading\nlock = threading.Lock()\nx = 1", outputs=("lock", "x"))

    assert ended.outcome.state is State.COMPLETED
    assert ended.values() == {"x": 1}
    assert ended.outcome.not_portable == {
        "lock": "`lock` (type lock): cannot pickle '_thread.lock' object. Make it in the cell that uses it."
    }


def test_a_value_asked_for_that_cannot_leave_fails_the_task(worker: CellWorker) -> None:
    ended = worker.run("import threading\nlock = threading.Lock()", outputs=("lock",), is_explicit=True)

    assert ended.outcome.state is State.FAILED
    assert ended.outcome.error.message.startswith("The result of clean, `lock` (type lock), cannot be stored: ")
    assert ended.result.groups == ()


def test_a_name_asked_for_that_is_not_bound_fails_the_task(worker: CellWorker) -> None:
    ended = worker.run("import os\na = 1", outputs=("missing",), is_explicit=True)

    assert ended.outcome.state is State.FAILED
    assert ended.outcome.error.message == (
        "--out names `missing`, but the cell did not bind it. It bound: a, os. "
        "Bind it in the cell, or take it out of --out."
    )


def test_an_upstream_value_that_could_not_leave_is_explained(worker: CellWorker) -> None:
    first = worker.run("import threading\nlock = threading.Lock()", outputs=("lock",))

    ended = worker.run("lock", upstream={"t": first.result}, upstream_names={"t": ("lock",)})

    assert ended.outcome.state is State.FAILED
    assert ended.outcome.error.message.startswith("`lock` stayed on the worker of the task that made it: ")


# --- errors


def test_an_error_names_the_users_own_line_of_the_whole_cell(worker: CellWorker) -> None:
    ended = worker.run("import json\n\ndef read(text):\n    return json.loads(text)\n\nread('{')", label="cell [4]")

    error = ended.outcome.error
    assert ended.outcome.state is State.FAILED
    assert (error.type, error.cell, error.line, error.source_line) == (
        "JSONDecodeError",
        "cell [4]",
        5,
        "return json.loads(text)",
    )
    folder = os.path.dirname(os.__file__)
    lines = error.traceback.splitlines()
    assert lines[:6] == [
        "Traceback (most recent call last):",
        '  File "<task clean>", line 7',
        "    read('{')",
        '  File "<task clean>", line 5, in read',
        "    return json.loads(text)",
        "  … 3 frames in Python 3." + str(sys.version_info.minor),
    ]
    assert lines[6].startswith(f"    {folder}/json/__init__.py:")


def test_an_exception_of_the_cell_comes_back(worker: CellWorker) -> None:
    ended = worker.run("class Broken(Exception): ...\nraise Broken('so')")

    error = unpack_exception(ended.outcome.exception, {"__name__": "__main__"})
    assert (type(error).__name__, str(error)) == ("Broken", "so")


@pytest.mark.parametrize(
    ("source", "kind", "message", "line"),
    [
        ("x = 1\ny = (2", "SyntaxError", "'(' was never closed", 3),
        ("if True:\nx = 1", "IndentationError", "expected an indented block after 'if' statement on line 2", 3),
        ("import sys\nsys.exit(3)", "SystemExit", "task called sys.exit(3)", 3),
        ("import sys\nsys.exit(0)", "SystemExit", "task called sys.exit(0)", 3),
        ("raise SystemExit", "SystemExit", "task called sys.exit()", 2),
        ("exit()", "SystemExit", "task called sys.exit()", 2),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", "task raised KeyboardInterrupt", 2),
        ("await missing()", "NameError", "name 'missing' is not defined. ", 2),
        ("%no_such_magic", "UsageError", "Line magic function `%no_such_magic` not found.", 2),
        ("%%time\nx = 1\n1 / 0", "ZeroDivisionError", "division by zero", 4),
        ("raise ExceptionGroup('two', [KeyError('b')])", "ExceptionGroup", "two (1 sub-exception)", 2),
        ("def f(): f()\nf()", "RecursionError", "maximum recursion depth exceeded", 2),
        ("open('/does/not/exist')", "FileNotFoundError", "No such file", 2),
        ("class E(Exception):\n    __str__ = None\nraise E", "E", "<its message cannot be shown: TypeError>", 4),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "",
)  # fmt: skip
def test_errors_of_every_kind_are_told(
    worker: CellWorker, source: str, kind: str, message: str, line: int | None
) -> None:
    ended = worker.run(source)

    error = ended.outcome.error
    assert ended.outcome.state is State.FAILED
    assert error.type == kind
    assert message in error.message
    assert error.line == line
    assert "\x1b" not in error.message + (error.traceback or "")
    assert worker.run("ok = 1", outputs=("ok",)).values() == {"ok": 1}


def test_a_name_that_nobody_defined_is_told_with_a_hint(worker: CellWorker) -> None:
    seen = worker.run("y = 1\nprint(sales)", reads=("sales",)).outcome.error.message
    unseen = worker.run("print(eval('sales'))").outcome.error.message

    assert seen == (
        "name 'sales' is not defined. The cell reads `sales`, but no cell that ran before has defined it: "
        "run the one that does, first."
    )
    assert "name it with --in" in unseen


def test_the_trace_of_an_error_shows_what_led_to_it(worker: CellWorker) -> None:
    trace = worker.run(
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('no') from e"
    ).outcome.error.traceback

    assert (
        trace.index("ZeroDivisionError: division by zero") < trace.index("direct cause") < trace.index("ValueError: no")
    )


def test_a_failed_cell_keeps_what_it_has_shown_and_gives_nothing(worker: CellWorker) -> None:
    ended = worker.run("x = 1\nprint('so far')\n1 / 0", outputs=("x",))

    assert ended.text() == "so far\n"
    assert (ended.outcome.values, ended.result.groups) == ({}, ())


def test_input_is_refused(worker: CellWorker) -> None:
    for source in ("input('name? ')", "import getpass\ngetpass.getpass()"):
        assert "A task cannot ask for input" in worker.run(source).outcome.error.message
    assert worker.run("import sys\nx = sys.stdin.read()\n!cat", outputs=("x",)).values() == {"x": ""}


# --- no trace

CHANGES = """
import os, sys, warnings, logging, builtins, signal, tempfile, threading
os.chdir(tempfile.gettempdir())
os.environ["ADDED"] = "1"
os.environ.pop("HOME", None)
os.environ["PATH"] = "/nowhere"
sys.path.insert(0, "/somewhere")
sys.setrecursionlimit(5000)
warnings.simplefilter("error")
logging.basicConfig(level=logging.DEBUG, force=True)
logging.getLogger("urllib3").setLevel(logging.CRITICAL)
logging.disable(logging.ERROR)
builtins.input = print
sys.stdout = sys.stderr
sys.modules["__main__"] = sys
sys.excepthook = print
os.close(0)
"""


@pytest.mark.parametrize("end", ["x = 1", "1 / 0", "raise SystemExit", "x = (", "raise KeyboardInterrupt"])
def test_the_process_is_as_before_after_a_cell(worker: CellWorker, end: str) -> None:
    worker.run("pass")
    before = worker.call(cell_worker.process_state)

    worker.run(CHANGES + end)

    assert worker.call(cell_worker.process_state) == before


def test_signal_handlers_are_put_back_where_a_cell_may_set_them(worker: CellWorker) -> None:
    before = worker.call(cell_worker.process_state)
    source = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.signal(signal.SIGALRM, print)"

    ended = worker.call(cell_worker.run_cell_in_main_thread, CellTask(source=source, name="signals"))

    assert ended.outcome.state is State.COMPLETED
    assert worker.call(cell_worker.process_state) == before


def test_numbers_and_precision_of_one_cell_do_not_reach_the_next(worker: CellWorker) -> None:
    source = "import decimal, numpy\ndecimal.getcontext().prec = 3\nnumpy.seterr(all='raise')"
    probe = "import decimal, numpy\nx = decimal.getcontext().prec, numpy.geterr()['over']"
    main_thread = CellTask(source=source, name="first"), CellTask(source=probe, name="second", outputs=("x",))

    worker.call(cell_worker.run_cell_in_main_thread, main_thread[0])

    assert worker.call(cell_worker.run_cell_in_main_thread, main_thread[1]).values() == {"x": (28, "warn")}


def test_names_of_one_cell_are_unknown_to_the_next(worker: CellWorker) -> None:
    worker.run("leftover = 1\n1 + 1", outputs=("leftover",))

    ended = worker.run(
        "names = sorted(k for k in globals() if not k.startswith('__'))\nleft = _oh, Out", outputs=("names", "left")
    )

    assert ended.values()["left"] == ({}, {})
    assert "leftover" not in ended.values()["names"]


def test_a_worker_loads_few_modules() -> None:
    worker = CellWorker()
    worker.run("x = 1", outputs=("x",))
    loaded = {name.partition(".")[0] for name in worker.call(cell_worker.loaded_modules)}
    worker.close()

    heavy = {
        "alembic", "distributed", "ipykernel", "jupyter_client", "jupyter_server", "matplotlib", "nbclient",
        "nbconvert", "nbformat", "numpy", "pandas", "papermill", "pydantic", "rich", "sqlalchemy", "tornado", "zmq",
    }  # fmt: skip
    assert loaded & heavy == set()
    assert "IPython" in loaded


# --- being stopped


def test_a_stopped_cell_lets_the_signal_through(worker: CellWorker) -> None:
    for source in (
        "while True: pass",
        "import time\nwhile True: time.sleep(0.01)",
        "!sleep 60",
        "await __import__('asyncio').sleep(0.05)\nwhile True: pass",
    ):
        ended, _ = worker.call(cell_worker.stop_cell, CellTask(source=source, name="long"), 0.15)

        assert ended == "stopped"


def test_the_process_is_as_before_wherever_a_stop_arrives(worker: CellWorker) -> None:
    worker.run("pass")
    before = worker.call(cell_worker.process_state)
    task = CellTask(
        source="import os\nos.environ['A'] = '1'\nprint('x' * 1000)\n1 + 1\nprint(sum(range(2000)))",
        name="short",
        cwd="/",
        inputs=packed(x=[1] * 100),
        outputs=("x",),
    )
    ends = set()

    for step in range(150):
        ended, after = worker.call(cell_worker.stop_cell, task, step * 2e-5)
        ends.add(ended)
        assert after == before

    assert ends <= {"stopped", "COMPLETED", "StopTask outside of run"}
    assert worker.run("y = 2", outputs=("y",)).values() == {"y": 2}


def test_a_result_survives_the_move_between_processes(worker: CellWorker) -> None:
    from distributed.protocol import deserialize, serialize

    ended = worker.run("import numpy as np\nx = np.ones(500_000)", outputs=("x",))

    moved = deserialize(*serialize(ended.result))

    assert isinstance(moved, AttemptResult)
    assert moved.outcome == ended.outcome
    assert sys.getsizeof(moved) > 4_000_000
