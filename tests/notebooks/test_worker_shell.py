"""What a task cell shows on a worker is what it would have shown in the notebook."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from typing import Any

import cell_worker
import pytest
from cell_worker import CellWorker

from orchestra_nb.notebooks.cell_values import pack_values


@pytest.fixture(scope="module")
def worker() -> Iterator[CellWorker]:
    worker = CellWorker()
    yield worker
    worker.close()


# --- text


def test_text_of_python_of_c_and_of_child_processes_stays_in_order(worker: CellWorker) -> None:
    ended = worker.run(
        "import ctypes, os, subprocess, sys\n"
        "print('python')\n"
        "!echo shell\n"
        "print('part', end=' ')\n"
        "os.write(1, b'descriptor ')\n"
        "print('rest')\n"
        "subprocess.run(['echo', 'child'])\n"
        "subprocess.run(['echo', 'given'], stdout=sys.stdout)\n"
        "sys.stdout.buffer.write('bytes ü\\n'.encode())\n"
        "print('last')\n"
        "ctypes.CDLL(None).printf(b'printf\\n');"
    )

    assert ended.text() == "python\nshell\npart descriptor rest\nchild\ngiven\nbytes ü\nlast\nprintf\n"
    assert len(ended.outputs) == 1


def test_the_two_streams_are_kept_apart_and_in_order(worker: CellWorker) -> None:
    ended = worker.run("import sys\nprint(1)\nprint(2, file=sys.stderr)\nprint(3)\n!echo 4 >&2")

    assert [(output["name"], output["text"]) for output in ended.outputs] == [
        ("stdout", "1\n"),
        ("stderr", "2\n"),
        ("stdout", "3\n"),
        ("stderr", "4\n"),
    ]


def test_what_a_thread_of_the_cell_prints_is_captured(worker: CellWorker) -> None:
    ended = worker.run("import threading\nt = threading.Thread(target=print, args=('thread',))\nt.start()\nt.join()")

    assert ended.text() == "thread\n"


def test_text_is_sent_while_the_cell_runs(worker: CellWorker) -> None:
    ended = worker.run("import time\nprint('first')\ntime.sleep(0.3)\nprint('second')")

    assert [message["text"] for message in ended.shown] == ["first\n", "second\n"]


def test_text_of_many_small_pieces_is_sent_in_few(worker: CellWorker) -> None:
    ended = worker.run("for i in range(20_000): print(i)")

    assert ended.text() == "".join(f"{i}\n" for i in range(20_000))
    assert len(ended.shown) < 500


def test_more_than_a_cell_may_show_keeps_its_head_and_its_tail(worker: CellWorker) -> None:
    ended = worker.run("print('first')\nfor i in range(300): print('x' * 100_000)\nprint('last')")

    total = sum(len(output["text"]) for output in ended.outputs)
    assert 9_000_000 < total < 10_100_000
    assert ended.text().startswith("first\n")
    assert ended.text().endswith("x\nlast\n")
    assert [output["text"] for output in ended.outputs if output["name"] == "stderr"] == [
        "\n… 20.1 MB of output were cut here …\n"
    ]


def test_a_progress_bar_is_one_line(worker: CellWorker) -> None:
    ended = worker.run("from tqdm.auto import tqdm\nfor i in tqdm(range(50), mininterval=0): pass")

    assert ended.text("stderr").count("it/s]") == 1
    assert "50/50" in ended.text("stderr")


def test_rich_prints_without_a_terminal(worker: CellWorker) -> None:
    assert worker.run("import rich\nrich.print('[red]hi[/red]')").text() == "hi\n"


# --- logging and warnings


def test_logging_shows_what_a_notebook_shows_and_logs_the_rest(worker: CellWorker) -> None:
    ended = worker.run(
        "import logging\n"
        "log = logging.getLogger('mine')\n"
        "log.debug('d')\nlog.info('i %s', 1)\nlog.warning('w')\nlogging.getLogger('distributed.x').info('own')\n"
        "log.disabled = True\nlog.error('off')"
    )

    assert ended.text("stderr") == "w\n"
    assert [(line.logger, line.level, line.message) for line in ended.lines] == [
        ("mine", logging.INFO, "i 1"),
        ("mine", logging.WARNING, "w"),
    ]


def test_a_cell_may_set_logging_up(worker: CellWorker) -> None:
    source = "import logging\nlogging.basicConfig(level=logging.DEBUG, format='%(levelname)s %(message)s')\nlogging.debug('d')"

    first, second = worker.run(source), worker.run(source)

    assert first.text("stderr") == second.text("stderr") == "DEBUG d\n"


def test_a_logged_exception_comes_with_its_trace(worker: CellWorker) -> None:
    ended = worker.run("import logging\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    logging.exception('no')")

    assert ended.lines[0].message.startswith("no\nTraceback")
    assert ended.lines[0].message.endswith("ZeroDivisionError: division by zero")


def test_endless_logging_is_cut(worker: CellWorker) -> None:
    ended = worker.run("import logging\nfor i in range(1500): logging.info('x' * 9000 + str(i))")

    note = next(index for index, line in enumerate(ended.lines) if "log lines were cut" in line.message)
    assert sum(len(line.message) for line in ended.lines[:note]) <= 10_000_000
    assert [line.message[9000:] for line in ended.lines[note + 1 :]] == [str(i) for i in range(1300, 1500)]


def test_a_warning_names_the_cell_and_the_line(worker: CellWorker) -> None:
    source = "import warnings\n\nwarnings.warn('careful')"

    first, second = worker.run(source), worker.run(source)

    assert first.text("stderr") == "<task clean>:4: UserWarning: careful\n  warnings.warn('careful')\n"
    assert second.text("stderr") == first.text("stderr")


# --- rich output


def test_the_value_of_the_last_expression_is_shown_without_a_number(worker: CellWorker) -> None:
    assert worker.run("x = 1\nx + 1").outputs == [
        {"output_type": "display_data", "data": {"text/plain": "2"}, "metadata": {}}
    ]
    assert worker.run("1 + 1;").outputs == worker.run("x = 3").outputs == worker.run("None").outputs == []


def test_a_table_is_shown_as_html(worker: CellWorker) -> None:
    (output,) = worker.run("import pandas as pd\npd.DataFrame({'a': [1]})").outputs

    assert set(output["data"]) == {"text/plain", "text/html"}
    assert "<table" in output["data"]["text/html"]


def test_display_text_and_figures_come_in_order(worker: CellWorker) -> None:
    ended = worker.run("from IPython.display import HTML\nprint('a')\ndisplay(HTML('<b>b</b>'), 3)\nprint('c')")

    assert [output.get("text") or output["data"].get("text/html") or output["data"]["text/plain"] for output in ended.outputs] == [
        "a\n", "<b>b</b>", "3", "c\n",
    ]  # fmt: skip


def test_an_updated_display_shows_its_last_content_in_its_place(worker: CellWorker) -> None:
    ended = worker.run("handle = display('one', display_id='me')\nprint('then')\nhandle.update('two')")

    assert [output["output_type"] for output in ended.outputs] == ["display_data", "stream"]
    assert ended.outputs[0] == {"output_type": "display_data", "data": {"text/plain": "'two'"}, "metadata": {}}
    assert [message["output_type"] for message in ended.shown] == ["display_data", "stream", "update_display_data"]
    assert ended.shown[0]["transient"] == ended.shown[2]["transient"] == {"display_id": "me"}


@pytest.mark.parametrize(("wait", "expected"), [("False", "after\n"), ("True", "after\n")])
def test_cleared_output_is_gone(worker: CellWorker, wait: str, expected: str) -> None:
    ended = worker.run(
        f"from IPython.display import clear_output\nprint('before')\nclear_output(wait={wait})\nprint('after')"
    )

    assert ended.text() == expected
    assert {"output_type": "clear_output", "wait": wait == "True"} in ended.shown


def test_output_that_waits_to_be_cleared_stays_when_nothing_follows(worker: CellWorker) -> None:
    assert (
        worker.run("from IPython.display import clear_output\nprint('stays')\nclear_output(wait=True)").text()
        == "stays\n"
    )


def test_an_image_beyond_the_bound_is_replaced_by_a_note(worker: CellWorker) -> None:
    (output,) = worker.run("display({'image/png': b'x' * 8_000_000}, raw=True)").outputs

    assert output["data"] == {"text/plain": "[an output of 11 MB (image/png) was cut here]"}


def test_values_in_a_bundle_become_json(worker: CellWorker) -> None:
    source = "import numpy as np\ndisplay({'application/json': {'a': np.float64(1), 'b': (1, float('nan')), 3: b'x'}}, raw=True)"

    (output,) = worker.run(source).outputs

    assert output["data"] == {"application/json": {"a": 1.0, "b": [1, None], "3": "eA=="}}


@pytest.mark.parametrize(
    "source",
    [
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
        "import matplotlib.pyplot as plt\nfigure, axes = plt.subplots()\naxes.plot([1])\ndisplay(figure)\nplt.close(figure)",
    ],
    ids=["left open", "shown", "displayed"],
)
def test_a_figure_is_shown_once(worker: CellWorker, source: str) -> None:
    images = [output["data"]["image/png"] for output in worker.run(source).outputs if "image/png" in output["data"]]

    assert len(images) == 1
    assert base64.b64decode(images[0]).startswith(b"\x89PNG")


def test_a_figure_of_a_failed_cell_is_shown(worker: CellWorker) -> None:
    ended = worker.run("import matplotlib.pyplot as plt\nplt.plot([1, 2])\n1 / 0")

    assert ended.outcome.error.type == "ZeroDivisionError"
    assert [list(output["data"]) for output in ended.outputs] == [["text/plain", "image/png"]]


def test_the_style_of_one_cell_does_not_reach_the_next(worker: CellWorker) -> None:
    worker.run("import matplotlib.pyplot as plt")
    before = worker.call(cell_worker.figure_settings)

    worker.run(
        "import matplotlib\nmatplotlib.use('agg')\nmatplotlib.rcParams['font.size'] = 99\nmatplotlib.style.use('ggplot')"
    )

    assert worker.call(cell_worker.figure_settings) == before


def test_a_figure_goes_on_to_the_next_task_and_is_not_shown_there(worker: CellWorker) -> None:
    first = worker.run(
        "import matplotlib.pyplot as plt\nfigure, axes = plt.subplots()\naxes.plot([1, 2])", outputs=("figure", "axes")
    )

    second = worker.run(
        "axes.set_title('t')\nsame = axes.figure is figure",
        upstream={"t": first.result},
        upstream_names={"t": ("figure", "axes")},
        outputs=("same",),
    )

    assert second.values() == {"same": True}
    assert second.outputs == []


# --- IPython's syntax


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("names = !echo one two\nx = names[0]", "one two"),
        ("word = 'hi'\nnames = !echo $word {word.upper()}\nx = names[0]", "hi HI"),
        ("!exit 3\nx = _exit_code", 3),
        ("%time x = 2", 2),
        ("%%time\nx = 4", 4),
        ("%%capture out\nprint('quiet')", None),
        ("import asyncio\nx = await asyncio.sleep(0, 5)", 5),
        ("import asyncio\nasync def f(): return 6\nx = sum(await asyncio.gather(f(), f()))", 12),
        ("async with __import__('contextlib').AsyncExitStack(): x = 7", 7),
        ("import asyncio\nx = asyncio.run(asyncio.sleep(0, 8))", 8),
        ("from __future__ import annotations\ndef f(a: int): ...\nx = f.__annotations__['a']", "int"),
        ("def f(a: int): ...\nx = f.__annotations__['a'] is int", True),
        ("%cd /\nimport os\nx = os.getcwd()", "/"),
        ("x = get_ipython() is not None", True),
        ("%%bash\necho from bash", None),
        ("\n\n# a comment first\nx = 9", 9),
        ("", None),
    ],
)
def test_ipython_syntax_works(worker: CellWorker, source: str, expected: object) -> None:
    ended = worker.run(source, outputs=("x",))

    assert ended.outcome.error is None
    assert ended.values().get("x") == expected


def test_a_shell_command_runs_in_the_cells_folder_and_environment(worker: CellWorker) -> None:
    ended = worker.run("!pwd; echo $REGION", cwd="/", environ={"REGION": "EU"})

    assert ended.text() == "/\nEU\n"


@pytest.mark.parametrize("source", ["%%task inner\nx = 1", "%flow", "%task inner", "if True:\n    %orchestra cluster"])
def test_a_magic_of_the_notebook_is_refused_inside_a_task(worker: CellWorker, source: str) -> None:
    error = worker.run(source).outcome.error

    assert error.type == "UsageError"
    assert "works in the notebook, not inside a task cell" in error.message


def test_a_cell_leaves_its_objects_to_be_freed(worker: CellWorker) -> None:
    hold = "import sys, weakref\nclass Big: ...\nbig = Big()\nbig.me = lambda: big\nsys.path_hooks_of_test = weakref.ref(big)\n"
    probe = "import sys\nx = sys.path_hooks_of_test() is None"

    for end in ("big.__dict__.clear()", "big.__dict__.clear()\n1 / 0", "big.__dict__.clear()\nbig"):
        worker.run(hold + end, outputs=("big",) if "1 / 0" not in end else ())

        assert worker.run(probe, outputs=("x",)).values() == {"x": True}


def test_a_function_of_another_cell_shows_its_lines_in_a_trace(worker: CellWorker) -> None:
    from orchestra_nb.notebooks.value_unpickler import remember_source

    source = "def broken(x):\n    return x / 0\n"
    namespace: dict[str, Any] = {"__name__": "__main__"}
    remember_source("/tmp/ipykernel_1/123.py", source)
    exec(compile(source, "/tmp/ipykernel_1/123.py", "exec"), namespace)

    error = worker.run("broken(1)", inputs=pack_values({"broken": namespace["broken"]}, namespace).groups).outcome.error

    assert (error.line, error.source_line) == (2, "broken(1)")
    assert '  File "/tmp/ipykernel_1/123.py", line 2, in broken\n    return x / 0' in error.traceback
