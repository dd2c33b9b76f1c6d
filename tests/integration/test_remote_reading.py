"""Each command that reads says over a server what it says on the server's store."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import urllib3

from orchestra_nb.model.runs import RunKind
from orchestra_nb.store.outbox_store import OutboxStore
from tests.faults.notebook_command import code_cell, notebook_of
from tests.integration.remote_world import RemoteWorld
from tests.patience import PATIENCE_SECONDS

_FLOW = """
from orchestra_nb import flow, materialize, task
from orchestra_nb.artifacts import create_markdown_artifact, create_table_artifact
from orchestra_nb.events import emit_event
from orchestra_nb.logging import get_run_logger

@task
def load(number):
    get_run_logger().info("loads %d", number)
    return number

@materialize("s3://shop/clean.parquet", asset_deps=["s3://shop/raw.csv"])
def clean():
    create_markdown_artifact("# Sales", key="sales-report", description="of the shop")
    create_table_artifact([{"region": "EU", "sales": 3}], key="sales")
    emit_event("orders.imported", resource={"id": "orders.eu"}, payload={"rows": 1200})

@task
def spoil(what):
    raise ValueError(what)

@flow
def inner():
    return load(3)

@flow
def etl(region="EU"):
    load(1)
    clean()
    inner()
    try:
        spoil("sour milk")
    except ValueError:
        get_run_logger().warning("spoilt")
    return {"rows": 3}

etl("EU")
try:
    flow(spoil.fn, name="bad")("whole flow")
except ValueError:
    pass
"""

_AUTOMATIONS = """
automations:
  - name: refill
    when: {success: load}
    if: rows == 0
    do:
      - run: report
        parameters: {region: "{{ run.name }}"}
  - name: tell
    when: {state: FAILED, flow: bad}
    do:
      - emit: shop.bad
        resource: shop
