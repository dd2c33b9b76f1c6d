"""The command line as a whole: cheap to start, helpful when misspelt, and with honest exit codes."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from orchestra_nb.cli.main import main
from orchestra_nb.version import __version__


def test_importing_the_command_line_loads_click_and_nothing_heavy() -> None:
    heavy = [
        "rich",
        "sqlalchemy",
        "alembic",
        "distributed",
        "dask",
        "papermill",
        "nbformat",
        "jupyter_client",
        "IPython",
    ]
    code = f"import sys, orchestra_nb.cli.main; print([name for name in {heavy!r} if name in sys.modules])"

    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert ast.literal_eval(printed) == []


def test_the_help_names_each_command() -> None:
    shown = CliRunner().invoke(main, ["--help"])

    assert shown.exit_code == 0
    assert re.findall(r"^  (\S+)", shown.output.partition("Commands:")[2], flags=re.MULTILINE) == [
        "run",
        "plan",
        "params",
        "analyse",
        "adopt",
        "convert",
        "runs",
        "stats",
        "artifacts",
        "assets",
        "events",
        "variables",
        "secrets",
        "concurrency",
        "dead-letters",
        "deploy",
        "deployments",
        "pools",
        "apply",
        "export",
        "notifications",
        "automations",
        "webhooks",
        "tokens",
        "audit",
        "schedule",
        "cluster",
        "serve",
        "worker",
        "service",
        "profile",
        "db",
        "doctor",
    ]


def test_the_version_is_the_package_s() -> None:
    shown = subprocess.run([sys.executable, "-m", "orchestra_nb", "--version"], capture_output=True, text=True)

    assert (shown.returncode, shown.stdout) == (0, f"orchestra, version {__version__}\n")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        pytest.param(["clustr", "stop"], "Did you mean 'cluster'?", id="misspelt"),
        pytest.param(
            ["fly"],
            "The commands are: run, plan, params, analyse, adopt, convert, runs, stats, artifacts, assets, events, variables, secrets, concurrency, dead-letters, deploy, deployments, pools, "
            "apply, export, notifications, automations, webhooks, tokens, audit, schedule, cluster, serve, worker, service, profile, db, doctor.",
            id="unknown",
        ),
    ],
)
def test_an_unknown_command_is_a_usage_error_that_helps(words: list[str], hint: str) -> None:
    refused = CliRunner().invoke(main, words)

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert hint in refused.stderr


def test_with_json_a_usage_error_is_json_on_stdout() -> None:
    refused = CliRunner().invoke(main, ["runs", "ls", "--json", "--limit", "none"])

    assert (refused.exit_code, refused.stderr) == (2, "")
    assert json.loads(refused.stdout)["error"]["code"] == "usage"


def test_without_a_command_the_help_is_shown_and_nothing_is_done() -> None:
    refused = CliRunner().invoke(main, [])

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "Commands:" in refused.stderr
