"""``orchestra audit``, and that each command which changes something is in it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from orchestra_nb.acting_user import process_user
from orchestra_nb.cli.audited_commands import AUDITED
from orchestra_nb.cli.main import main
from orchestra_nb.errors import RunNotFound, VariableNotFound
from orchestra_nb.model.audit_actions import AREA_OF, action_of_step
from orchestra_nb.model.events import DriverStarted, RunCreated, TaskRunCreated
from orchestra_nb.model.runs import Run, RunKind, TaskRun
from orchestra_nb.model.states import State
from orchestra_nb.operations.automation_actions import DEEDS
from orchestra_nb.operations.opening import close_store, open_store
from orchestra_nb.rest.audited_calls import READERS
from orchestra_nb.rest.catalogue import ENDPOINTS
from orchestra_nb.services.driver_guard import describe_this_process

KINDS = ("deployment", "automation", "pool")

#: Commands that look, and those that change nothing in the store, or nothing but runs, which say whose they are.
LOOKING = """
run plan params analyse adopt convert stats export serve worker doctor
runs again, runs logs, runs ls, runs results, runs show
artifacts ls, artifacts show, assets ls, assets show, events ls, variables get, variables ls, secrets ls
concurrency ls, dead-letters ls, dead-letters show, deployments ls, deployments show, deployments versions
pools ls, pools preview, pools show, notifications channels ls, notifications outbox ls, notifications outbox show
notifications rules ls, automations ls, automations show, automations test, webhooks deliveries, webhooks ls
webhooks show, tokens ls, audit list, audit ls, schedule preview, cluster start, cluster status, cluster stop
service install, service status, service uninstall, db backup, db status, db upgrade, db vacuum
profile create, profile ls, profile set, profile show, profile unset, profile use
"""


@pytest.fixture(autouse=True)
def store_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRA_STORE_URL", f"sqlite:///{tmp_path}/orchestra.db")


def orchestra(*words: str, given: str = "") -> Result:
    return CliRunner().invoke(main, list(words), input=given, standalone_mode=False)


def entries(*words: str) -> list[dict]:
    """Return what the trail says, the oldest first."""
    return json.loads(orchestra("audit", "list", "--json", *words).stdout)["entries"][::-1]


def leaves(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from leaves(found, (*words, name))
    else:
        yield " ".join(words), command


def test_each_command_is_in_the_trail_or_changes_nothing() -> None:
    commands = dict(leaves(main))
    first, *rest = LOOKING.strip().splitlines()
    looking = {*first.split(), *(words.strip() for line in rest for words in line.split(","))}

    assert set(commands) == set(AUDITED) | looking
    assert set(AUDITED) & looking == set()
    for words, deed in AUDITED.items():
        parameters = {parameter.name for parameter in commands[words].params}
        assert {deed.parameter, deed.looks_with, deed.acts_with} - {""} <= parameters, words


def test_all_ways_take_their_actions_from_one_table() -> None:
    commands = {deed.action for deed in AUDITED.values()}
    calls = {endpoint.name for endpoint in ENDPOINTS if endpoint.method != "GET"} - READERS
    of_files = {action_of_step(kind, becomes) for kind in KINDS for becomes in ("create", "change", "delete")}
    of_automations = {action for action, _ in DEEDS.values()}
    elsewhere = {"receive_message", "register_worker", "end_worker"}

    assert commands | calls | of_files | of_automations | elsewhere == set(AREA_OF)
    assert commands - calls == {"clean_store", "repair_store"}  # the store is the server's own


def test_commands_are_noted_with_who_from_where_and_how_they_ended() -> None:
    assert orchestra("variables", "set", "region", "EU").exit_code == 0
    assert orchestra("variables", "get", "region").exit_code == 0
    assert isinstance(orchestra("variables", "unset", "none").exception, VariableNotFound)
    assert orchestra("tokens", "create", "--name", "ci", "--scope", "runs:read").exit_code == 0

    found = entries()
    assert [(one["action"], one["area"], one["target"], one["outcome"], one["code"]) for one in found] == [
        ("set_variable", "variables", "region", "done", ""),
        ("unset_variable", "variables", "none", "failed", "variable_not_found"),
        ("create_token", "tokens", "ci", "done", ""),
    ]
    whence = {(one["actor"], one["via"], one["origin"]) for one in found}
    assert whence == {(f"command line of {process_user()}", "cli", socket.gethostname())}
    assert len(entries("--target", "region")) == len(entries("--outcome", "failed")) == 1
    assert [one["action"] for one in entries("--limit", "1")] == ["create_token"]
    assert [one["action"] for one in entries("--before", str(found[1]["number"]))] == ["set_variable"]


def test_the_table_names_what_was_done_and_says_so_where_there_is_nothing() -> None:
    assert "nobody has changed anything" in orchestra("audit", "ls").stdout
    orchestra("variables", "unset", "none")

    head, row = orchestra("audit", "ls").stdout.splitlines()

    assert head.split() == ["WHEN", "WHO", "FROM", "DID", "TO", "OUTCOME"]
    assert row.rstrip().endswith("unset_variable  variables none  failed: variable_not_found")
    assert "No entry is like that." in orchestra("audit", "ls", "--actor", "somebody").stdout


def test_what_was_done_to_a_task_is_found_by_its_run() -> None:
    now = datetime.now(UTC)
    run = Run(
        run_id="1",
        name="fox",
        flow_name="f",
        kind=RunKind.FLOW,
        state=State.RUNNING,
        created_at=now,
        driver_id="kernel",
    )
    task = TaskRun(task_run_id="2", run_id="1", name="load", state=State.RUNNING, created_at=now)
    driver = describe_this_process("kernel", 3600, "kernel")
    store = open_store()
    store.apply([DriverStarted(driver=driver), RunCreated(run=run), TaskRunCreated(task_run=task)])
    close_store(store)

    assert orchestra("runs", "cancel", "fox", "--task", "load").exit_code == 0
    assert isinstance(orchestra("runs", "cancel", "ox").exception, RunNotFound)

    found = [(one["action"], one["target"]) for one in entries("--target", "fox")]
    assert found == [("cancel_task", "task load of fox")]


def test_no_value_is_in_the_trail() -> None:
    assert orchestra("secrets", "set", "db", given="hunter2\n").exit_code == 0
    assert orchestra("variables", "set", "x", "hunter2").exit_code == 0
    made = orchestra("tokens", "create", "--name", "ci", "--scope", "admin").stdout.strip()

    listed = orchestra("audit", "list", "--json").stdout

    assert "hunter2" not in listed
    assert made not in listed
    assert [one["target"] for one in entries()] == ["db", "x", "ci"]


def test_what_a_file_makes_is_noted_each_by_its_name_and_a_look_is_not(tmp_path: Path) -> None:
    file = tmp_path / "orchestra.yaml"
    file.write_text("pools:\n  - {name: gpu}\n  - {name: cpu}\n")

    looked = orchestra("apply", str(file), "--dry-run")
    declined = orchestra("apply", str(file), given="n\n")
    none = entries()
    applied = orchestra("apply", str(file), "--yes")
    again = orchestra("apply", str(file), "--yes")

    assert (looked.exit_code, declined.return_value, none) == (0, 1, [])
    assert [applied.return_value, again.return_value] == [0, 0]
    assert [(one["action"], one["area"], one["target"]) for one in entries()] == [
        ("create_pool", "pools", "gpu"),
        ("create_pool", "pools", "cpu"),
    ]


@pytest.mark.parametrize(
    ("words", "actions"),
    [
        (("db", "clean", "--dry-run"), []),
        (("db", "clean"), ["clean_store"]),
        (("db", "check"), []),
        (("db", "check", "--repair"), ["repair_store"]),
    ],
)
def test_a_command_that_may_only_look_is_noted_when_it_does_something(
    words: tuple[str, ...], actions: list[str]
) -> None:
    orchestra(*words)

    assert [one["action"] for one in entries()] == actions


def test_runs_of_the_shell_are_ones_own(tmp_path: Path) -> None:
    notebook = tmp_path / "n.ipynb"
    notebook.write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    assert orchestra("run", str(notebook), str(tmp_path / "out.ipynb")).return_value in (0, None)

    mine = json.loads(orchestra("runs", "ls", "--owner", "me", "--json").stdout)["runs"]
    others = orchestra("runs", "ls", "--owner", "somebody else").stdout
    shown = orchestra("runs", "show", mine[0]["name"]).stdout

    assert [one["flow_name"] for one in mine] == ["n"]
    assert "No run is like that." in others
    assert f"owner       {process_user()}" in shown
