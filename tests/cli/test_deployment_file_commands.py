"""``orchestra apply`` and ``orchestra export``: deployments as a file says them, there and back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deployed_files import PIPELINE, document, orchestra, printed, refusal, write_notebook

from orchestra_nb.model.work_pools import WorkPool
from orchestra_nb.store.database import open_database
from orchestra_nb.store.deployment_store import DeploymentStore
from orchestra_nb.store.pool_store import PoolStore

FILE = """
deployments:
  - name: daily
    notebook: nb/report.ipynb
    description: What was sold
    parameters: {n: 3, rate: .nan, code: "007"}
    schedules:
      - cron: 0 7 * * 1-5
        timezone: Europe/Berlin
        start: 2026-01-01
        parameters: {region: EU}
      - rrule: FREQ=WEEKLY;BYDAY=MO;BYHOUR=9
        timezone: America/New_York
        parameters: {region: US}
        days_off: [2026-12-25]
        catchup: all
        max_late: 1h
        jitter: 90
        active: false
    cluster: local
    pool: gpu
    priority: -3
    concurrency: 2
    on_conflict: skip
    retries: 2
    retry_delay: exp:2s:60s
    timeout: 1h30m
    tags: {team: sales}
    cache: true
    output: out.ipynb
    cell_timeout: 2.5
    flow_name: sales
  - name: etl
    flow: pipeline.py:load
    parameters: {region: "007"}
    retries: 1
    retry_delay: 10
    paused: true
  - name: by-module
    flow: pipeline:load
    parameters: {region: EU}
    schedules: [{every: 900}]
