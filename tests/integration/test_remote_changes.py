"""What commands change over a server is changed there, and what cannot be is told in words that help."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3

from orchestra_nb.client import Client
from orchestra_nb.engine.fresh_ids import fresh_id
from orchestra_nb.errors import InvalidInput, StoreUnavailable
from orchestra_nb.model.deployments import NotebookTarget
from orchestra_nb.model.events import LogsWritten, RunCreated, RunStateChanged
from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.model.runs import LogLine, Run, RunKind
from orchestra_nb.model.states import State
from orchestra_nb.store.run_input_store import RunInputStore
from tests.faults.notebook_command import code_cell, notebook_of
from tests.integration.dropping_proxy import DroppingProxy
from tests.integration.remote_world import OWN_TOKEN, RemoteWorld
from tests.patience import PATIENCE_SECONDS, eventually

_PARAMETERS = "region: str = 'EU'\nnumber: int = 1"
_NEVER = "import time\nwhile True:\n    time.sleep(0.02)"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteWorld]:
    world = RemoteWorld(tmp_path_factory.mktemp("changes"))
    cells = [
        code_cell(_PARAMETERS, "parameters"),
        code_cell("from orchestra_nb import record\nrecord(twice=2 * number)"),
    ]
    for folder in (world.home, world.elsewhere):
        (folder / "report.ipynb").write_text(json.dumps(notebook_of(*cells)))
    (world.home / "endless.ipynb").write_text(json.dumps(notebook_of(code_cell(_NEVER))))
    (world.elsewhere / "automations.yaml").write_text(
        "automations:\n  - name: refill\n    when: {success: load}\n    do:\n      - emit: shop.loaded\n"
        "        resource: shop\n"
    )
    (world.elsewhere / "pools.yaml").write_text("pools: [{name: cpu}]")
    try:
        world.start_server()
        yield world
    finally:
        world.close()


#: Command, what it is given on stdin, and what it says, of which (RUN) stands for a run's name.
_STORY: list[tuple[str, str | None, str]] = [
    ("variables set colour blue --tag shop", None, 'colour is "blue"'),
    ("variables set colour red --overwrite", None, 'colour is "red"'),
    ("variables unset colour", None, "colour is no more."),
    ("secrets set db", "open sesame\n", "db is set."),
    ("secrets set db", "sesame\n", "db is replaced."),
    ("secrets unset db", None, "db is no more."),
    ("concurrency create api --limit 3", None, "api has 3 slots."),
    ("concurrency update api --limit 1 --disable", None, "api has 1 slot (not enforced)."),
    ("concurrency delete api", None, "api limits nothing any more."),
    ("pools create gpu --concurrency 2", None, "The pool gpu is there, of the kind local."),
    ("pools update gpu --concurrency -1 --description fast", None, "The pool gpu is changed."),
    ("pools pause gpu", None, "The pool gpu is paused: nothing starts in it."),
    ("pools resume gpu", None, "The pool gpu goes on."),
    ("deploy report.ipynb --cron @daily --timezone UTC -p number 2", None, "Created the deployment report of report."),
    ("deploy report.ipynb --name spare --pool gpu -p region EU", None, "Created the deployment spare of report."),
    ("deployments pause report", None, "The schedules of report rest until `orchestra deployments resume report`."),
    ("deployments resume report", None, "report is due next on"),
    ("deployments run report -p number 007", None, "Run (RUN) of report waits"),
    ("deployments backfill report --from 2026-03-01 --to 2026-03-02", None, "2 runs made"),
    ("deployments rollback report --to 1", None, "report is at version 1 already."),
    ("deployments update report", None, ""),
    ("deployments delete spare", None, "spare is deleted."),
    ("apply pools.yaml --yes", None, "Done."),
    ("apply pools.yaml --yes", None, ""),
    ('pools create boxes --kind docker --image a/b:1 --job-variable volumes=["/:/"]', None, "The pool boxes is there"),
    ("pools preview boxes", None, "docker run --init --rm"),
    ("pools delete boxes", None, "The pool boxes is no more."),
    ("pools delete cpu", None, "The pool cpu is no more."),
    ("pools delete gpu", None, "The pool gpu is no more."),
    ("automations create -f automations.yaml", None, "refill  created"),
    ("automations create -f automations.yaml --overwrite", None, "refill  unchanged"),
    ("automations pause refill", None, "refill rests."),
    ("automations resume refill", None, "refill looks at what happens from now on."),
    ("automations delete refill", None, "refill is no more."),
    ("notifications channels add ops --allow-private", "json://localhost:9/x\n", "ops is json://"),
    ("notifications rules add all --channel ops --on end", None, "all tells ops of each end."),
    ("notifications rules delete all", None, "all is no more."),
    ("notifications channels delete ops", None, "ops is no more."),
    ("webhooks create push --event pushed", None, "push takes messages at"),
    ("webhooks rotate push --overlap 1h", None, "Its secret, shown only now:"),
    (
        "webhooks update push --name pushes --when 1 -p n={{payload.n}}",
        None,
        "The webhook push is changed: event pushed.",
    ),
    ("webhooks update pushes --deployment report --no-parameters", None, "is changed: deployment report."),
    ("webhooks pause pushes", None, "The webhook pushes is paused: its messages are ignored."),
    ("webhooks resume pushes", None, "The webhook pushes goes on."),
    ("webhooks delete pushes", None, "pushes is no more."),
    ("tokens create --name box --scope worker:gone", None, "orc_"),
    ("tokens revoke box", None, "box opens nothing any more."),
]


def test_what_is_changed_over_a_server_is_changed_there_and_told_as_on_the_store(
    world: RemoteWorld, tmp_path: Path
) -> None:
    other = RemoteWorld(tmp_path)  # the same story on a store, to compare
    for name in ("report.ipynb", "automations.yaml", "pools.yaml"):
        (other.home / name).write_text((world.elsewhere / name).read_text())
    with closing(other):
        for line, stdin, said in _STORY:
            for form in ([], ["--json"]) if line.startswith(("deployments re", "automations re")) else ([],):
                there = world.remote(*line.split(), *form, stdin=stdin)
                here = other.local(*line.split(), *form, stdin=stdin)

                assert (there.returncode, here.returncode) == (0, 0), (line, there.stderr, here.stderr)
                assert _words(there.stdout, world) == _words(here.stdout, world), line
                assert _warnings(there.stderr) == _warnings(here.stderr), line
                assert ("there is no deployment" in there.stderr) == line.startswith("automations create"), line
                assert form or re.search(re.escape(said).replace(r"\(RUN\)", r"\S+"), there.stdout), (
                    line,
                    there.stdout,
                )

        assert _kept(world.local) == _kept(other.local)
        assert _trail(world.local) == _trail(other.local)


def _warnings(told: str) -> list[str]:
    return [line for line in told.splitlines() if line.startswith("refill: ")]


def _kept(orchestra: Any) -> list[Any]:
    """Return what the story leaves in a store."""
    lists = ["variables", "secrets", "concurrency", "pools", "automations", "webhooks", "deployments"]
    found = [json.loads(orchestra(name, "ls", "--json").stdout) for name in lists]
    versions = json.loads(orchestra("deployments", "versions", "report", "--json").stdout)["versions"]
    runs = json.loads(orchestra("runs", "ls", "--json").stdout)["runs"]
    specs = [
        {name: value for name, value in one["spec"].items() if name not in ("notebook", "cwd")} for one in versions
    ]
    parameters = [(run["deployment"], run["parameters"], run["state"]) for run in runs]
    for one in found[-1]["deployments"]:
        assert one["name"] == "report"
    return [*found[:-1], specs, parameters]


def _trail(orchestra: Any) -> list[tuple[str, str, str]]:
    """Return what the audit trail says was done, the newest first."""
    entries = json.loads(orchestra("audit", "ls", "--json", "--limit", "500").stdout)["entries"]
    return [(one["action"], one["area"], one["target"]) for one in entries]


def _words(text: str, world: RemoteWorld) -> str:
    """Return what a command said without what is another one each time."""
    for pattern, stands in (
        (r"Run \S+ of", "Run RUN of"),
        (r"runs show \S+", "runs show RUN"),
        (r"orc_\S+|whsec_\S+", "SECRET"),
        (re.escape(world.url), "<server>"),
    ):
        text = re.sub(pattern, stands, text)
    return text


def test_a_notebook_that_is_sent_is_what_its_runs_run_and_is_named_by_its_file(world: RemoteWorld) -> None:
    (world.elsewhere / "mine.ipynb").write_text(json.dumps(notebook_of(code_cell("print('mine')"))))

    made = world.remote("deploy", "mine.ipynb", "--name", "theirs", "--retries", "1", "--retry-delay", "5s", "--json")
    refused = world.remote("deploy", "mine.ipynb", "--name", "theirs", "--cron", "wurst", "--concurrency", "0")
    absent = world.remote("deploy", "none.ipynb")
    flow = world.remote("deploy", "none.py:flow")
    fails = world.remote("deployments", "update", "theirs")

    document = json.loads(made.stdout)
    assert (document["outcome"], document["version"], document["spec"]["retry_delay"]) == ("created", 1, "5s")
    assert document["spec"]["notebook"] == str(world.home / "mine.ipynb")
    shown = json.loads(world.local("deployments", "show", "theirs", "--json").stdout)
    assert shown["flow_name"] == "mine"
    assert (refused.returncode, absent.returncode) == (2, 3)
    assert ("wurst" in refused.stderr, "At least 1 run" in refused.stderr) == (True, True)
    assert (flow.returncode, "--name" in flow.stderr) == (2, True)
    assert (fails.returncode, str(world.home / "mine.ipynb") in fails.stderr) == (3, True)


def test_a_file_is_applied_with_its_notebooks_as_where_the_store_is(world: RemoteWorld, tmp_path: Path) -> None:
    text = (
        "pools:\n  - name: slow\n    concurrency: 1\ndeployments:\n  - name: filed\n    notebook: nb/filed.ipynb\n"
        "    pool: slow\n    parameters: {number: 5}\n    schedules: [{every: 1h, timezone: UTC}]\n"
        "    triggers:\n      - when: {success: load}\n"
    )
    cells = [code_cell(_PARAMETERS, "parameters"), code_cell("print(number)")]
    other = RemoteWorld(tmp_path)
    with closing(other):
        for folder in (world.elsewhere, other.home):
            (folder / "nb").mkdir()
            (folder / "nb" / "filed.ipynb").write_text(json.dumps(notebook_of(*cells)))
            (folder / "filed.yaml").write_text(text)
            (folder / "wrong.yaml").write_text(text.replace("every: 1h", "every: wurst"))
        asked = [["--dry-run"], ["--yes"], ["--yes", "--json"]]
        there = [world.remote("apply", "filed.yaml", *words) for words in asked]
        here = [other.local("apply", "filed.yaml", *words) for words in asked]
        wrong = [run("apply", "wrong.yaml", "--yes") for run in (world.remote, other.local)]
        made = json.loads(world.local("deployments", "show", "filed", "--json").stdout)

    assert [(one.returncode, one.stdout) for one in there] == [(one.returncode, one.stdout) for one in here]
    assert there[0].returncode == 0, there[0].stderr
    assert "+ filed  create: every hour" in there[0].stdout
    assert (made["flow_name"], made["spec"]["notebook"]) == ("filed", str(world.home / "filed.ipynb"))
    assert len(made["triggers"]) == 1
    assert [one.returncode for one in wrong] == [2, 2]
    assert wrong[0].stderr == wrong[1].stderr
    assert "wrong.yaml:9: deployments[0].schedules[0]" in wrong[0].stderr


def test_a_notebook_of_the_server_runs_there_and_its_end_is_told_here(world: RemoteWorld) -> None:
    done = world.start_remote("run", "report.ipynb", "-p", "number", "21", "--json")
    shown, said = done.communicate(timeout=PATIENCE_SECONDS)
    left = world.remote("run", "report.ipynb", "--no-wait")
    refused = [
        world.remote("run", "report.ipynb", *words)
        for words in (["out.ipynb"], ["--cwd", "/"], ["--sweep", "number=1,2"], ["-p", "number", "many"])
    ]
    absent = world.remote("run", "../report.ipynb")

    document = json.loads(shown)
    assert (done.returncode, document["state"], document["values"]) == (0, "COMPLETED", {"twice": 42})
    assert document["output"].startswith(str(world.home))
    assert "report · run" in said
    run = world.deployed.wait(left.stdout.strip())
    assert (run.state, run.parameters) == (State.COMPLETED, {})
    assert [one.returncode for one in refused] == [2, 2, 2, 2]
    assert "OUTPUT is for notebooks of this machine" in refused[0].stderr
    assert "--cwd is for notebooks of this machine" in refused[1].stderr
    assert "--sweep is for notebooks of this machine" in refused[2].stderr
    assert "'many'" in refused[3].stderr
    assert absent.returncode == 3


def test_a_notebook_of_the_server_is_planned_as_it_would_run_there(world: RemoteWorld) -> None:
    before = world.remote("plan", "report.ipynb", "-p", "number", "4", "--json")
    ran = world.remote("run", "report.ipynb", "-p", "number", "4", "--cache", "--json")
    after = world.remote("plan", "report.ipynb", "-p", "number", "4", "--json")
    there = world.local("plan", "report.ipynb", "-p", "number", "4", "--json")
    shown = world.remote("plan", "report.ipynb", "-p", "number", "4", "--refresh")
    refused = [
        world.remote("plan", *words)
        for words in (
            ["report.ipynb", "--cwd", "/"],
            ["report.ipynb", "--no-strict"],
            ["report.ipynb", "-p", "number", "many"],
            ["absent.ipynb"],
        )
    ]

    def actions(done: Any) -> list[str]:
        assert done.returncode == 0, done.stderr
        return [cell["action"] for cell in json.loads(done.stdout)["cells"]]

    assert ran.returncode == 0, ran.stderr
    assert (actions(before), actions(after)) == (["run"] * 3, ["replay"] * 3)
    assert json.loads(there.stdout) == json.loads(after.stdout)
    assert (shown.returncode, shown.stdout.count("▶ run")) == (0, 3)
    assert [one.returncode for one in refused] == [2, 2, 2, 3]
    assert "--cwd is for notebooks of this machine" in refused[0].stderr


def test_a_notebook_at_the_server_that_asks_people_says_so_where_the_command_runs(world: RemoteWorld) -> None:
    asking = (
        "from orchestra_nb import flow, pause_flow_run\n"
        "@flow\ndef ask():\n    return pause_flow_run(int, poll_interval=0.1)"
    )
    notebook = notebook_of(code_cell(asking), code_cell("print(ask())"))
    (world.home / "asking.ipynb").write_text(json.dumps(notebook))
    command = world.start_remote("run", "asking.ipynb")
    assert command.stderr is not None
    while "cell 2 waits for run " not in (line := command.stderr.readline()):
        assert command.poll() is None
    child = line.partition("orchestra runs resume ")[2].split()[0]

    resumed = world.remote("runs", "resume", child, "--input", "3")
    _, errors = command.communicate(timeout=PATIENCE_SECONDS)
    shown = world.remote("runs", "show", child, "--json")

    assert (resumed.returncode, command.returncode) == (0, 0), errors
    assert "which waits for" not in errors
    assert [question["value"] for question in json.loads(shown.stdout)["inputs"]] == [3]


def test_an_interrupt_of_the_command_stops_the_run_at_the_server(world: RemoteWorld) -> None:
    command = world.start_remote("run", "endless.ipynb")
    run = eventually(
        lambda: next(
            (
                one
                for one in world.store.list_runs(limit=50)
                if (one.flow_name, one.state) == ("endless", State.RUNNING)
            ),
            None,
        )
    )

    assert command.stderr is not None
    while "endless · run" not in command.stderr.readline():
        assert command.poll() is None
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=PATIENCE_SECONDS)

    assert command.returncode == 130
    assert world.store.get_run(run.run_id).state is State.CANCELLED


def test_a_run_of_a_deployment_is_waited_for_and_followed_and_retried(world: RemoteWorld) -> None:
    world.deployed.deploy_notebook("fails", "print('began')", "assert number == 2", parameters_cell="number: int = 1")
    asked = world.remote("deployments", "run", "fails", "--json")
    run_id = json.loads(asked.stdout)["run_id"]
    follower = world.start_remote("runs", "logs", run_id, "--follow")
    waiter = world.start_remote("deployments", "run", "fails", "-p", "number", "2", "--wait", "--json")
    unserved = world.remote("runs", "show", run_id)
    world.deployed.serve()

    waited, _ = waiter.communicate(timeout=PATIENCE_SECONDS)
    followed, _ = follower.communicate(timeout=PATIENCE_SECONDS)
    failed = world.deployed.wait(run_id)
    retried = world.remote("runs", "retry", failed.name, "--note", "again", "--wait", "--json")
    here = world.remote("runs", "retry", failed.name, "--here")
    cancelled = world.remote("runs", "cancel", failed.name)
    said = world.remote("runs", "set-state", failed.name, "completed", "--note", "done by hand")

    assert "waits for a service, and none is up" in unserved.stdout
    assert (waiter.returncode, json.loads(waited)["state"]) == (0, "COMPLETED")
    assert (follower.returncode, "began" in followed) == (0, True)
    assert failed.state is State.FAILED
    assert (retried.returncode, json.loads(retried.stdout)) == (
        1,
        {"run_id": run_id, "name": failed.name, "state": "FAILED", "epoch": 2},
    )
    assert (here.returncode, "--here runs it where its code is" in here.stderr) == (2, True)
    assert (cancelled.returncode, "FAILED" in cancelled.stderr) == (1, True)
    assert (said.returncode, "done by hand" in said.stdout) == (0, True), said.stderr
    assert world.store.get_run(run_id).state is State.COMPLETED


def test_the_notebook_of_a_deployment_is_resumed_from_a_cell_in_its_pool(world: RemoteWorld) -> None:
    folder = world.deployed.folder
    once = "open({!r}, 'x').write('x')\nvalue = 1"
    each_time = "kept = open({!r}, 'a')\nkept.write('x')\nkept.close()\nprint(value)"
    world.deployed.deploy_notebook(
        "resumed",
        once.format(str(folder / "one")),
        each_time.format(str(folder / "two")),
        each_time.format(str(folder / "three")),
        target=NotebookTarget(path=str(folder / "resumed.ipynb"), is_cached=True),
    )
    if not world.deployed.services:
        world.deployed.serve()
    ended = world.remote("deployments", "run", "resumed", "--wait", "--json")
    run_id = json.loads(ended.stdout)["run_id"]

    wrong = world.remote("runs", "retry", run_id, "--from", "9")
    resumed = world.remote("runs", "retry", run_id, "--from", "3", "--note", "new prices", "--wait", "--json")

    assert (wrong.returncode, "has no cell '9'. Its cells, by number and id: 1 (" in wrong.stderr) == (2, True)
    document = json.loads(resumed.stdout)
    assert (resumed.returncode, document["state"], document["epoch"]) == (0, "COMPLETED", 2), resumed.stderr
    assert [(folder / name).read_text() for name in ("one", "two", "three")] == ["x", "x", "xx"]
    assert [cell.is_cached for cell in world.store.cell_runs(run_id)] == [True, True, False]


def test_a_notebook_of_no_deployment_is_run_again_by_the_server_that_has_what_it_ran(world: RemoteWorld) -> None:
    flag, counted = world.home / "flag", world.home / "counted"
    cells = [
        code_cell(f"open({str(counted)!r}, 'x').write('x')\nvalue = 1"),
        code_cell(f"import os\nassert os.path.exists({str(flag)!r}), 'no flag'\nprint(value)"),
    ]
    (world.home / "alone.ipynb").write_text(json.dumps(notebook_of(*cells)))
    with closing(Client(world.url, OWN_TOKEN)) as client:
        run_id = client.run_notebook(path="alone.ipynb", cache=True).run_id
        world.deployed.wait(run_id)
        flag.touch()

        retried = world.remote("runs", "retry", run_id)
        went_on = world.deployed.wait(run_id, lambda run: run.epoch == 2 and run.state.is_terminal)
        resumed = world.remote("runs", "retry", run_id, "--from", "2", "--note", "once more")
        again = world.deployed.wait(run_id, lambda run: run.epoch == 3 and run.state.is_terminal)
        well = world.remote("runs", "retry", run_id)

    assert (retried.returncode, "is run again by the server" in retried.stdout) == (0, True), retried.stderr
    assert went_on.state is State.COMPLETED, went_on.message
    assert resumed.returncode == 0, resumed.stderr
    assert (again.state, again.fresh_from_index) == (State.COMPLETED, 1)
    assert [cell.is_cached for cell in world.store.cell_runs(run_id)] == [True, False]
    assert counted.read_text() == "x"
    assert (well.returncode, "there is nothing to retry" in well.stderr) == (1, True)


def test_a_flow_is_resumed_from_a_task_over_a_server(world: RemoteWorld) -> None:
    source = "from orchestra_nb import flow, task\n@task\ndef load(): return 1\n@flow\ndef sales(): return load()\n"
    run_id = world.deployed.ask(world.deployed.deploy_flow("sales", source))
    world.deployed.serve()
    world.deployed.wait(run_id)

    unknown = world.remote("runs", "retry", run_id, "--from", "3")
    resumed = world.remote("runs", "retry", run_id, "--from", "load")
    again = world.deployed.wait(run_id, lambda run: run.epoch == 2 and run.state.is_terminal)

    assert (unknown.returncode, "has no task '3'. Its tasks: load." in unknown.stderr) == (2, True), unknown.stderr
    assert resumed.returncode == 0, resumed.stderr
    assert (again.state, again.fresh_from_task) == (State.COMPLETED, "load")


def test_who_may_start_runs_but_not_look_starts_and_stops_them(world: RemoteWorld) -> None:
    world.deployed.deploy_notebook("blind", "print('ran')")
    token = {"ORCHESTRA_API_TOKEN": world.token("blind", "runs:write")}

    made = world.remote("deployments", "run", "blind", "--at", "2090-01-01T00:00", "--json", **token)
    run_id = json.loads(made.stdout)["run_id"]
    seen = world.remote("runs", "show", run_id, **token)
    stopped = world.remote("runs", "cancel", run_id, **token)
    again = world.remote("runs", "retry", run_id, **token)

    assert (made.returncode, seen.returncode, stopped.returncode) == (0, 1, 0), stopped.stderr
    assert f"Run {run_id} was asked to stop." in stopped.stdout
    assert (again.returncode, "waits in the pool default to be run again" in again.stdout) == (0, True), again.stderr


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        pytest.param(422, {"code": "invalid_input", "detail": "Say from where: a cell or a task."}, id="refused"),
        pytest.param(200, {"problem": ""}, id="in other words"),
        pytest.param(404, {"code": "not_found", "detail": "There is no such route."}, id="not at all"),
    ],
)
def test_a_server_of_another_version_that_foresees_nothing_runs_the_run_again(
    world: RemoteWorld, status: int, answer: dict[str, str]
) -> None:
    world.deployed.deploy_notebook("older", "print('ran')")
    made = world.remote("deployments", "run", "older", "--at", "2090-01-01T00:00", "--json")
    run_id = json.loads(made.stdout)["run_id"]
    world.remote("runs", "cancel", run_id)

    with closing(_OldServer(world.url, {"/resumption": (status, answer)})) as old:
        again = world.remote("runs", "retry", run_id, ORCHESTRA_API_URL=old.url)

    assert (again.returncode, "waits in the pool default to be run again" in again.stdout) == (0, True), again.stderr


def test_what_would_run_again_is_not_told_of_a_run_that_the_server_refuses(world: RemoteWorld) -> None:
    source = (
        "from orchestra_nb import flow, task\n@task\ndef load(): return 1\n@flow\ndef priceless():\n    load()\n"
        "    raise ValueError('no price')\nif __name__ == '__main__': priceless()\n"
    )
    (world.home / "priceless.py").write_text(source)
    subprocess.run([sys.executable, "priceless.py"], cwd=world.home, env=world.deployed.environ, capture_output=True)
    [run] = [run for run in world.store.list_runs(limit=500) if run.flow_name == "priceless"]

    refused = world.remote("runs", "retry", run.run_id)

    assert (refused.returncode, "is of no deployment" in refused.stderr) == (1, True), refused.stderr
    assert "again, since" not in refused.stderr
    assert "runs as it was when the run began" not in refused.stderr


def test_the_command_for_a_run_of_any_name_can_be_pasted_into_a_shell(world: RemoteWorld) -> None:
    source = (
        "from orchestra_nb import flow\n@flow(flow_run_name='load 3; echo hi')\ndef named():\n"
        "    raise ValueError('no price')\nif __name__ == '__main__': named()\n"
    )
    (world.home / "named.py").write_text(source)
    subprocess.run([sys.executable, "named.py"], cwd=world.home, env=world.deployed.environ, capture_output=True)
    run = world.store.get_run("load 3; echo hi")

    refused = world.remote("runs", "retry", run.run_id)
    command = refused.stderr.split("`")[1]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    typed = subprocess.run(
        ["sh", "-c", command],
        cwd=world.home,
        env={**world.deployed.environ, "PATH": path},
        capture_output=True,
        text=True,
    )

    assert command == f"orchestra runs retry {run.run_id}"
    assert (typed.stdout, "no price" in typed.stderr) == ("", True)
    assert world.store.get_run(run.run_id).epoch == 2


def _run(world: RemoteWorld) -> Run:
    now = datetime.now(UTC)
    number = len(world.store.list_runs(limit=500))
    run = Run(
        run_id=fresh_id(now),
        name=f"fox-{number}",
        flow_name="asks",
        kind=RunKind.FLOW,
        state=State.RUNNING,
        created_at=now,
        started_at=now,
    )
    world.store.apply([RunCreated(run=run)])
    return run


def test_a_question_of_a_run_is_answered_and_a_run_asked_to_stop(world: RemoteWorld) -> None:
    run = _run(world)
    inputs = RunInputStore(world.store.database)
    inputs.ask(RunInput(run_id=run.run_id, key="colour", asked_at=run.created_at, schema={"type": "string"}))

    asked = world.remote("runs", "input", run.name, "--json")
    wrong = world.remote("runs", "input", run.name, "3")
    answered = world.remote("runs", "input", run.name, "blue")
    stopped = world.remote("runs", "cancel", run.name)

    assert [one["key"] for one in json.loads(asked.stdout)["inputs"]] == ["colour"]
    assert (wrong.returncode, answered.returncode, stopped.returncode) == (2, 0, 0)
    [question] = inputs.of_run(run.run_id)
    # the user of the server, not of the command
    assert (question.value, str(question.answered_by)[:5]) == ("blue", "user ")
    assert f"Run {run.name} was asked to stop." in stopped.stdout


def test_following_logs_goes_on_until_the_run_has_ended(world: RemoteWorld) -> None:
    run = _run(world)
    line = LogLine(run_id=run.run_id, at=run.created_at, level=20, message="first", logger="flow")
    world.store.apply([LogsWritten(lines=(line,))])
    follower = world.start_remote("runs", "logs", run.run_id, "-f", "--json")
    assert follower.stdout is not None

    first = json.loads(follower.stdout.readline())
    more = LogLine(run_id=run.run_id, at=run.created_at, level=20, message="second", logger="flow")
    world.store.apply([LogsWritten(lines=(more,))])
    second = json.loads(follower.stdout.readline())
    still_there = follower.poll()
    world.store.apply([RunStateChanged(run_id=run.run_id, state=State.COMPLETED, at=datetime.now(UTC))])
    rest, said = follower.communicate(timeout=PATIENCE_SECONDS)

    assert ([first["message"], second["message"]], still_there) == (["first", "second"], None)
    assert (follower.returncode, rest, said) == (0, "", "")


@pytest.mark.parametrize(
    ("token", "words", "code", "said"),
    [
        (
            "",
            "runs ls",
            1,
            [
                "does not allow this: Forbidden.",
                "No token was sent",
                "orchestra tokens create --name NAME --scope runs:read",
            ],
        ),
        ("orc_none", "runs ls", 1, ["Sent was the token in ORCHESTRA_API_TOKEN", "orchestra tokens create"]),
        ("READER", "runs ls", 0, []),
        ("READER", "variables set x 1", 1, ["admin", "Sent was the token in ORCHESTRA_API_TOKEN"]),
        ("READER", "tokens ls", 1, ["admin", "--scope SCOPE"]),
    ],
)
def test_who_may_not_is_told_with_which_token_and_how_to_get_another(
    world: RemoteWorld, token: str, words: str, code: int, said: list[str]
) -> None:
    text = world.token(fresh_id(datetime.now(UTC)), "runs:read") if token == "READER" else token

    done = world.remote(*words.split(), ORCHESTRA_API_TOKEN=text)
    as_json = world.remote(*words.split(), "--json", ORCHESTRA_API_TOKEN=text)

    assert (done.returncode, as_json.returncode) == (code, code)
    assert [word for word in said if word not in done.stderr] == []
    assert ("error" in json.loads(as_json.stdout)) is bool(code)


def test_what_answers_may_be_no_orchestra_or_another_version_of_it(world: RemoteWorld) -> None:
    nobody = world.remote("--server", "http://127.0.0.1:9", "runs", "ls")
    stranger = world.remote("--server", f"{world.url}/nowhere", "runs", "ls")
    behind = world.remote("--server", f"{world.url}/orchestra", "runs", "ls")
    with closing(_OldServer()) as old:
        mismatch = world.remote("--server", old.url, "runs", "ls")

    assert (nobody.returncode, "http://127.0.0.1:9 cannot be reached" in nobody.stderr) == (1, True)
    assert (stranger.returncode, "is no Orchestra" in stranger.stderr) == (1, True)
    assert (behind.returncode, "as a browser has it before /lab" in behind.stderr) == (1, True)
    assert mismatch.returncode == 3
    assert f"The server {old.url} has orchestra-nb 0.0.1, and this is" in mismatch.stderr


class _OldServer:
    """A server of an older version, which it tells, in front of one of today.

    Parameters
    ----------
    url
        The one that answers what is not said here; empty for none, and nothing else is known.
    answers
        The end of a path to the status and the document with which a GET of it is answered.
    """

    def __init__(self, url: str = "", answers: Mapping[str, tuple[int, Mapping[str, object]]] | None = None) -> None:
        said = {"/health": (200, {"version": "0.0.1"}), **(answers or {})}
        missing = (404, {"code": "not_found", "detail": "There is no such route.", "status": 404})

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = next((said[end] for end in said if self.path.endswith(end)), None)
                if answer is None and url:
                    self._pass_on("GET")
                    return
                status, document = answer or missing
                self._answer(status, json.dumps(document).encode())

            def do_POST(self) -> None:
                self._pass_on("POST")

            def _pass_on(self, method: str) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name: value for name, value in self.headers.items() if name != "Host"}
                answer = urllib3.request(method, f"{url}{self.path}", body=body, headers=headers)
                self._answer(answer.status, answer.data)

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(PATIENCE_SECONDS)
        self._server.server_close()


def test_what_is_asked_again_since_its_answer_was_lost_is_done_once(world: RemoteWorld) -> None:
    world.deployed.deploy_notebook("once", "print('ran')")
    before = len(world.store.list_runs(limit=500))

    with closing(DroppingProxy(_port(world), "POST", drops=2)) as proxy, closing(_client(proxy)) as client:
        run = client.run_deployment("once")
        with pytest.raises(InvalidInput):
            client.run_deployment("once", parameters={"none": 1})

    posts = [request for request in proxy.seen if request.startswith(b"POST")]
    keys = [re.search(rb"(?i)\r\nidempotency-key: (\S+)", request) for request in posts]
    assert [key is not None for key in keys] == [True] * 4
    assert len({key[1] for key in keys if key is not None}) == 2
    assert len(world.store.list_runs(limit=500)) == before + 1
    assert world.store.get_run(run.run_id).deployment == "once"


def test_what_may_not_be_asked_again_says_that_it_may_have_been_done(world: RemoteWorld) -> None:
    with closing(DroppingProxy(_port(world), "POST", drops=1)) as proxy, closing(_client(proxy)) as client:
        with pytest.raises(StoreUnavailable):
            client.create_token(name="lost", scopes=["runs:read"])

    assert len([request for request in proxy.seen if request.startswith(b"POST")]) == 1
    assert b"idempotency-key" not in proxy.seen[0].lower()


def test_what_only_reads_is_asked_again(world: RemoteWorld) -> None:
    with closing(DroppingProxy(_port(world), "GET", drops=2)) as proxy, closing(_client(proxy)) as client:
        client.list_variables()

    assert len(proxy.seen) == 3


def _port(world: RemoteWorld) -> int:
    return int(world.url.rpartition(":")[2].removesuffix("/base"))


def _client(proxy: DroppingProxy) -> Client:
    return Client(f"http://127.0.0.1:{proxy.port}/base", OWN_TOKEN)
