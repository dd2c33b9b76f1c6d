"""``orchestra runs``: what people read, what scripts read, and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from click.testing import CliRunner, Result
from patience import PATIENCE_SECONDS

from orchestra_nb.cli.main import main
from orchestra_nb.model.events import (
    CellRunChanged,
    DriverStarted,
    LogsWritten,
    RunCreated,
    RunReopened,
    RunStateChanged,
    TaskRunCreated,
    TaskRunStateChanged,
)
from orchestra_nb.model.identifiers import new_id
from orchestra_nb.model.runs import CellRun, ErrorInfo, LogLine, Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.services.driver_guard import describe_this_process
from orchestra_nb.store.database import open_database
from orchestra_nb.store.run_store import RunStore

NOW = datetime.now(UTC)

RUN = Run(
    run_id=f"{1:032x}",
    name="calm-fox",
    flow_name="report",
    kind=RunKind.NOTEBOOK,
    state=State.PENDING,
    created_at=NOW - timedelta(hours=5, minutes=10),
    notebook_path="/notebooks/report.ipynb",
    parameters={"region": "EU", "limit": float("-inf"), "share": float("nan")},
    driver_id="driver-1",
)
LOAD = TaskRun(task_run_id="a" * 32, run_id=RUN.run_id, name="load", state=State.PENDING, created_at=RUN.created_at)
PLOT = TaskRun(
    task_run_id="b" * 32,
    run_id=RUN.run_id,
    name="plot",
    state=State.PENDING,
    created_at=RUN.created_at,
    upstream=(LOAD.task_run_id,),
)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Iterator[RunStore]:
    monkeypatch.setenv("ORCHESTRA_STORE_URL", sqlite_url)
    database = open_database(sqlite_url)
    yield RunStore(database)
    database.close()


@pytest.fixture
def failed_run(store: RunStore) -> Run:
    """A run whose first task failed, in its second cell."""
    error = ErrorInfo(type="ValueError", message="could not convert 'n/a'", cell="load", line=3)
    start = RUN.created_at

    def task(record: TaskRun, state: State, seconds: int, **fields: object) -> TaskRunStateChanged:
        at = start + timedelta(seconds=seconds)
        return TaskRunStateChanged(run_id=RUN.run_id, task_run_id=record.task_run_id, state=state, at=at, **fields)

    def cell(index: int, state: State) -> CellRunChanged:
        return CellRunChanged(cell=CellRun(run_id=RUN.run_id, index=index, cell_id=f"c{index}", state=state, title="x"))

    store.apply(
        [
            RunCreated(run=RUN),
            RunStateChanged(run_id=RUN.run_id, state=State.RUNNING, at=start),
            TaskRunCreated(task_run=LOAD),
            TaskRunCreated(task_run=PLOT),
            cell(0, State.COMPLETED),
            cell(1, State.FAILED),
            task(LOAD, State.RUNNING, 1, attempt=1, worker="worker 1"),
            task(LOAD, State.FAILED, 43, error=error),
            task(PLOT, State.UPSTREAM_FAILED, 43, message="needs load"),
            RunStateChanged(
                run_id=RUN.run_id, state=State.FAILED, at=start + timedelta(seconds=60), message="Task load failed"
            ),
        ]
    )
    return RUN


def orchestra(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def test_an_empty_list_teaches_the_first_step(store: RunStore) -> None:
    shown = orchestra("runs", "ls")

    assert shown.exit_code == 0
    assert shown.stdout == "No runs yet. Put %%task on a cell, or run `orchestra run NOTEBOOK`.\n"
    assert json.loads(orchestra("runs", "ls", "--json").stdout) == {"runs": []}


def test_the_list_is_plain_columns_when_it_is_not_a_terminal(failed_run: Run) -> None:
    shown = orchestra("runs", "ls")

    assert (shown.exit_code, shown.stderr) == (0, "")
    assert [line.split("  ") for line in map(_squeeze, shown.stdout.splitlines())] == [
        ["RUN", "FLOW", "STATE", "TASKS", "CREATED", "TOOK", "PARAMETERS", "MESSAGE"],
        [
            "calm-fox",
            "report",
            "✕ Failed",
            "2/2",
            "5 h ago",
            "1 min",
            "region='EU', limit='-Infinity', share='…",
            "Task load failed",
        ],
    ]


def test_on_a_terminal_the_list_has_colours_and_fits(failed_run: Run) -> None:
    terminal, program = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "60"}
    command = [sys.executable, "-m", "orchestra_nb", "runs", "ls"]
    with subprocess.Popen(command, stdout=program, env=environment):
        os.close(program)
        shown = _read_terminal(terminal)

    heading, row = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert "\x1b[31m✕ Failed" in shown
    assert (heading.split()[0], row.split()[0], row.rstrip()[-1]) == ("RUN", "calm-fox", "…")
    assert max(len(heading), len(row)) <= 60


def test_the_list_for_scripts_has_everything(failed_run: Run) -> None:
    (run,) = json.loads(orchestra("runs", "ls", "--json").stdout)["runs"]

    assert (run["run_id"], run["state"], run["tasks"]) == (RUN.run_id, "FAILED", {"total": 2, "done": 2, "failed": 2})
    assert run["parameters"] == {"region": "EU", "limit": "-Infinity", "share": "NaN"}
    assert datetime.fromisoformat(run["created_at"]) == RUN.created_at


def test_a_failed_run_shows_the_traceback_of_its_first_task_and_where_the_others_are(store: RunStore) -> None:
    trace = 'Traceback (most recent call last):\n  File "load.py", line 3, in fetch\nValueError: no'
    error = ErrorInfo(type="ValueError", message="no", line=3, traceback=trace)
    store.apply([RunCreated(run=RUN), RunStateChanged(run_id=RUN.run_id, state=State.RUNNING, at=NOW)])
    for record in (LOAD, PLOT):
        ids = {"run_id": RUN.run_id, "task_run_id": record.task_run_id}
        end = TaskRunStateChanged(**ids, state=State.FAILED, at=NOW, error=error)
        store.apply([TaskRunCreated(task_run=record), end])

    whole = orchestra("runs", "show", "calm-fox").stdout
    one = orchestra("runs", "show", "calm-fox", "--task", "plot").stdout

    assert f"\nTask load failed:\n{trace}\n" in whole
    assert "The traceback of another task: orchestra runs show calm-fox --task plot\n" in whole
    assert f"\nTask plot failed:\n{trace}\n" in one
    assert "\nload " not in one
    assert orchestra("runs", "show", "calm-fox", "--task", "third").exit_code == 3


def test_the_list_is_filtered_and_limited_and_says_when_there_is_more(store: RunStore) -> None:
    numbered = [_numbered(number) for number in range(2, 9)]
    store.apply([RunCreated(run=run) for run in numbered])
    store.apply([RunStateChanged(run_id=numbered[0].run_id, state=State.RUNNING, at=NOW)])

    limited = orchestra("runs", "ls", "--limit", "3")
    running = orchestra("runs", "ls", "--state", "running,failed", "--json")
    none = orchestra("runs", "ls", "--state", "MISSED")

    assert [line.split()[0] for line in limited.stdout.splitlines()] == ["RUN", "fox-8", "fox-7", "fox-6"]
    assert limited.stderr == "These are the newest 3. For more: --limit 15\n"
    assert [run["name"] for run in json.loads(running.stdout)["runs"]] == ["fox-2"]
    assert none.stdout == "No run is in one of the states MISSED. `orchestra runs ls` lists all runs.\n"


def test_the_list_tells_notebooks_of_one_name_apart(store: RunStore) -> None:
    def made(number: int, path: str) -> RunCreated:
        return RunCreated(run=msgspec.structs.replace(_numbered(number), notebook_path=path))

    store.apply([made(2, "/notebooks/report.ipynb")])
    assert "NOTEBOOK" not in orchestra("runs", "ls").stdout

    store.apply([made(3, "/other/report.ipynb")])

    heading, newest, older = orchestra("runs", "ls").stdout.splitlines()
    assert "NOTEBOOK" in heading
    assert "/other/report.ipynb" in newest
    assert "/notebooks/report.ipynb" in older


def test_the_list_is_filtered_by_flow_tag_and_time(store: RunStore) -> None:
    def made(number: int, hours_ago: int, **fields: object) -> Run:
        at = NOW - timedelta(hours=hours_ago)
        return msgspec.structs.replace(_numbered(number), run_id=new_id(at, number), created_at=at, **fields)

    store.apply(
        [
            RunCreated(run=made(2, 50, flow_name="sales")),
            RunCreated(run=made(3, 5, flow_name="sales", tags={"nightly": ""}, notebook_path="/notebooks/sales.ipynb")),
            RunCreated(run=made(4, 1, tags={"Nightly": "", "50%": ""})),
        ]
    )

    def names(*words: str) -> list[str]:
        return [run["name"] for run in json.loads(orchestra("runs", "ls", "--json", *words).stdout)["runs"]]

    assert names("--flow", "sales") == ["fox-3", "fox-2"]
    assert names("--flow", "*AL*") == ["fox-3", "fox-2"]
    assert names("--notebook", "/notebooks/other/../sales.ipynb") == ["fox-3"]
    assert names("--notebook", "sales.ipynb") == []
    assert names("--tag", "nightly") == ["fox-3"]
    assert names("--tag", "50%") == ["fox-4"]
    assert names("--since", "2d") == ["fox-4", "fox-3"]
    assert names("--since", f"{NOW - timedelta(hours=3):%Y-%m-%dT%H:%M:%S+00:00}") == ["fox-4"]
    assert names("--since", "1066-10-14") == ["fox-4", "fox-3", "fox-2"]
    assert names("--since", "6h", "--flow", "sales", "--state", "PENDING") == ["fox-3"]
    assert orchestra("runs", "ls", "--tag", "x").stdout == "No run is like that. `orchestra runs ls` lists all runs.\n"
    assert "'soon' is no time. Write 2026-01-31" in orchestra("runs", "ls", "--since", "soon").stderr


def test_a_run_is_shown_with_its_tasks_and_cells(failed_run: Run) -> None:
    shown = orchestra("runs", "show", "calm-fox")

    assert (shown.exit_code, shown.stderr) == (0, "")
    lines = [_squeeze(line) for line in shown.stdout.splitlines()]
    assert lines[:3] == ["calm-fox  report  ✕ Failed  1 min", "Task load failed", f"  id  {RUN.run_id}"]
    assert "  parameters  region='EU', limit='-Infinity', share='NaN'" in lines
    assert lines[-9:] == [
        "TASK  STATE  TOOK  ATTEMPT  WORKER  MESSAGE",
        "load  ✕ Failed  42 s  1 of 1  worker 1  ValueError: could not convert 'n/a' (load, line 3)",
        "plot  ↥ Upstream failed  -  0 of 1  -  needs load",
        "",
        "CELL  STATE  TOOK  TITLE  ERROR",
        "1  ✓ Completed  -  x",
        "2  ✕ Failed  -  x",
        "",
        "Its logs: orchestra runs logs calm-fox",
    ]


@pytest.mark.parametrize(
    ("cluster", "has_task", "is_shown"),
    [("local", False, False), ("local", True, True), ("tcp://host:8786", False, True)],
    ids=["local, unused", "local, used", "named"],
)
def test_the_cluster_of_a_run_is_shown_where_it_was_named_or_used(
    store: RunStore, cluster: str, has_task: bool, is_shown: bool
) -> None:
    store.apply([RunCreated(run=msgspec.structs.replace(RUN, cluster=cluster))])
    if has_task:
        store.apply([TaskRunCreated(task_run=LOAD)])

    lines = [_squeeze(line) for line in orchestra("runs", "show", "calm-fox").stdout.splitlines()]

    assert (f"  cluster  {cluster}" in lines) is is_shown


def test_a_cell_that_was_never_reached_and_an_error_without_words_are_shown_as_such(
    store: RunStore, failed_run: Run
) -> None:
    error = ErrorInfo(type="KeyboardInterrupt", message="", cell="cell 3", line=2)
    cells = (
        CellRun(run_id=RUN.run_id, index=2, cell_id="c2", state=State.CANCELLED, title="x", error=error),
        CellRun(run_id=RUN.run_id, index=3, cell_id="c3", state=State.PENDING, title="x"),
    )
    store.apply([CellRunChanged(cell=cell) for cell in cells])

    lines = [_squeeze(line) for line in orchestra("runs", "show", "calm-fox").stdout.splitlines()]

    assert "3  ⊘ Cancelled  -  x  KeyboardInterrupt (cell 3, line 2)" in lines
    assert "4  · Not run  -  x" in lines


def test_a_run_that_was_begun_again_is_shown_with_the_tasks_of_now(store: RunStore, failed_run: Run) -> None:
    again, lost = (
        msgspec.structs.replace(task, task_run_id=letter * 32, epoch=2) for task, letter in ((LOAD, "c"), (PLOT, "d"))
    )
    ends = {"run_id": RUN.run_id, "state": State.COMPLETED, "at": NOW, "epoch": 2}
    worker = describe_this_process("worker", 600)
    drivers = [
        DriverStarted(driver=msgspec.structs.replace(worker, driver_id=id_, host=host))
        for id_, host in (("driver-1", "north"), ("driver-2", "south"))
    ]
    store.apply(
        [
            *drivers,
            RunReopened(run_id=RUN.run_id, epoch=2, at=NOW, driver_id="driver-2", actor="ada", message="mended"),
            RunStateChanged(run_id=RUN.run_id, state=State.PENDING, at=NOW, epoch=2),
            RunStateChanged(run_id=RUN.run_id, state=State.RUNNING, at=NOW, epoch=2),
            TaskRunCreated(task_run=again),
            TaskRunCreated(task_run=lost),
            TaskRunStateChanged(task_run_id=again.task_run_id, is_cached=True, attempt=1, **ends),
            TaskRunStateChanged(task_run_id=lost.task_run_id, attempt=2, **ends),
        ]
    )

    newest = [_squeeze(line) for line in orchestra("runs", "show", "calm-fox").stdout.splitlines()]
    every = [_squeeze(line) for line in orchestra("runs", "show", "calm-fox", "--all").stdout.splitlines()]
    document = json.loads(orchestra("runs", "show", "calm-fox", "--json").stdout)
    [listed] = json.loads(orchestra("runs", "ls", "--json").stdout)["runs"]

    assert "  begun  2 times; the tasks of all: orchestra runs show calm-fox --all" in newest
    assert [line for line in newest if line.startswith(("load", "plot"))] == [
        "load  ✓ Cached  -  1 of 1  -",
        "plot  ✓ Completed  -  2, 1 after a lost worker  -",
    ]
    assert [
        line.split("  ")[:3] for line in every if line.startswith(("1  load", "1  plot", "2  load", "2  plot"))
    ] == [
        ["1", "load", "✕ Failed"],
        ["1", "plot", "↥ Upstream failed"],
        ["2", "load", "✓ Cached"],
        ["2", "plot", "✓ Completed"],
    ]
    assert [(task["epoch"], task["is_cached"]) for task in document["tasks"]] == [(2, True), (2, False)]
    assert (document["epoch"], listed["tasks"]) == (2, {"total": 2, "done": 2, "failed": 0})
    shown = [line.split("  ") for line in newest[newest.index("") :] if " on " in line]
    assert [[*words[:2], *words[4:]] for words in shown] == [
        ["1", "✕ Failed", f"worker on north, pid {worker.pid}", "Task load failed"],
        ["2", "▶ Running", f"worker on south, pid {worker.pid}", "-"],
    ]
    assert [
        (one["number"], one["state"], one["host"], one["opened_by"], one["reason"]) for one in document["attempts"]
    ] == [(1, "FAILED", "north", "", ""), (2, "RUNNING", "south", "ada", "mended")]


def test_a_run_for_scripts_has_the_form_of_orchestra_run(failed_run: Run) -> None:
    document = json.loads(orchestra("runs", "show", RUN.run_id, "--json").stdout)

    assert {"run_id", "state", "message", "output", "parameters", "cells", "tasks"} <= document.keys()
    assert (document["state"], document["parameters"]["limit"]) == ("FAILED", "-Infinity")
    assert [(cell["index"], cell["id"], cell["state"]) for cell in document["cells"]] == [
        (0, "c0", "COMPLETED"),
        (1, "c1", "FAILED"),
    ]
    load, plot = document["tasks"]
    assert (load["name"], load["state"], load["attempts"], load["worker"]) == ("load", "FAILED", 1, "worker 1")
    assert load["error"]["type"] == "ValueError"
    assert plot["upstream"] == [load["id"]]


def test_logs_name_the_task_and_the_level_that_matters(store: RunStore, failed_run: Run) -> None:
    at = datetime(2026, 11, 2, 8, 0, 12, tzinfo=UTC)
    lines = (
        LogLine(run_id=RUN.run_id, at=at, message="begin"),
        LogLine(run_id=RUN.run_id, at=at, message="half\tdone", task_run_id=LOAD.task_run_id),
        LogLine(run_id=RUN.run_id, at=at, message="no rows", level=30, task_run_id=PLOT.task_run_id),
    )
    store.apply([LogsWritten(lines=lines)])

    everything = orchestra("runs", "logs", "calm-fox")
    of_load = orchestra("runs", "logs", "calm-fox", "--task", "load", "--json")

    assert everything.stdout.splitlines() == [
        "08:00:12 begin",
        "08:00:12 load: half\tdone",
        "08:00:12 WARNING plot: no rows",
    ]
    (line,) = [json.loads(text) for text in of_load.stdout.splitlines()]
    assert (line["message"], line["task"], line["level"], line["at"]) == (
        "half\tdone",
        "load",
        20,
        "2026-11-02T08:00:12Z",
    )


def test_what_users_write_cannot_drive_the_terminal(store: RunStore) -> None:
    evil = "\x1b[2Jcleared \u202egnp.exe"
    store.apply(
        [
            RunCreated(run=_numbered(2, flow_name=evil)),
            LogsWritten(lines=(LogLine(run_id=f"{2:032x}", at=NOW, message=evil),)),
        ]
    )

    shown = [orchestra("runs", *words).stdout for words in (["ls"], ["show", "fox-2"], ["logs", "fox-2"])]

    assert [r"\x1b[2Jcleared \u202egnp.exe" in text for text in shown] == [True, True, True]
    assert not any("\x1b" in text or "\u202e" in text for text in shown)


def test_following_logs_ends_with_the_run(store: RunStore) -> None:
    store.apply([RunCreated(run=RUN), LogsWritten(lines=(LogLine(run_id=RUN.run_id, at=NOW, message="first"),))])
    command = [sys.executable, "-m", "orchestra_nb", "runs", "logs", "calm-fox", "--follow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        seen = [following.stdout.readline()]

        store.apply([LogsWritten(lines=(LogLine(run_id=RUN.run_id, at=NOW, message="second"),))])
        seen.append(following.stdout.readline())
        states = [RunStateChanged(run_id=RUN.run_id, state=state, at=NOW) for state in (State.RUNNING, State.COMPLETED)]
        store.apply([LogsWritten(lines=(LogLine(run_id=RUN.run_id, at=NOW, message="third"),)), *states])
        seen += following.stdout.readlines()

    assert [line.split()[1] for line in seen] == ["first", "second", "third"]
    assert following.returncode == 0


def test_interrupting_a_followed_log_exits_with_130(store: RunStore) -> None:
    store.apply([RunCreated(run=RUN), LogsWritten(lines=(LogLine(run_id=RUN.run_id, at=NOW, message="first"),))])
    command = [sys.executable, "-m", "orchestra_nb", "runs", "logs", "calm-fox", "-f"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        following.stdout.readline()

        following.send_signal(signal.SIGINT)
        _, said = following.communicate(timeout=PATIENCE_SECONDS)

    assert (following.returncode, "Traceback" in said) == (130, False)


def test_cancelling_asks_the_driver(store: RunStore) -> None:
    store.apply([RunCreated(run=RUN), TaskRunCreated(task_run=LOAD)])

    of_task = orchestra("runs", "cancel", "calm-fox", "--task", "load")
    of_run = orchestra("runs", "cancel", "calm-fox", "--json")

    assert (
        of_task.stdout
        == "Task load of run calm-fox was asked to stop. `orchestra runs show calm-fox` tells its state.\n"
    )
    assert json.loads(of_run.stdout) == {"cancelled": RUN.run_id}
    assert [request.task_run_id for request in store.cancel_requests("driver-1")] == [LOAD.task_run_id, None]


def test_the_state_of_a_run_that_has_ended_is_set_with_a_note(store: RunStore, failed_run: Run) -> None:
    done = orchestra("runs", "set-state", "calm-fox", "completed", "--note", "mended by hand")
    again = orchestra("runs", "set-state", "calm-fox", "COMPLETED")
    back = orchestra("runs", "set-state", "calm-fox", "FAILED", "--json")

    assert re.fullmatch(r"Run calm-fox is COMPLETED: set to COMPLETED by .+: mended by hand\.\n", done.stdout)
    assert (again.exit_code, "is COMPLETED already" in again.stderr) == (1, True)
    assert json.loads(back.stdout)["state"] == "FAILED"
    assert [change.to_state for change in store.state_changes(failed_run.run_id, with_tasks=False)][-2:] == [
        State.COMPLETED,
        State.FAILED,
    ]


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        pytest.param(["show", "nobody"], 3, "run_not_found", id="no such run"),
        pytest.param(["logs", "nobody"], 3, "run_not_found", id="logs of no such run"),
        pytest.param(["logs", "calm-fox", "--task", "nothing"], 3, "task_not_found", id="no such task"),
        pytest.param(["cancel", "calm-fox"], 1, "conflict", id="ended already"),
        pytest.param(["ls", "--state", "HAPPY"], 2, "invalid_input", id="no such state"),
        pytest.param(["ls", "--deployment", "nosuch"], 3, "deployment_not_found", id="no such deployment"),
        pytest.param(["ls", "--limit", "0"], 2, "usage", id="limit of none"),
    ],
)
def test_errors_have_an_exit_code_and_say_what_to_do(
    failed_run: Run, words: list[str], exit_code: int, code: str
) -> None:
    told = orchestra("runs", *words)
    as_json = orchestra("runs", *words, "--json")

    assert (told.exit_code, told.stdout, "Traceback" in told.stderr) == (exit_code, "", False)
    error = json.loads(as_json.stdout)["error"]
    assert (as_json.exit_code, as_json.stderr, error["code"]) == (exit_code, "", code)
    assert error["message"] in told.stderr


def _numbered(number: int, **fields: str) -> Run:
    defaults: dict[str, object] = {
        "run_id": f"{number:032x}",
        "name": f"fox-{number}",
        "flow_name": "report",
        "kind": RunKind.NOTEBOOK,
        "state": State.PENDING,
        "created_at": NOW,
    }
    return Run(**{**defaults, **fields})  # type: ignore[arg-type]


def _read_terminal(terminal: int) -> str:
    shown = b""
    with open(terminal, "rb", buffering=0) as stream, contextlib.suppress(OSError):  # Linux: EIO is its end
        while part := stream.read(1024):
            shown += part
    return shown.decode()


def _squeeze(line: str) -> str:
    """Return a line of columns with two blanks between them."""
    start = line[: len(line) - len(line.lstrip())]
    return start + "  ".join(part.strip() for part in line.split("  ") if part.strip())