"""

#: The runs, in the order in which they are made.
_RUNS = ("report", "sweep", "etl", "inner", "bad")

_GITHUB_SECRET = "a secret of at least thirty-two characters"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteWorld]:
    world = RemoteWorld(tmp_path_factory.mktemp("reading"))
    try:
        _fill(world)
        world.start_server()
        _send_messages(world)
        yield world
    finally:
        world.close()


def _fill(world: RemoteWorld) -> None:
    """Have one of everything in the store."""
    home, done = world.home, world.deployed.orchestra
    parameters = code_cell("region: str = 'EU'\nshare: float = 0.5", "parameters")
    recording = (
        "from orchestra_nb import record\nrecord(rows=3, ratio=float('nan'), kind={1, 2}, many=list(range(50_000)))"
    )
    cells = [code_cell(recording), code_cell("print(region)"), code_cell("assert share < 0.9, 'too large'")]
    (home / "report.ipynb").write_text(json.dumps(notebook_of(parameters, *cells)))
    (home / "etl_script.py").write_text(_FLOW)
    (home / "automations.yaml").write_text(_AUTOMATIONS)

    def must(*words: str, stdin: str | None = None, code: int = 0) -> None:
        ran = world.local(*words, stdin=stdin)
        assert ran.returncode == code, (words, ran.stdout, ran.stderr)

    assert done("run", "report.ipynb", "-p", "region", "FR")[0] == 0
    assert done("run", "report.ipynb", "swept", "--sweep", "share=0.5,0.95")[0] == 1
    environ = {**world.deployed.environ, "ORCHESTRA_TASK_RUNNER": "threads"}
    subprocess.run([sys.executable, "etl_script.py"], cwd=home, env=environ, check=True, capture_output=True)
    must("pools", "create", "gpu", "--concurrency", "2", "--description", "with\x1b[31m colour")
    must("deploy", "report.ipynb", "--cron", "0 7 * * *", "--timezone", "Europe/Berlin", "-p", "region", "EU")
    must("deploy", "report.ipynb", "--every", "2h", "--timezone", "UTC", "--pool", "gpu", "--concurrency", "1")
    must("deploy", "report.ipynb", "--name", "by-hand")
    must("deployments", "pause", "by-hand")
    must("deployments", "run", "report")
    must("deployments", "run", "report", "--at", "2090-01-01T00:00")
    must("variables", "set", "colour", '{"shade": [1, 2.5, null]}', "--tag", "shop")
    must("variables", "set", "name", "ü b")
    must("secrets", "set", "db", stdin="open sesame\n")
    must("concurrency", "create", "api", "--limit", "3", "--slot-decay-per-second", "0.5")
    must("automations", "create", "-f", "automations.yaml")
    must("automations", "pause", "tell")
    must("notifications", "channels", "add", "ops", "--allow-private", stdin="json://localhost:9/hook\n")
    must("notifications", "rules", "add", "failures", "--channel", "ops", "--on", "failure", "--tag", "team=shop")
    must("webhooks", "create", "push", "--event", "pushed", "--scheme", "github", "--own-secret", stdin=_GITHUB_SECRET)
    must("deploy", "report.ipynb", "--name", "gone")
    must(
        "webhooks",
        "create",
        "start",
        "--deployment",
        "gone",
        "--scheme",
        "github",
        "--own-secret",
        stdin=_GITHUB_SECRET,
    )
    must("deployments", "delete", "gone")
    must("tokens", "create", "--name", "box", "--scope", "worker:gpu")
    must("tokens", "create", "--name", "old", "--scope", "runs:read")
    must("tokens", "revoke", "old")
    now = datetime.now(UTC)
    run = next(one for one in world.store.list_runs(limit=100) if one.flow_name == "bad")
    outbox = OutboxStore(world.store.database)
    for moment in ("first", "second"):
        outbox.add(
            "failures", "ops", run_id=run.run_id, moment=moment, severity="error", title="bad failed", body="b", at=now
        )


def _send_messages(world: RemoteWorld) -> None:
    """Have a message of each webhook come, of which one can start nothing."""
    body = b'{"ref": "main"}'
    signature = hmac.new(_GITHUB_SECRET.encode(), body, hashlib.sha256).hexdigest()
    for name in ("push", "start"):
        headers = {"X-Hub-Signature-256": f"sha256={signature}", "X-GitHub-Delivery": f"one-{name}"}
        url = f"{world.url}/orchestra/api/v1/webhooks/{name}"
        answer = urllib3.request("POST", url, body=body, headers=headers, timeout=PATIENCE_SECONDS)
        assert answer.status == (202 if name == "push" else 422), answer.data


def _names(world: RemoteWorld) -> dict[str, str]:
    """Return what stands for the names and ids in the table of commands."""
    found = world.store.list_runs(limit=100)  # the newest first: the oldest of each name is kept
    runs = {run.flow_name: run for run in found if run.parent_run_id is None and run.kind is not RunKind.SWEEP}
    sweep = next(run for run in found if run.kind is RunKind.SWEEP)
    letters = json.loads(world.local("dead-letters", "ls", "--json").stdout)["dead_letters"]
    return {
        "NOTEBOOK": runs["report"].name,
        "SWEEP": sweep.name,
        "ETL": runs["etl"].run_id,
        "BAD": runs["bad"].name,
        "LETTER": letters[0]["id"],
    }


_READ = [
    "runs ls",
    "runs ls --all --limit 3",
    "runs ls --state failed,completed",
    "runs ls --flow etl --since 2026-01-01",
    "runs ls --flow none",
    "runs ls --deployment report",
    "runs show NOTEBOOK",
    "runs show ETL --all",
    "runs show ETL --task load-0",
    "runs show SWEEP",
    "runs show BAD",
    "runs logs ETL",
    "runs logs ETL --task load-0",
    "runs logs NOTEBOOK --follow",
    "runs results NOTEBOOK",
    "runs results NOTEBOOK rows",
    "runs results NOTEBOOK ratio",
    "runs results NOTEBOOK many",
    "runs results SWEEP",
    "runs results SWEEP rows",
    "runs results ETL",
    "runs input ETL",
    "params report.ipynb",
    "stats --since 2026-01-01",
    "stats etl --tasks --since 2026-01-01",
    "artifacts ls",
    "artifacts ls --run ETL --limit 1",
    "artifacts show sales-report",
    "artifacts show sales",
    "assets ls",
    "assets show s3://shop/clean.parquet",
    "events ls",
    "events ls --event orders.* --run ETL",
    "variables ls",
    "variables get colour",
    "variables get name",
    "secrets ls",
    "concurrency ls",
    "dead-letters ls",
    "dead-letters ls --all --run ETL",
    "dead-letters show LETTER",
    "deployments ls",
    "deployments show report",
    "deployments show by-hand",
    "deployments versions report",
    "pools ls",
    "export",
    "export report",
    "pools show gpu",
    "notifications channels ls",
    "notifications rules ls",
    "notifications outbox ls",
    "notifications outbox ls --all --run BAD --limit 1",
    "notifications outbox show 1",
    "automations ls",
    "automations show refill",
    "automations test tell --since 2026-01-01",
    "webhooks ls",
    "webhooks show push",
    "webhooks deliveries",
    "webhooks deliveries start --dead",
    "tokens ls",
    "tokens ls --all",
]


@pytest.mark.parametrize(
    ("line", "form"),
    [(line, form) for line in _READ for form in ("text", "json") if (line[:6], form) != ("export", "json")],
)
def test_what_is_read_over_a_server_is_what_is_read_on_its_store(world: RemoteWorld, line: str, form: str) -> None:
    names = _names(world)
    words = [names.get(word, word) for word in line.split()]
    if form == "json":
        words.append("--json")

    here, there = world.local(*words), world.remote(*words)

    assert (there.returncode, there.stderr) == (here.returncode, _as_there(here.stderr, world))
    assert here.returncode == 0, here.stderr
    if form == "text":
        assert _still(there.stdout) == _still(_as_there(here.stdout, world))
        assert (here.stdout + here.stderr).strip()
    else:
        assert _documents(there.stdout) == _documents(here.stdout)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("runs show none", 3),
        ("runs show ETL --task none", 3),
        ("runs results NOTEBOOK none", 3),
        ("runs cancel ETL", 1),
        ("variables get none", 3),
        ("pools show none", 3),
        ("deployments show reprot", 3),
        ("artifacts show none", 3),
        ("dead-letters show none", 3),
        ("notifications outbox show 99", 3),
        ("automations show none", 3),
        ("tokens revoke none", 3),
        ("runs ls --deployment none", 3),
    ],
)
def test_what_is_refused_on_the_store_is_refused_over_the_server_in_the_same_words(
    world: RemoteWorld, line: str, code: int
) -> None:
    names = _names(world)
    words = [names.get(word, word) for word in line.split()]

    here, there = world.local(*words), world.remote(*words)

    assert (here.returncode, there.returncode) == (code, code)
    assert (there.stdout, there.stderr) == (here.stdout, here.stderr)


def test_a_value_that_is_no_json_is_kept_where_the_server_is(world: RemoteWorld) -> None:
    name = _names(world)["NOTEBOOK"]

    refused = world.remote("runs", "results", name, "kind")

    assert (refused.returncode, "is kept where the server is" in refused.stderr) == (3, True)


def _as_there(text: str, world: RemoteWorld) -> str:
    """Return what is said on the store as it is said over the server, which has an address."""
    here = (
        "No server with this store is up on this machine: <server> stands for the address of one that is. Start one "
        "with `orchestra serve`, which says its own, or JupyterLab, whose address is what stands before /lab."
    )
    there = "That is the server by the name that this command has of it; senders need one that they can reach."
    return text.replace(here, there).replace("<server>", world.url)


def _still(text: str) -> str:
    """Return a text without what changes as time goes by."""
    return re.sub(r" +", " ", re.sub(r"\d+ (s|min|h|d) ago", "AGO", text))


def _documents(text: str) -> list[Any]:
    """Return one JSON document, or one a line, without what changes as time goes by."""
    try:
        found = [json.loads(text)]
    except ValueError:
        found = [json.loads(line) for line in text.splitlines()]
    return [_without(one, {"until"}) for one in found]


def _without(value: Any, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: _without(inner, names) for name, inner in value.items() if name not in names}
    return [_without(inner, names) for inner in value] if isinstance(value, list) else value
