"""Which server a command works over, with which token, and which commands work over none."""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FunctionType

import click
import pytest
from click.testing import CliRunner, Result

import orchestra_nb.cli
from orchestra_nb.cli.backend import remote_counterpart
from orchestra_nb.cli.main import main
from orchestra_nb.cli.remote.counterparts import MODULES
from orchestra_nb.cli.server_choice import ServerOptions
from orchestra_nb.errors import InvalidInput, InvalidSetting
from orchestra_nb.settings import Settings, load_settings

_NOWHERE = "http://127.0.0.1:9"


def orchestra(*words: str, **environ: str) -> Result:
    return CliRunner(env=environ).invoke(main, words)


@pytest.mark.parametrize("name", ["db", "serve", "cluster", "service", "doctor", "profile"])
def test_a_command_about_this_machine_works_over_no_server(name: str) -> None:
    refused = orchestra("--server", _NOWHERE, name)

    assert refused.exit_code == 2
    assert f"`orchestra {name}`" in refused.stderr
    assert "Leave out --server" in refused.stderr


def test_a_worker_has_a_server_of_its_own() -> None:
    refused = orchestra("--server", _NOWHERE, "worker", "--pool", "gpu")

    assert (refused.exit_code, "`orchestra worker --pool POOL --server URL`" in refused.stderr) == (2, True)


@pytest.mark.parametrize("words", ["db check", "db backup x"])
def test_a_command_on_the_store_is_not_done_on_another_one_than_is_meant(words: str) -> None:
    refused = orchestra(*words.split(), ORCHESTRA_API_URL=_NOWHERE)
    helped = orchestra(*words.split(), "--help", ORCHESTRA_API_URL=_NOWHERE)

    assert refused.exit_code == 2
    assert (
        f"the server {_NOWHERE}, which ORCHESTRA_API_URL names. `orchestra --local {words.split()[0]}" in refused.stderr
    )
    assert helped.exit_code == 0


def test_local_is_the_store_whichever_server_is_set() -> None:
    done = orchestra("--local", "variables", "ls", ORCHESTRA_API_URL=_NOWHERE)
    asked = orchestra("variables", "ls", ORCHESTRA_API_URL=_NOWHERE)

    assert (done.exit_code, asked.exit_code) == (0, 1)
    assert f"The server {_NOWHERE} cannot be reached" in asked.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--local", "--server", _NOWHERE), "--local and --server exclude each other"),
        (("--token", "x", "--token-file", "y", "--server", _NOWHERE), "--token and --token-file exclude each other"),
        (("--server", "localhost:8888"), "is no address of a server"),
        (("--server", _NOWHERE, "--token-file", "/none"), "/none, cannot be read"),
        (("--server", _NOWHERE, "--token", "-"), "Nothing came from the pipe for --token -"),
    ],
)
def test_what_does_not_go_together_or_is_none_is_refused(words: tuple[str, ...], message: str) -> None:
    refused = orchestra(*words, "variables", "ls")

    assert (refused.exit_code, message in refused.stderr) == (2, True)


_OTHER = {"ORCHESTRA_API_URL": "http://other"}
_TOKEN = {"ORCHESTRA_API_TOKEN": "env"}


@pytest.mark.parametrize(
    ("options", "environ", "project", "expected"),
    [
        pytest.param({"token": "given"}, _TOKEN, "", "given", id="the flag wins"),
        pytest.param({}, _TOKEN, "", "env", id="the environment"),
        pytest.param({}, {}, "", "kept", id="the user's, for its own server"),
        pytest.param({"url": "http://kept"}, {}, "", "kept", id="the user's, for its own server by a flag"),
        pytest.param({"url": "http://other"}, {}, "", "", id="the user's is sent to no other server"),
        pytest.param({}, _OTHER, "", "", id="nor to one of the environment"),
        pytest.param({}, {}, "http://other", "", id="nor to one of a project"),
        pytest.param({"url": "http://other"}, _TOKEN, "", "env", id="the environment's, to one that is given"),
        pytest.param({}, _OTHER | _TOKEN, "", "env", id="the environment's, to the environment's"),
        pytest.param({"url": "http://third"}, _OTHER | _TOKEN, "", "", id="the environment's, to no other one"),
        pytest.param({}, _TOKEN, "http://other", "", id="the environment's is not sent to one of a project"),
    ],
)
def test_the_token_is_the_nearest_one_that_is_for_the_server(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: Mapping[str, str],
    environ: Mapping[str, str],
    project: str,
    expected: str,
) -> None:
    for folder in ("config", "project"):
        (tmp_path / folder).mkdir()
    (tmp_path / "config" / "orchestra.toml").write_text('api_url = "http://kept/"\napi_token = "kept"\n')
    (tmp_path / "project" / "orchestra.toml").write_text(f'api_url = "{project}"\n' if project else "")
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path / "project")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    given = ServerOptions(**options)  # type: ignore[arg-type]

    token, _ = given.token_for(given.url or settings.api_url, settings)

    assert token.get() == expected