"""
#: The same of notebooks alone: each flow is looked at in a process of its own, each time.
OF_NOTEBOOKS = FILE.replace("flow: pipeline.py:load", "notebook: nb/report.ipynb").replace(
    "flow: pipeline:load", "notebook: nb/report.ipynb"
)


@pytest.fixture
def deployments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Iterator[DeploymentStore]:
    monkeypatch.setenv("ORCHESTRA_STORE_URL", sqlite_url)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nb").mkdir()
    parameters = "region: str\nn: int = 1\nrate: float = 0.1\ncode: str = ''"
    write_notebook(tmp_path / "nb/report.ipynb", "print(region)", parameters=parameters)
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    (tmp_path / "orchestra.yaml").write_text(FILE)
    database = open_database(sqlite_url)
    PoolStore(database).create(WorkPool(name="gpu"), datetime.now(UTC))
    yield DeploymentStore(database)
    database.close()


def actions(*words: str) -> dict[str, str]:
    return {step["name"]: step["action"] for step in document("apply", *words)["steps"]}


def test_a_file_is_planned_applied_and_then_changes_nothing(deployments: DeploymentStore) -> None:
    planned = orchestra("apply")
    nothing = deployments.list_deployments()
    applied = printed("apply", "--yes")

    assert (planned.exit_code, nothing) == (1, [])
    assert planned.stdout.startswith("+ daily  create: at 07:00, Monday through Friday, Europe/Berlin, from 2026-01-01")
    assert planned.stdout.endswith(
        "orchestra.yaml: 3 to create.\nNothing was changed. --yes applies it without asking.\n"
    )
    assert applied.endswith("3 to create.\nDone.\n")
    assert printed("apply") == (
        "= daily  unchanged\n= etl  unchanged\n= by-module  unchanged\norchestra.yaml: 3 unchanged.\n"
    )
    spec = deployments.get("daily").spec
    assert (spec.flow_name, spec.parameters) == ("sales", {"n": 3, "rate": {"$float": "nan"}, "code": "007"})
    assert [one.parameters for one in spec.schedules] == [{"region": "EU"}, {"region": "US"}]
    assert (deployments.get("etl").is_paused, spec.retry.exponential, spec.timeout_seconds) == (True, (2.0, 60.0), 5400)


def test_what_is_exported_says_the_same_here_and_in_another_store(
    deployments: DeploymentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed("apply", "--yes")
    (tmp_path / "absolute.yaml").write_text(printed("export"))
    orchestra("export", "-o", "relative.yaml")
    again = orchestra("export", "-o", "relative.yaml")
    assert (again.exit_code, "Pass --force to replace it." in again.stderr) == (2, True)
    assert "3 deployments written to relative.yaml." in orchestra("export", "-o", "relative.yaml", "--force").stderr

    assert set(actions("absolute.yaml").values()) == set(actions("relative.yaml").values()) == {"unchanged"}
    assert str(tmp_path) not in (tmp_path / "relative.yaml").read_text()

    monkeypatch.setenv("ORCHESTRA_STORE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    assert set(actions("relative.yaml", "--yes").values()) == {"create"}
    assert printed("export") == (tmp_path / "absolute.yaml").read_text()


def test_a_change_is_shown_field_by_field(deployments: DeploymentStore, tmp_path: Path) -> None:
    (tmp_path / "orchestra.yaml").write_text(OF_NOTEBOOKS)
    printed("apply", "--yes")
    text = (
        OF_NOTEBOOKS.replace("n: 3", "n: 4")
        .replace("concurrency: 2", "concurrency: 1")
        .replace("region: US", "region: CA")
    )
    (tmp_path / "orchestra.yaml").write_text(text.replace("paused: true", "paused: false"))

    shown = printed("apply", "--dry-run")

    assert shown == (
        "~ daily  change\n"
        "    parameters.n: 3 -> 4\n"
        "    schedules[1].parameters.region: US -> CA\n"
        "    concurrency: 2 -> 1\n"
        "~ etl  change\n"
        "    paused: true -> false\n"
        "= by-module  unchanged\n"
        "orchestra.yaml: 2 to change, 1 unchanged.\n"
        "Nothing was changed.\n"
    )


def test_pruning_deletes_what_the_file_does_not_name(deployments: DeploymentStore, tmp_path: Path) -> None:
    (tmp_path / "orchestra.yaml").write_text(OF_NOTEBOOKS)
    printed("apply", "--yes")
    (tmp_path / "one.yaml").write_text(printed("export", "etl"))

    assert actions("one.yaml", "--yes") == {"etl": "unchanged"}
    assert actions("one.yaml", "--yes", "--prune") == {"etl": "unchanged", "by-module": "delete", "daily": "delete"}
    assert [one.name for one in deployments.list_deployments()] == ["etl"]


@pytest.mark.parametrize(
    ("before", "after", "at", "code", "message"),
    [
        ("cron: 0 7", "cron: 0 77", "", "invalid_schedule", "deployments[0].schedules[0]: The hour '77'"),
        ("cron: 0 7", "crn: 0 7", "", "invalid_input", "deployments[0].schedules[0].crn: a schedule has no such field. "
         "Did you mean cron?"),
        ("pool: gpu", "pol: gpu", "", "invalid_input", "deployments[0].pol: a deployment has no such field. Did you mean"),
        ("concurrency: 2", "concurrency: two", "", "invalid_input", "deployments[0].concurrency: Expected `int | null`"),
        ("timeout: 1h30m", "timeout: soon", "", "invalid_input", "deployments[0].timeout: timeout: 'soon' is no duration"),
        ("retry_delay: exp:2s:60s", "retry_delay: exp", "", "invalid_input", "deployments[0].retry_delay: 'exp' is no"),
        ("n: 3", "nn: 3", "", "invalid_parameters", "deployments[0].parameters: The notebook has no parameter 'nn'"),
        ("region: US", "region: [1]", "n: 3", "invalid_parameters", "deployments[0].parameters: Schedule 2: Parameter"),
        ("nb/report", "nb/reprot", "", "notebook_not_found", "deployments[0].notebook: There is no notebook"),
        ("py:load", "py:lod", "", "code_not_found", "deployments[1].flow:"),
        ("name: etl", "name: daily", "- name: daily\n    flow", "invalid_input", "deployments[1].name: there is another "
         "'daily': orchestra.yaml:3"),
        ("name: etl", "name: etl\n    name: x", "name: x", "invalid_input", "name stands in line"),
        ("flow: pipeline.py:load", "", "- name: etl", "invalid_input", "deployments[1]: a deployment has a notebook or a"),
        ("deployments:", "deployment:", "", "invalid_input", "deployments: write `deployments:`"),
        ("cron: 0", "cron: @0", "", "invalid_input", "not YAML: found character '@'"),
        ("days_off: [2026-12-25]", "days_off: [2026-13-25]", "", "invalid_input",
         "deployments[0].schedules[1].days_off[0]: Invalid RFC3339"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place_and_nothing_changes(
    deployments: DeploymentStore, tmp_path: Path, before: str, after: str, at: str, code: str, message: str
) -> None:
    whole = FILE if "flow" in before + at or "py:load" in before else OF_NOTEBOOKS
    assert before in whole
    text = whole.replace(before, after, 1)
    (tmp_path / "orchestra.yaml").write_text(text)
    line = text.count("\n", 0, text.index(at or after)) + 1

    refused = refusal("apply", "--yes")

    assert refused[1] == code
    assert refused[2].startswith(f"orchestra.yaml:{line}: {message}"), refused
    assert deployments.list_deployments() == []


def test_all_that_is_wrong_is_told_at_once(deployments: DeploymentStore, tmp_path: Path) -> None:
    (tmp_path / "orchestra.yaml").write_text(
        FILE.replace("n: 3", "nn: 3").replace("region: EU}\n    sch", "x: 1}\n    sch")
    )

    refused = refusal("apply", "--yes")

    assert (refused[0], len(refused[2].splitlines())) == (2, 2), refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x00", "not YAML: unacceptable character"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b"", "1: deployments: write `deployments:`"),
        (b"deployments:\n- 3\n", "2: deployments[0]: a deployment is a mapping of fields, not int"),
        (b"deployments: [{1: x}]", "1: 1 is no name of a field"),
        (b"a: &a [1,2,3,4,5,6,7,8,9]\n" + b"".join(
            b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(8)
        ), "has more than 100,000 values"),
        (b"deployments: &x [*x]", "not YAML"),
    ],
    ids=["NUL", "UTF-16", "empty", "number", "key", "bomb", "circle"],
)  # fmt: skip
def test_what_is_no_file_of_deployments_is_refused(
    deployments: DeploymentStore, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "orchestra.yaml").write_bytes(content)

    refused = refusal("apply", "--yes", "--prune")

    assert (refused[:2], message in refused[2]) == ((2, "invalid_input"), True), refused


def test_parts_are_shared_by_anchors(deployments: DeploymentStore, tmp_path: Path) -> None:
    text = """
deployments:
  - &base {name: a, notebook: nb/report.ipynb, parameters: {region: EU}, concurrency: 2}
  - &other {<<: *base, name: b, concurrency: 1}
  - {<<: *other, name: c}
"""
    (tmp_path / "orchestra.yaml").write_text(text)

    printed("apply", "--yes")

    assert [(one.name, one.spec.concurrency) for one in deployments.list_deployments()] == [
        ("a", 2),
        ("b", 1),
        ("c", 1),
    ]
