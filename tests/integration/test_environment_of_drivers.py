"""The environment that tasks see on the shared local cluster: that of whoever drives them, and not of who started it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client
from patience import PATIENCE_SECONDS

from orchestra_nb.engine.dask_executor import DaskExecutor
from orchestra_nb.engine.driver_environment import environment_of_driver
from orchestra_nb.engine.executors import AttemptEnded
from orchestra_nb.engine.local_certificates import security_of
from orchestra_nb.engine.local_cluster import LocalCluster, local_cluster_status
from tests.engine.attempt_bodies import Body, value_of
from tests.engine.call_bodies import as_call
from tests.engine.executor_probe import ExecutorProbe
from tests.patience import eventually

#: Not in any file, log or process list when the runs have ended.
SECRET = "open-sesame-and-nothing-else"

SCRIPT = """
import json, os, pathlib, sys, time
import settings_of_user
from orchestra_nb import flow, task

own, other = (pathlib.Path(path) for path in sys.argv[1:])

@task
def see(number, waits):
    if waits:
        own.touch()
        while not other.exists():
            time.sleep(0.01)
    found = os.environ.get("API_URL"), os.environ.get("ONLY_STARTER"), settings_of_user.URL, os.system('test -n "$API_URL"')
    os.environ["API_URL"] = "left behind"
    return found

@task
def outer():
    inner = [see.submit(number, False) for number in range(2)]
    return [future.result()[1:3] for future in inner]

@task
async def see_async():
    return os.environ.get("API_URL")

@flow
def look():
    together = see.submit(0, True).result()
    mapped = [list(item) for item in {tuple(item) for item in see.map(range(60), False).result()}]
    os.environ["API_URL"] += "/v2"
    later = see.submit(1, False).result()[:2]
    del os.environ["API_URL"]
    removed = see.submit(2, False).result()[0]
    os.environ["API_URL"] = "again"
    return {"together": together, "mapped": mapped, "later": later, "removed": removed, "inner": outer.submit().result(),
            "async": see_async.submit().result()}