def test_a_token_comes_from_a_file_or_the_first_line_of_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "token"
    path.write_text("orc_1\n")
    path.chmod(0o644)
    monkeypatch.setattr("sys.stdin", io.StringIO("orc_2\nthe secret that follows\n"))

    of_file, _ = ServerOptions(token_file=path).token_for(_NOWHERE, Settings())
    piped, _ = ServerOptions(token="-").token_for(_NOWHERE, Settings())

    assert (of_file.get(), piped.get()) == ("orc_1", "orc_2")
    assert f"`chmod 600 {path}`" in capsys.readouterr().err
    with pytest.raises(InvalidSetting, match="cannot be read"):
        ServerOptions(token_file=tmp_path / "none").token_for(_NOWHERE, Settings())


def test_a_profile_keeps_a_server_and_never_shows_its_token(tmp_path: Path) -> None:
    environ = {"JUPYTER_CONFIG_DIR": str(tmp_path)}
    runner = CliRunner(env=environ)

    made = runner.invoke(
        main, ["profile", "create", "team", f"api_url={_NOWHERE}", "api_token=-", "--use"], input="orc_secret\n"
    )
    shown = runner.invoke(main, ["profile", "show", "--origin"])
    asked = runner.invoke(main, ["variables", "ls"])

    assert made.exit_code == 0, made.stderr
    assert load_settings(environ=environ).api_token == "orc_secret"
    assert (tmp_path / "orchestra.toml").stat().st_mode & 0o077 == 0
    assert (_NOWHERE in shown.stdout, "orc_secret" in shown.stdout) == (True, False)
    assert (asked.exit_code, f"{_NOWHERE} cannot be reached" in asked.stderr) == (1, True)


def test_each_counterpart_takes_what_its_operation_takes() -> None:
    different = []
    for module, remote_module in MODULES.items():
        local, remote = importlib.import_module(module), importlib.import_module(remote_module)
        for name, function in inspect.getmembers(local, inspect.isfunction):
            counterpart = getattr(remote, name, None)
            if function.__module__ == module and getattr(counterpart, "__module__", "") == remote_module:
                assert counterpart is not None
                if _parameters(function) != _parameters(counterpart):
                    different.append((name, _parameters(function), _parameters(counterpart)))

    assert different == []


#: Of these a server says by who calls whose they are; no command does.
BY_WHO_CALLS = {
    "list_secrets": ("owner", "has_shared"),
    "set_secret": ("owner",),
    "unset_secret": ("owner",),
    "list_tokens": ("owner",),
    "revoke_token": ("owner",),
    "create_webhook": ("owner",),
    "change_webhook": ("owner",),
}


def _parameters(function: FunctionType) -> list[tuple[str, object, object]]:
    parameters = list(inspect.signature(function).parameters.values())[1:]
    said = (one for one in parameters if one.name not in BY_WHO_CALLS.get(function.__name__, ()))
    return sorted(((one.name, str(one.kind), str(one.default)) for one in said), key=str)


def test_each_operation_that_a_command_names_has_a_counterpart() -> None:
    named = set()
    for path in Path(orchestra_nb.cli.__path__[0]).glob("*.py"):
        module = importlib.import_module(f"orchestra_nb.cli.{path.stem}")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("backend.call"):
                named.add((module, ast.unparse(node.args[0])))

    assert len(named) > 60
    for module, words in named:
        operation = _found(module, words)
        assert remote_counterpart(operation).__name__ == operation.__name__


def _found(module: object, words: str) -> object:
    for part in words.split("."):
        module = getattr(module, part, None) or _imported_late(words)
    return module


def _imported_late(name: str) -> object:
    """Return an operation that a command imports where it uses it."""
    for module in MODULES:
        found = getattr(importlib.import_module(module), name, None)
        if found is not None and found.__module__ == module:
            return found
    raise AssertionError(name)


def test_what_has_no_counterpart_is_refused() -> None:
    def copy_store(store: object) -> None: ...

    with pytest.raises(InvalidInput, match="works on a store itself"):
        remote_counterpart(copy_store)


def test_options_are_there_for_a_command_that_is_called_alone() -> None:
    assert click.get_current_context(silent=True) is None
    from orchestra_nb.cli.server_choice import chosen_server

    assert chosen_server(Settings()) is None


@pytest.mark.parametrize("words", [["variables", "ls"], ["runs", "ls"], ["run", "none.ipynb"], ["deployments", "ls"]])
def test_a_command_on_the_store_loads_nothing_that_only_servers_need(words: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom orchestra_nb.cli.main import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        "needless = ('urllib3', 'orchestra_nb.client', 'orchestra_nb.rest', 'orchestra_nb.cli.remote')\n"
        "print([name for name in sys.modules if name.startswith(needless)])"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_no_kernel_is_started_here_for_a_notebook_that_a_server_runs(tmp_path: Path) -> None:
    code = (
        "import psutil\nfrom orchestra_nb.operations.warm_start import start_ahead\nstart_ahead(with_kernel=True)\n"
        "print(len(psutil.Process().children(recursive=True)))"
    )
    environ = {**os.environ, "ORCHESTRA_API_URL": _NOWHERE}

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )

    assert done.stdout == "0\n"
