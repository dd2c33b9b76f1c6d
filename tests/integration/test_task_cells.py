"""``%%task`` in a real kernel on a real cluster: what a data scientist types, and what they should see."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS

from orchestra_nb.operations.opening import open_store
from orchestra_nb.settings import load_settings
from tests.integration.notebook_kernel import NotebookKernel, without_colours


@pytest.fixture(scope="module")
def shared_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookKernel]:
    with NotebookKernel(tmp_path_factory.mktemp("notebook")) as kernel:
        yield kernel


@pytest.fixture
def kernel(shared_kernel: NotebookKernel) -> NotebookKernel:
    """The module's kernel with an empty namespace."""
    shared_kernel.run("%reset -f")
    return shared_kernel


def test_values_of_a_task_are_bound_where_they_are_read(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task load\nx = [1, 2, 3]\ntotal = sum(x)")

    assert cell.error is None
    assert kernel.value("total, x") == "(6, [1, 2, 3])"
    assert cell.wait_for("COMPLETED")["name"] == "load"


def test_task_cell_returns_before_its_task_has_ended(kernel: NotebookKernel, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    cell = kernel.run(f"%%task slow\nimport os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\ny = 1")

    assert cell.task["state"] in ("PENDING", "RUNNING")
    cell.wait_for("RUNNING")
    gate.touch()
    assert kernel.value("y") == "1"


def test_independent_tasks_run_side_by_side(kernel: NotebookKernel, tmp_path: Path) -> None:
    """Each waits for the other: only together can they end."""
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    body = (
        "import pathlib, time\npathlib.Path({mine!r}).touch()\n"
        "while not pathlib.Path({other!r}).exists(): time.sleep(0.01)"
    )
    first = kernel.run("%%task left\n" + body.format(mine=a, other=b) + "\nl = 1")
    second = kernel.run("%%task right\n" + body.format(mine=b, other=a) + "\nr = 2")

    assert kernel.value("l + r") == "3"
    assert first.wait_for("COMPLETED")["worker"] != second.wait_for("COMPLETED")["worker"]


@pytest.mark.parametrize("plots", [("df.plot.bar()", "df['a'].hist()"), ("df.plot('a', 'b')", "df.boxplot()")])
def test_plots_of_a_table_that_a_task_gives_run_side_by_side(
    kernel: NotebookKernel, tmp_path: Path, plots: tuple[str, str]
) -> None:
    """Each waits for the other, and both for what is touched when an ordinary cell has read the table."""
    left, right, read = (str(tmp_path / name) for name in ("left", "right", "read"))
    data_gate = tmp_path / "data"
    body = (
        "import pathlib, time\npathlib.Path({mine!r}).touch()\n"
        f"while not (pathlib.Path({{other!r}}).exists() and pathlib.Path({read!r}).exists()): time.sleep(0.01)\n"
    )
    kernel.run(
        "%%task data\nimport os, time\nimport pandas as pd\n"
        f"while not os.path.exists({str(data_gate)!r}): time.sleep(0.01)\n"
        "df = pd.DataFrame({'a': [1, 2], 'b': [3, 4]})"
    )
    cells = [
        kernel.run("%%task one\n" + body.format(mine=left, other=right) + plots[0]),
        kernel.run("%%task two\n" + body.format(mine=right, other=left) + plots[1]),
    ]
    data_gate.touch()

    assert kernel.value("int(df['a'].sum())") == "3"
    Path(read).touch()
    assert len({cell.wait_for("COMPLETED")["worker"] for cell in cells}) == 2


def test_a_plot_that_fails_leaves_its_table_alone(kernel: NotebookKernel) -> None:
    kernel.run("%%task data\nimport pandas as pd\ndf = pd.DataFrame({'a': [1, 2]})")
    plot = kernel.run("%%task plot\ndf.plot(kind='nonsense')")

    assert plot.wait_for("FAILED")
    assert kernel.value("int(df['a'].sum())") == "3"


def test_what_is_drawn_into_axes_of_another_task_is_in_them(kernel: NotebookKernel) -> None:
    kernel.run("%%task make\nimport matplotlib.pyplot as plt\nfig, ax = plt.subplots()")
    kernel.run("%%task draw\nax.plot([1, 2, 3])\nax.hist([1])")

    assert kernel.value("len(ax.lines), len(ax.patches) > 0") == "(1, True)"


def test_dependent_task_takes_values_without_the_kernel(kernel: NotebookKernel, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    kernel.run(
        f"%%task one\nimport os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
        "numbers = list(range(1000))"
    )
    second = kernel.run("%%task two\ntotal = sum(numbers)")

    kernel.wait_until(lambda: "waits for one" in second.task["message"])
    gate.touch()
    assert kernel.value("total") == "499500"
    held = kernel.value("__import__('sys').modules['__main__'].__dict__['numbers'].__class__.__name__")
    assert held == "'PendingValue'"


def test_pending_name_is_bound_for_a_function_that_reads_it(kernel: NotebookKernel) -> None:
    kernel.run("def double():\n    return 2 * base")
    kernel.run("%%task make\nbase = 21")

    assert kernel.value("double()") == "42"


def test_input_that_a_task_changes_is_its_own_copy_and_a_new_version(kernel: NotebookKernel) -> None:
    kernel.run("data = {'a': 1}\nbefore = data")
    kernel.run("%%task change\ndata['b'] = 2")

    assert kernel.value("before") == "{'a': 1}"
    assert kernel.value("data") == "{'a': 1, 'b': 2}"


def test_later_change_in_the_kernel_does_not_reach_a_task_that_was_submitted_before(
    kernel: NotebookKernel, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    kernel.run("values = [1]")
    kernel.run(
        f"%%task late\nimport os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\nseen = list(values)"
    )
    kernel.run("values.append(2)")
    gate.touch()

    assert kernel.value("seen, values") == "([1], [1, 2])"


def test_functions_and_classes_cross_both_ways(kernel: NotebookKernel) -> None:
    kernel.run(
        "factor = 3\ndef scale(v):\n    return factor * v\nclass Point:\n    def __init__(self, x):\n        self.x = x"
    )
    kernel.run("%%task make\npoint = Point(scale(2))\ndef again(p):\n    return scale(p.x)")

    assert kernel.value("again(point), isinstance(point, Point)") == "(18, True)"


def test_function_sees_a_global_that_the_task_sets(kernel: NotebookKernel) -> None:
    kernel.run("limit = 1\ndef over(v):\n    return v > limit")
    kernel.run("%%task check\nlimit = 10\nresult = over(5)")

    assert kernel.value("result") == "False"


def test_name_that_a_task_does_not_bind_after_all_keeps_its_earlier_value(kernel: NotebookKernel) -> None:
    kernel.run("mode = 'earlier'\nwanted = False")
    kernel.run("%%task maybe\nif wanted:\n    mode = 'new'")
    kernel.run("%%task reader\nseen = mode")

    assert kernel.value("mode, seen") == "('earlier', 'earlier')"


def test_tasks_that_use_the_same_loop_variable_are_independent(kernel: NotebookKernel) -> None:
    first = kernel.run("%%task one\ntotal = 0\nfor i in range(3):\n    total += i")
    second = kernel.run("%%task two\nproduct = 1\nfor i in range(1, 4):\n    product *= i")

    assert (first.task["upstream"], second.task["upstream"]) == ([], [])
    assert kernel.value("total, product, i") == "(3, 6, 3)"


def test_error_shows_under_its_own_cell_and_is_raised_where_the_name_is_read(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task bad\na = 1\nb = a / 0")

    task = cell.wait_for("FAILED")
    reader = kernel.run("print(b)")

    assert (task["error"]["type"], task["error"]["line"]) == ("ZeroDivisionError", 3)
    assert task["error"]["cell"] == f"cell [{cell.reply['execution_count']}]"
    assert cell.error is None
    assert reader.error is not None
    assert reader.error.startswith(
        "TaskFailed: `b` has no value: task 'bad' failed: ZeroDivisionError: division by zero"
    )
    assert "run it again" in reader.error


def test_waiting_task_cell_raises_under_itself(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task bad --wait\nraise KeyError('region')")

    assert cell.error is not None
    assert cell.error.startswith("TaskFailed: Task 'bad' failed: KeyError")
    assert cell.task["state"] == "FAILED"


def test_task_downstream_of_a_failure_says_so(kernel: NotebookKernel) -> None:
    kernel.run("%%task first\nx = 1 / 0")
    second = kernel.run("%%task second\ny = x")

    assert second.wait_for("UPSTREAM_FAILED")["message"] == "first failed: ZeroDivisionError: division by zero"
    reader = kernel.run("y")
    assert reader.error is not None
    assert reader.error == (
        "UpstreamFailed: `y` has no value: task 'first' failed: ZeroDivisionError: division by zero (line 2), so "
        "'second' did not run. Mend the cell of 'first' and run it again, then the cell of 'second' and this one."
    )
    assert "----> 1 y\n" in reader.traceback
    assert "name_binder" not in reader.traceback
    assert "ipython_extension" not in reader.traceback


def test_task_far_downstream_of_a_failure_names_all_that_has_to_run_again(kernel: NotebookKernel) -> None:
    kernel.run("%%task first\nx = {}['kyiv']")
    kernel.run("%%task second\ny = x")
    kernel.run("%%task third\nz = y")

    assert kernel.run("z").error == (
        "UpstreamFailed: `z` has no value: task 'first' failed: KeyError: 'kyiv' (line 2), so 'second', 'third' did not "
        "run. Mend the cell of 'first' and run it again, then the cells of 'second', 'third' and this one."
    )


@pytest.mark.parametrize(
    ("reader", "line"),
    [
        ("a = 1\nb = good\nprint(bad)", "3 print(bad)"),
        ("a = good\nif a:\n    bad += 1", "3     bad += 1"),
        ("a = 1\ndef inner():\n    return bad\ninner()", "3     return bad"),
        ("a = 1\nouter()", "2 outer()"),
        ("from __future__ import annotations\na = 1\nbad", "3 bad"),
    ],
)
def test_error_of_a_task_points_at_the_line_that_reads_its_name(kernel: NotebookKernel, reader: str, line: str) -> None:
    kernel.run("def outer():\n    return bad")
    kernel.run("%%task give\ngood = 1")
    kernel.run("%%task fail\nbad = 1 / 0")

    cell = kernel.run(reader)

    assert cell.error is not None
    assert cell.error.startswith("TaskFailed: `bad` has no value: task 'fail' failed")
    assert f"----> {line}\n" in cell.traceback
    assert "ipython_extension" not in cell.traceback


def test_what_a_task_prints_and_shows_comes_back_under_its_cell(kernel: NotebookKernel) -> None:
    printing = kernel.run("%%task words\nprint('hello from the worker')")
    table = kernel.run("%%task table\nimport pandas as pd\npd.DataFrame({'region': ['EU', 'US']})")

    assert printing.wait_for_output("hello from the worker") == {"text/plain": "hello from the worker"}
    assert "<table" in table.wait_for_output("EU")["text/html"]


def test_figure_comes_back_as_a_figure(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task plot\n%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2, 3]);")

    assert "image/png" in cell.wait_for_output("image/png")


def test_logging_warnings_and_shell_lines_come_back(kernel: NotebookKernel) -> None:
    cell = kernel.run(
        "%%task noisy\nimport logging, warnings\nlogging.warning('low stock')\nwarnings.warn('old format')\n"
        "!echo from the shell\nprint('end')"
    )

    cell.wait_for("COMPLETED")
    shown = str(cell.wait_for_output("end"))
    assert all(text in shown for text in ("low stock", "old format", "from the shell"))


def test_top_level_await_works_in_a_task(kernel: NotebookKernel) -> None:
    kernel.run("%%task waits\nimport asyncio\nawait asyncio.sleep(0)\ndone = True")

    assert kernel.value("done") == "True"


def test_failed_attempts_are_repeated(kernel: NotebookKernel, tmp_path: Path) -> None:
    count = tmp_path / "count"
    cell = kernel.run(
        f"%%task flaky --retries 2 --retry-delay 10ms\nimport pathlib\np = pathlib.Path({str(count)!r})\n"
        "n = int(p.read_text()) + 1 if p.exists() else 1\np.write_text(str(n))\nassert n == 3, n"
    )

    task = cell.wait_for("COMPLETED", "FAILED")
    assert (task["state"], task["attempt"], task["max_attempts"]) == ("COMPLETED", 3, 3)


def test_timeout_stops_the_code(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task forever --timeout 1s\nwhile True: pass")

    assert cell.wait_for("TIMED_OUT", "FAILED", "CRASHED")["state"] == "TIMED_OUT"
    reader = kernel.run("%%task next --wait\nz = 1")
    assert reader.error is None


def test_exiting_task_fails_once_with_its_words(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task leaves\nimport sys\nsys.exit(3)")

    task = cell.wait_for("FAILED", "CRASHED")
    assert (task["state"], task["attempt"]) == ("FAILED", 1)
    assert "sys.exit(3)" in task["message"]


def test_dying_process_is_a_crash_with_its_exit_code(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task dies\nimport os\nos._exit(3)")

    task = cell.wait_for("CRASHED", "FAILED")
    assert (task["state"], task["attempt"]) == ("CRASHED", 1)
    assert task["message"].startswith("process exited with 3 (attempt 1 of dies on worker-")


def test_running_a_cell_twice_runs_in_order_and_the_last_wins(kernel: NotebookKernel, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waiting = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)"
    kernel.run(f"%%task step\n{waiting}\nwhich = 'first'", "cell-a")
    kernel.run("%%task step\nwhich = 'second'", "cell-a")
    gate.touch()

    assert kernel.value("which") == "'second'"


def test_renamed_task_gives_up_its_name(kernel: NotebookKernel) -> None:
    kernel.run("%%task old_name\nv = 1", "cell-renamed")
    kernel.run("%%task new_name\nv = 2", "cell-renamed")

    cell = kernel.run("%task old_name")
    assert cell.error is not None
    assert "No task 'old_name' has run in this kernel" in cell.error


def test_out_of_order_reading_names_the_variable(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task early\nresult = not_there_yet + 1")

    task = cell.wait_for("FAILED")
    assert task["error"]["type"] == "NameError"
    assert "not_there_yet" in task["error"]["message"]


def test_syntax_error_is_shown_at_once_and_nothing_runs(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task broken\nx = = 1")

    assert cell.error is not None
    assert cell.error.startswith("SyntaxError")
    assert cell.displays == []


def test_input_that_cannot_travel_is_named_with_the_remedy(kernel: NotebookKernel) -> None:
    kernel.run("import threading\nconn = threading.Lock()")
    cell = kernel.run("%%task uses\nwith conn:\n    pass")

    assert cell.error is not None
    assert cell.error.startswith("UsageError: Task 'uses' reads `conn`, which cannot be sent to a worker")
    assert "--local" in cell.error


def test_output_that_cannot_travel_stays_and_says_so(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task keeps\nimport threading\nlock = threading.Lock()\nn = 5")

    cell.wait_for("COMPLETED")
    assert kernel.value("n") == "5"
    reader = kernel.run("lock")
    assert reader.error is not None
    assert reader.error.startswith("ValueNotPortable: `lock` stays on the worker of task 'keeps'")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--retrys 3", "--retries"),
        ("--timeout soon", "soon"),
        ("--after nobody", "nobody"),
    ],
)
def test_wrong_line_is_a_usage_error_that_names_the_remedy(kernel: NotebookKernel, line: str, words: str) -> None:
    cell = kernel.run(f"%%task t {line}\nx = 1")

    assert cell.error is not None
    assert cell.error.startswith("UsageError")
    assert words in cell.error


def test_comment_may_stand_above_the_task_line(kernel: NotebookKernel) -> None:
    cell = kernel.run("# the prices\n\n%%task prices\np = 1\nq = p / 0")

    assert cell.wait_for("FAILED")["error"]["line"] == 5


def test_empty_task_cell_says_so(kernel: NotebookKernel) -> None:
    assert "the cell is empty" in str(kernel.run("%%task nothing").error)


def test_unreadable_cell_goes_on_beside_a_failed_task(kernel: NotebookKernel) -> None:
    kernel.run("%%task bad\nlost = 1 / 0").wait_for("FAILED")

    cell = kernel.run("exec('found = ' + '1'.strip())")

    assert cell.error is None
    assert kernel.value("found") == "1"


def test_help_is_shown(kernel: NotebookKernel) -> None:
    assert "--retry-delay" in kernel.run("%%task --help\n").output


def test_local_task_shares_the_kernels_objects(kernel: NotebookKernel) -> None:
    kernel.run("import threading\nlock = threading.Lock()")
    cell = kernel.run("%%task here --local\nlock.acquire()\nheld = lock.locked()")

    assert cell.error is None
    assert kernel.value("held, lock.locked()") == "(True, True)"
    assert cell.wait_for("COMPLETED")["worker"] == "this kernel"


def test_local_task_shows_its_error_once(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task here --local\n1 / 0")

    assert cell.error == "ZeroDivisionError: division by zero"
    assert cell.wait_for("FAILED")["error"]["type"] == "ZeroDivisionError"


def test_star_import_binds_names_that_nobody_foresaw(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task stars\nfrom math import *\nroot = sqrt(49)")

    assert cell.error is None
    assert kernel.value("root, floor(2.5)") == "(7.0, 2)"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%flow stale a b", "UsageError: %flow stale takes one notebook, not 2 (a, b). Write %flow stale [NOTEBOOK]."),
        ("%flow run --refresh", "UsageError: %flow run knows no --refresh. Write %flow run [--stale] [NOTEBOOK]."),
        ("%flow return nowhere", "UsageError: %flow return nowhere: there is no variable 'nowhere'. Run the cell that"),
    ],
)
def test_a_wrong_flow_line_is_a_usage_error_that_says_how_it_is_written(
    kernel: NotebookKernel, line: str, message: str
) -> None:
    assert (kernel.run(line).error or "").startswith(message)


def test_the_help_of_flow_tells_its_verbs_and_so_does_a_graph_without_tasks(tmp_path: Path) -> None:
    with NotebookKernel(tmp_path) as kernel:
        alone, told, of_verb = (kernel.run(line).output for line in ("%flow", "%flow --help", "%flow run --help"))

    for verb in ("keep", "stale", "plan", "run", "return"):
        assert verb in alone
        assert f"%flow {verb}" in told
    assert of_verb.startswith("%flow run")
    assert "%flow keep" not in of_verb


def test_flow_shows_the_graph_and_follows_it(kernel: NotebookKernel) -> None:
    kernel.run("%%task graph_a\nga = 1", "cell-ga")
    kernel.run("%%task graph_b\ngb = ga + 1", "cell-gb")
    shown = kernel.run("%flow")
    display_id = shown.displays[0]

    def states() -> dict[str, str]:
        (data,) = [value for key, value in kernel.displays[display_id].items() if key.endswith("+json")]
        return {task["name"]: task["state"] for task in data["tasks"]}

    kernel.wait_until(lambda: states()["graph_b"] == "COMPLETED")
    (data,) = [value for key, value in kernel.displays[display_id].items() if key.endswith("+json")]
    ids = {task["name"]: task["task_run_id"] for task in data["tasks"]}
    assert [ids["graph_a"], ids["graph_b"]] in data["edges"]


def test_folder_and_environment_of_the_notebook_are_those_of_its_tasks(kernel: NotebookKernel) -> None:
    kernel.run("import os\nos.environ['REGION'] = 'EU'")
    kernel.run(
        "%%task place\nimport os\nwhere, region = os.getcwd(), os.environ['REGION']\nos.environ['REGION'] = 'US'"
    )

    assert kernel.value("where == os.getcwd(), region, os.environ['REGION']") == "(True, 'EU', 'EU')"


#: Touches a file once the kernel's main thread waits for a task: an interrupt that comes while the kernel only prepares
#: to run a cell would end the kernel's own loop.
TELL_WHEN_WAITING = """
import pathlib, sys, threading, time
def tell_when_waiting(gate, main=threading.main_thread().ident):
    def waits(frame):
        return frame is not None and ("name_binder" in frame.f_code.co_filename or waits(frame.f_back))
    while not waits(sys._current_frames().get(main)):
        time.sleep(0.01)
    pathlib.Path(gate).touch()
threading.Thread(target=tell_when_waiting, args=({gate!r},), daemon=True).start()
"""


def test_interrupt_while_waiting_cancels(kernel: NotebookKernel, tmp_path: Path) -> None:
    gate = tmp_path / "waiting"
    cell = kernel.run("%%task endless\nimport os, time\nwhile os.path.exists('/'): time.sleep(0.05)\nnever = 1")
    cell.wait_for("RUNNING")
    assert kernel.run(TELL_WHEN_WAITING.format(gate=str(gate))).error is None
    reader = kernel.start("print(never)")
    kernel.wait_until(gate.exists)
    kernel.manager.interrupt_kernel()
    kernel.wait_until(lambda: reader.has_ended)

    assert reader.error is not None
    assert reader.error.startswith("KeyboardInterrupt")
    assert cell.wait_for("CANCELLED", "FAILED", "CRASHED")["state"] == "CANCELLED"
    assert kernel.value("1 + 1") == "2"


def test_interrupt_of_an_idle_kernel_cancels(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task endless\nimport time\nwhile True: time.sleep(0.05)")
    cell.wait_for("RUNNING")

    kernel.manager.signal_kernel(signal.SIGINT)

    assert cell.wait_for("CANCELLED", "FAILED", "CRASHED")["state"] == "CANCELLED"
    assert kernel.value("1 + 1") == "2"


def test_status_names_cluster_and_store(kernel: NotebookKernel) -> None:
    output = kernel.run("%orchestra status").output

    assert "cluster: local" in output
    assert "orchestra.db" in output


def test_traceback_points_at_the_users_line(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task deep\ndef inner(v):\n    return v['missing']\ninner({})")

    task = cell.wait_for("FAILED")
    assert task["error"]["line"] == 4 or task["error"]["line"] == 3
    assert "return v['missing']" in without_colours(task["error"]["traceback"])


def test_loop_may_begin_many_tasks_in_one_cell(kernel: NotebookKernel) -> None:
    loop = "for i in range(3): get_ipython().run_cell_magic('task', {name}, f'{variable}{{i}} = {{i}} * 10')"

    kernel.run(loop.format(name="f't{i}'", variable="v"), cell_id="named")
    unnamed = kernel.run(loop.format(name="''", variable="w"), cell_id="unnamed")

    assert kernel.value("v0, v2, w0, w2") == "(0, 20, 0, 20)"
    assert kernel.run("%task t0").error is None
    tasks = [kernel.displays[item] for item in unnamed.displays if not item.endswith("-outputs")]
    assert [data["application/vnd.orchestra.run.v1+json"]["task"]["name"] for data in tasks] == ["w0", "w1", "w2"]


def test_cell_that_cannot_be_analysed_leaves_the_binding_of_names_alone(kernel: NotebookKernel) -> None:
    """An AST transformer that raises is taken out by IPython for good."""
    kernel.run("ip = get_ipython()")
    kernel.run("ip.user_ns")
    kernel.run("%time 1 +")

    kernel.run("%%task load\nx = 1")

    assert kernel.value("x") == "1"


def test_name_that_ipython_also_has_is_the_users(kernel: NotebookKernel) -> None:
    kernel.run("open, high = 5, 9")

    kernel.run("%%task range_of_day\nspan = high - open")

    assert kernel.value("span") == "4"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param("if flag: del x", "[1]", id="not-deleted-after-all"),
        pytest.param("y = 2\nif flag: del y", "[1]", id="bound-and-perhaps-deleted"),
    ],
)
def test_name_is_gone_only_if_the_task_deletes_it(kernel: NotebookKernel, body: str, expected: str) -> None:
    kernel.run("x, y, flag = [1], 0, False")

    kernel.run(f"%%task clean\n{body}")

    assert kernel.value("x") == expected
    assert kernel.value("y") == ("2" if "y = 2" in body else "0")


def test_deleted_name_is_gone_here_and_for_later_tasks(kernel: NotebookKernel) -> None:
    kernel.run("x, flag = [1], True")
    kernel.run("%%task clean\nif flag: del x")

    kernel.run("%%task look\ntry:\n    seen = x\nexcept NameError:\n    seen = 'gone'")

    assert kernel.value("seen") == "'gone'"
    assert kernel.run("x").error == "NameError: name 'x' is not defined"


@pytest.mark.parametrize("change", ["x.append(2)", "x = [*x, 2]", "del x; x = [1, 2]"])
def test_mended_cell_takes_its_input_as_it_was_before_it_failed(kernel: NotebookKernel, change: str) -> None:
    kernel.run("x = [1]")
    for _ in range(2):
        kernel.run(f"%%task extend\n{change}\n1 / 0", cell_id="extend").wait_for("FAILED")

    kernel.run(f"%%task extend\n{change}", cell_id="extend").wait_for("COMPLETED")

    assert kernel.value("x") == "[1, 2]"


def test_pending_name_can_be_deleted_without_waiting(kernel: NotebookKernel) -> None:
    kernel.run("%%task bad\nx = 1 / 0").wait_for("FAILED")

    assert kernel.run("del x").error is None
    assert kernel.run("x").error == "NameError: name 'x' is not defined"


def test_captured_cell_does_not_take_the_updates_of_others(kernel: NotebookKernel, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    cell = kernel.run(f"%%task slow\nimport os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\ny = 1")
    cell.wait_for("RUNNING")

    kernel.run(
        f"%%capture taken\nfrom orchestra_nb.operations.interactive import wait_for_tasks\n"
        f"open({str(gate)!r}, 'w').close()\ndone = wait_for_tasks()"
    )

    assert cell.wait_for("COMPLETED")["name"] == "slow"
    assert kernel.value("len(taken.outputs)") == "0"


def test_local_task_shows_its_last_expression(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task here --local\na = 5\na + 1")

    assert cell.plain == [{"text/plain": "6"}]


def test_second_run_says_that_it_waits_for_the_first(kernel: NotebookKernel, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    kernel.run(f"%%task again\nimport os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\ny = 1")

    second = kernel.run("%%task again\ny = 2")

    kernel.wait_until(lambda: second.task["message"] == "waits for its earlier run")
    gate.touch()
    assert kernel.value("y") == "2"


def test_task_whose_upstream_has_ended_says_everywhere_that_it_waits_for_a_worker(
    kernel: NotebookKernel, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    hold = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
    kernel.run("%%task load\nrows = 3")
    running = [kernel.run(f"%%task hold_{one}\n{hold}held_{one} = rows") for one in ("a", "b")]
    for cell in running:
        cell.wait_for("RUNNING")  # there are two workers
    also = kernel.run("%%task also\nalso = rows")
    free = kernel.run("%%task free\nfree = 1")
    follows = kernel.run("%%task follows\nfollows = also + free")
    store = open_store(load_settings())

    def words(of_store: bool) -> list[str]:
        cells = [also, free, follows]
        if not of_store:
            return [cell.task["message"] for cell in cells]
        known = {task.task_run_id: task.message for task in store.task_runs(also.task["run_id"])}
        return [known.get(cell.task["task_run_id"], "") for cell in cells]

    expected = ["waits for a worker", "waits for a worker", "waits for also, free"]
    kernel.wait_until(lambda: words(of_store=False) == expected and words(of_store=True) == expected)
    shown = kernel.run(f"!orchestra runs show {also.task['run_id']}")
    assert shown.output.count("waits for a worker") == 2
    gate.touch()
    assert kernel.value("follows") == "4"


@pytest.mark.parametrize("line", ["%task it's", "%orchestra it's"])
def test_open_quote_is_a_usage_error(kernel: NotebookKernel, line: str) -> None:
    assert (kernel.run(line).error or "").startswith("UsageError: A quote in")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param("%%task cl --re", "--retries", id="option"),
        pytest.param("# prices\n%%task cl --re", "--retries", id="below-a-comment"),
        pytest.param("%%task cl --in pri", "prices", id="variable"),
        pytest.param("x = 1\n%flow st", "stale", id="verb"),
        pytest.param("%flow run --st", "--stale", id="option-of-a-verb"),
        pytest.param("%flow return pri", "prices", id="returned-variable"),
    ],
)
def test_task_line_is_completed(kernel: NotebookKernel, code: str, expected: str) -> None:
    kernel.run("prices = 1")

    kernel.client.complete(code, len(code))

    assert expected in kernel.client.get_shell_msg(timeout=PATIENCE_SECONDS)["content"]["matches"]


def test_naming_the_present_cluster_again_keeps_its_values(kernel: NotebookKernel) -> None:
    kernel.run("%%task one\nnumbers = [1]").wait_for("COMPLETED")

    kernel.run("%orchestra cluster local  # as before")
    kernel.run("%%task two\ntotal = sum(numbers)").wait_for("COMPLETED")

    assert kernel.value("total") == "1"


def test_edited_module_is_the_same_on_every_worker(kernel: NotebookKernel, tmp_path: Path) -> None:
    module = tmp_path / "edited_here.py"
    module.write_text("VALUE = 1\n")
    kernel.run(f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport edited_here")
    cells = "%%task look\nimport edited_here\nseen = edited_here.VALUE"
    for _ in range(3):
        kernel.run(cells).wait_for("COMPLETED")

    module.write_text("VALUE = 222\n")

    for _ in range(4):
        kernel.run(cells)
        assert kernel.value("seen") == "222"


def test_extension_can_be_unloaded_and_loaded_again(tmp_path: Path) -> None:
    with NotebookKernel(tmp_path) as kernel:
        kernel.run("%%task one\nx = 1").wait_for("COMPLETED")

        assert kernel.run("%unload_ext orchestra_nb").error is None
        assert "not found" in (kernel.run("%%task two\ny = 1").error or "")
        assert kernel.run("%load_ext orchestra_nb").error is None
        assert kernel.run("%reload_ext orchestra_nb").error is None

        kernel.run("%%task two\ny = 2")
        assert kernel.value("y") == "2"


def test_what_a_task_prints_and_logs_is_in_the_log_of_its_run(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task talks\nimport logging\nprint('one')\nlogging.warning('two')\nprint('three', end='')")
    task = cell.wait_for("COMPLETED")
    store = open_store(load_settings())

    def lines() -> list[tuple[str, int]]:
        found = store.log_lines(task["run_id"], task_run_id=task["task_run_id"])
        return [(line.message, line.level) for _, line in found]

    kernel.wait_until(lambda: len(lines()) == 3)
    assert sorted(lines()) == [("one", 20), ("three", 20), ("two", 30)]


def test_the_log_of_a_run_says_how_each_attempt_of_a_task_cell_failed(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task sums --retries 1 --retry-delay 10ms\ndef part(a):\n    return 1 / a\nsum_ = part(0)")
    below = kernel.run("%%task shows\nprint(sum_)")
    task = cell.wait_for("FAILED")
    below.wait_for("UPSTREAM_FAILED")
    store = open_store(load_settings())

    def lines(of: dict[str, str]) -> list[tuple[str, int]]:
        found = store.log_lines(of["run_id"], task_run_id=of["task_run_id"])
        return [(without_colours(line.message), line.level) for _, line in found if line.logger == "orchestra.engine"]

    kernel.wait_until(lambda: len(lines(task)) == 2 and bool(lines(below.task)))
    why = "ZeroDivisionError: division by zero"
    repeated, (failed, level) = lines(task)
    assert repeated == (f"Attempt 1 of 2 failed, another one follows: {why}", 30)
    assert (failed.splitlines()[0], level) == (f"Failed after 2 attempts: {why}", 40)
    assert "return 1 / a" in failed
    assert lines(below.task) == [(f"Does not run: sums failed: {why}", 30)]


def test_the_log_has_the_failure_of_a_task_cell_that_runs_in_the_kernel(kernel: NotebookKernel) -> None:
    cell = kernel.run("%%task here --local\n1 / 0")
    task = cell.wait_for("FAILED")
    store = open_store(load_settings())

    def lines() -> list[str]:
        found = store.log_lines(task["run_id"], task_run_id=task["task_run_id"])
        return [without_colours(line.message) for _, line in found]

    kernel.wait_until(lambda: bool(lines()))
    (line,) = lines()
    assert line.splitlines()[0] == "Failed: ZeroDivisionError: division by zero"


def test_waiting_task_says_what_it_still_waits_for(kernel: NotebookKernel, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
    kernel.run("%%task quick\nfast = 1")
    kernel.run(f"%%task gated\n{wait}slow = 2")
    both = kernel.run("%%task both\ntotal = fast + slow")

    kernel.wait_until(lambda: both.task["message"] == "waits for gated")
    gate.touch()
    assert kernel.value("total") == "3"