print(json.dumps(look()))
"""


@dataclass
class World:
    """A local cluster that somebody started with an environment of his own, and a folder."""

    folder: Path
    environ: dict[str, str]
    cluster: LocalCluster

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=self.folder,
            env={**self.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def result(self, process: subprocess.Popen[str]) -> Any:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, err
        return json.loads(out)

    def run_notebook(self, *sources: str, words: tuple[str, ...] = (), **variables: str) -> list[str]:
        """Run a notebook; return what its cells printed."""
        cells: list[dict[str, Any]] = [
            {"cell_type": "code", "id": f"c{number}", "metadata": {}, "source": source, "outputs": []}
            for number, source in enumerate(sources)
        ]
        notebook = {"cells": [{**cell, "execution_count": None} for cell in cells], "metadata": {}, "nbformat": 4}
        (self.folder / "nb.ipynb").write_text(json.dumps({**notebook, "nbformat_minor": 5}))
        self.result(self.start("-m", "orchestra_nb", "run", "nb.ipynb", "out.ipynb", "--json", *words, **variables))
        executed = json.loads((self.folder / "out.ipynb").read_text())
        streams = [
            "".join("".join(output["text"]) for output in cell["outputs"] if output.get("name") == "stdout")
            for cell in executed["cells"]
        ]
        return [text.strip() for text in streams]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        (folder / "run").mkdir(mode=0o700)
        (folder / "settings_of_user.py").write_text("import os\nURL = os.environ.get('API_URL')\n")
        (folder / "script.py").write_text(SCRIPT)
        root = str(Path(__file__).resolve().parents[2])
        patch.setenv("ORCHESTRA_RUNTIME_DIR", str(folder / "run"))
        patch.setenv("ORCHESTRA_STORE_URL", f"sqlite:///{folder / 'runs.db'}")
        environ = {**os.environ, "PYTHONPATH": root, "ORCHESTRA_CLUSTER_IDLE_SECONDS": "60"}
        command = [sys.executable, "-m", "orchestra_nb", "cluster"]
        starter = {**environ, "API_URL": "http://starter", "ONLY_STARTER": "1"}
        subprocess.run([*command, "start"], env=starter, check=True, capture_output=True)
        cluster = local_cluster_status()
        assert cluster is not None
        yield World(folder, environ, cluster)
        subprocess.run([*command, "stop"], env=environ, check=True, capture_output=True)


@pytest.fixture
def probe(world: World) -> Iterator[ExecutorProbe]:
    executor = DaskExecutor("local")
    yield ExecutorProbe(executor).open()
    executor.close()


def expected(url: str) -> dict[str, Any]:
    seen = [url, None, url, 0]
    return {
        "together": seen,
        "mapped": [seen],
        "later": [f"{url}/v2", None],
        "removed": None,
        "inner": [[None, "again"]] * 2,
        "async": "again",
    }


def test_two_scripts_at_once_and_a_third_after_them_see_their_own(world: World, tmp_path: Path) -> None:
    gates = str(tmp_path / "a"), str(tmp_path / "b")
    first = world.start("script.py", *gates, API_URL="http://first")
    second = world.start("script.py", *reversed(gates), API_URL="http://second")

    results = [world.result(first), world.result(second)]
    third = world.result(world.start("script.py", *gates, API_URL="http://third"))

    assert [*results, third] == [expected(f"http://{word}") for word in ("first", "second", "third")]


SEE = "import os\nseen = os.environ.get('API_URL'), os.environ.get('ONLY_STARTER')"


def test_task_cells_see_what_the_shell_said_and_what_the_notebook_changed_since(world: World) -> None:
    cells = [
        "%load_ext orchestra_nb",
        f"%%task one\n{SEE}\nos.environ['API_URL'] = 'left behind'",
        "print(*seen)",
        "import os; os.environ['API_URL'] = 'http://changed'",
        f"%%task two\n{SEE}",
        "print(*seen)",
        "del os.environ['API_URL']",
        f"%%task three\n{SEE}",
        "print(*seen)",
    ]

    with_url = world.run_notebook(*cells, API_URL="http://shell")
    without = world.run_notebook(*cells[:3])

    assert [text for text in with_url if text] == ["http://shell None", "http://changed None", "None None"]
    assert [text for text in without if text] == ["None None"]


def test_a_task_cell_has_the_environment_of_its_kernel_but_for_what_belongs_to_that_process(world: World) -> None:
    shown = world.run_notebook(
        "%load_ext orchestra_nb",
        "%%task look\nimport os\nthere = dict(os.environ)",
        "import os\nis_told = 'JPY_PARENT_PID' in there\n"
        "os.environ.pop('JPY_PARENT_PID', '')  # which kernels have that are not forked\n"
        "print(is_told, *sorted(n for n in {*there, *os.environ} if there.get(n) != os.environ.get(n)))",
    )

    assert shown[-1].split() == [
        "False",
        "ORCHESTRA_RUN_ID",
        "ORCHESTRA_RUN_NAME",
        "ORCHESTRA_RUN_NOTEBOOK",
        "ORCHESTRA_RUN_SOCKET",
    ]


def test_a_kept_result_is_that_of_the_variables_that_the_cell_looks_up(world: World) -> None:
    cells = [
        "%load_ext orchestra_nb",
        "%%task look --cache\nimport os, time\nseen = os.environ['API_URL'], time.time_ns()",
        "print(*seen)",
    ]

    one, two, again = (
        world.run_notebook(*cells, API_URL=f"http://{word}", OTHER=other)[-1]
        for word, other in (("one", "a"), ("two", "a"), ("one", "b"))
    )

    assert (one.split()[0], two.split()[0]) == ("http://one", "http://two")
    assert again == one


def test_cells_that_run_ahead_see_it(world: World) -> None:
    cells = [
        "import os, time\nlater = False",
        "import orchestra_nb.engine.ahead_steps as steps\n"
        "steps._kernel and steps._kernel.cells.runner.wait(steps._kernel.cells.waited_for())\n"
        "if later: time.sleep(9)",
        "if later: time.sleep(9)\nurl = os.environ['API_URL']\npid = os.getpid()",
        "print(url, pid == os.getpid())",
    ]

    shown = world.run_notebook(*cells, words=("--parallel",), API_URL="http://shell")

    assert shown[-1] == "http://shell False"


def test_a_secret_in_it_is_in_no_file_and_no_process_list(world: World, tmp_path: Path) -> None:
    gates = str(tmp_path / "a"), str(tmp_path / "a")
    hosts = [psutil.Process(world.cluster.pid), *psutil.Process(world.cluster.pid).children(recursive=True)]

    found = world.result(world.start("script.py", *gates, API_URL=SECRET))

    assert found["together"][0] == SECRET
    seen = [text for process in hosts for text in (*process.cmdline(), *process.environ().values())]
    assert not [text for text in seen if SECRET in text]
    files = [path for path in (world.folder / "run").iterdir() if path.is_file()]
    files += [path for path in Path(world.cluster.folder).rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def environments_on(cluster: LocalCluster) -> int:
    """Return how many environments the scheduler keeps."""

    def count(dask_scheduler: Any) -> int:
        return sum(map(len, dask_scheduler.plugins["orchestra"]._environments.values()))

    async def ask() -> int:
        security = security_of(cluster.certificate, cluster.key)
        async with Client(cluster.address, security=security, asynchronous=True, set_as_default=False) as client:
            found: int = await client.run_on_scheduler(count)
            return found

    return asyncio.run(ask())


@pytest.mark.parametrize("convert", [lambda body: body, as_call], ids=["bodies", "calls"])
def test_the_cluster_forgets_environments_that_nothing_names(
    world: World, probe: ExecutorProbe, convert: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe.convert = convert
    keys = []
    for number in range(30):
        monkeypatch.setenv("NUMBER", str(number))
        keys.append(probe.start(Body(os.getenv, ("NUMBER",)), environment=environment_of_driver()))

    assert all(isinstance(probe.end_of(key), AttemptEnded) for key in keys)
    assert [value_of(probe.executor.fetch(key, ["value"])) for key in keys] == [str(number) for number in range(30)]
    monkeypatch.setenv("NUMBER", "last")  # the next new one has the others forgotten
    probe.run(Body(os.getenv, ("NUMBER",)), environment=environment_of_driver())
    assert environments_on(world.cluster) <= 10
    probe.executor.close()
    eventually(lambda: environments_on(world.cluster) == 0)


def test_on_a_cluster_that_others_started_the_environment_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_URL", "http://starter")
    arguments = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0"}
    executor = DaskExecutor({"class": "distributed.LocalCluster", **arguments})
    probe = ExecutorProbe(executor).open()
    try:
        first = probe.run(Body(os.getenv, ("API_URL",)), environment=environment_of_driver())
        monkeypatch.setenv("API_URL", "http://driver")
        second = probe.run(Body(os.getenv, ("API_URL",)), environment=environment_of_driver())
        values = [value_of(executor.fetch(end.key, ["value"])) for end in (first, second)]
    finally:
        executor.close()

    assert values == ["http://starter", "http://starter"]
