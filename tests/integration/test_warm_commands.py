"""``orchestra run`` while ``orchestra serve`` is up: the service's process is the user's command in all that is seen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from notebook_files import write_notebook
from patience import PATIENCE_SECONDS, eventually

from tests.faults.invariants import nothing_is_left
from tests.processes import title_of, words_of
from tests.services.deployed import wait_until_ready

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="commands are kept warm on Linux only")

_ORCHESTRA = [sys.executable, "-P", "-m", "orchestra_nb"]
_SLEEP = "import time\nopen('began', 'w').close()\ntime.sleep(600)"


class Shell:
    """A folder with a service, in which commands are typed."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.environ = {**os.environ, "JUPYTER_DATA_DIR": str(folder / "data"), **variables}
        self.service = self.start_service()

    def start_service(self, *before: str) -> subprocess.Popen[str]:
        service = subprocess.Popen(
            [*before, *_ORCHESTRA, "serve", "--no-server"],
            cwd=self.folder,
            env=self.environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until_ready(service)
        return service

    def start(self, *words: str, shell: str = '"$@"', **options: Any) -> subprocess.Popen[str]:
        """Start a command by what is typed in a shell; "$@" stands for it."""
        return subprocess.Popen(
            ["bash", "-c", f"exec {shell}", "bash", *_ORCHESTRA, *words],
            cwd=self.folder,
            env={**self.environ, **options.pop("environ", {})},
            text=True,
            **dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | options,
        )

    def run(self, *words: str, stdin: str = "", **options: Any) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr of a command."""
        command = self.start(*words, **options)
        stdout, stderr = command.communicate(stdin, timeout=PATIENCE_SECONDS)
        return command.returncode, stdout, stderr

    def served(self) -> list[psutil.Process]:
        """Return the processes of commands that the service runs now."""
        children = psutil.Process(self.service.pid).children(recursive=True)
        return [child for child in children if title_of(child).startswith("orchestra run")]

    def state_of(self, name: str) -> str:
        code, shown, stderr = self.run("runs", "show", name, "--json")
        assert code == 0, stderr
        state: str = json.loads(shown)["state"]
        return state

    def close(self) -> None:
        self.service.terminate()
        self.service.communicate(timeout=PATIENCE_SECONDS)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.close()


def test_the_service_runs_it_with_the_callers_folder_environment_streams_and_exit_code(shell: Shell) -> None:
    source = "import os\nprint(os.getcwd(), os.environ.get('COLOUR'), oct(os.umask(0o022)))"
    write_notebook(shell.folder / "look.ipynb", source)
    write_notebook(shell.folder / "fails.ipynb", "1 / 0")
    piped = (shell.folder / "look.ipynb").read_text()

    for colour in ("red", "blue"):
        code, stdout, _ = shell.run("run", "look.ipynb", "out.ipynb", "--json", environ={"COLOUR": colour})
        assert (code, json.loads(stdout)["state"]) == (0, "COMPLETED")
        assert f"{shell.folder} {colour} 0o22" in (shell.folder / "out.ipynb").read_text()
    code, _, stderr = shell.run("run", "fails.ipynb", "out.ipynb")
    assert code == 1
    assert "ZeroDivisionError" in stderr
    code, _, stderr = shell.run("run", "missing.ipynb")
    assert code == 3
    assert "missing.ipynb" in stderr
    code, _, stderr = shell.run("run", "--no-such-flag", "look.ipynb")
    assert code == 2
    assert "--no-such-flag" in stderr
    code, stdout, _ = shell.run("run", "-", "-", stdin=piped)
    assert code == 0
    assert json.loads(stdout)["cells"][0]["outputs"]


def test_a_command_that_breaks_or_has_an_odd_name_ends_as_it_does_by_itself(shell: Shell) -> None:
    write_notebook(shell.folder / "short.ipynb", "print(1)")

    with open("/dev/full", "w") as full:
        code, _, stderr = shell.run("run", "short.ipynb", "out.ipynb", "--json", stdout=full)
    assert (code, "Traceback" in stderr, "No space left" in stderr) == (1, False, True)
    code, _, stderr = shell.run("run", os.fsdecode(b"caf\xe9.ipynb"))
    assert (code, "caf" in stderr) == (3, True), stderr


def test_what_is_made_ready_by_other_settings_is_not_used(shell: Shell) -> None:
    parents = "import psutil\nprint([parent.cmdline() for parent in psutil.Process().parents()[:2]])"
    write_notebook(shell.folder / "look.ipynb", parents)

    for is_forked in ("true", "false"):
        code, _, stderr = shell.run("run", "look.ipynb", "out.ipynb", environ={"ORCHESTRA_KERNEL_FORK": is_forked})
        assert code == 0, stderr
        assert ("orchestra: keeps" in (shell.folder / "out.ipynb").read_text()) is (is_forked == "true")


def test_a_module_of_the_user_does_not_stand_in_for_one_that_the_runner_needs(shell: Shell) -> None:
    (shell.folder / "random.py").write_text("raise SystemExit('mine')")
    shell.close()
    write_notebook(shell.folder / "short.ipynb", "print(1)")

    code, _, stderr = shell.run("run", "short.ipynb", "out.ipynb")
    assert code == 0, stderr
    shell.service = shell.start_service()
    code, _, stderr = shell.run("run", "short.ipynb", "out.ipynb")
    assert code == 0, stderr


def test_ctrl_c_reaches_the_run_and_a_killed_command_takes_its_run_along(shell: Shell) -> None:
    write_notebook(shell.folder / "sleeps.ipynb", _SLEEP)
    began = shell.folder / "began"

    command = shell.start("run", "sleeps.ipynb", "out.ipynb", "--json")
    eventually(lambda: began.exists() or None)
    assert len(shell.served()) == 1
    command.send_signal(signal.SIGINT)
    stdout, stderr = command.communicate(timeout=PATIENCE_SECONDS)
    assert command.returncode == 130, stderr
    assert json.loads(stdout)["state"] == "CANCELLED"

    began.unlink()
    command = shell.start("run", "sleeps.ipynb", "out.ipynb")
    eventually(lambda: began.exists() or None)
    (served,) = shell.served()
    processes = [served, *served.children(recursive=True)]
    command.kill()
    _, stderr = command.communicate(timeout=PATIENCE_SECONDS)
    name = stderr.split("run ")[1].split()[0]
    eventually(lambda: shell.state_of(name) == "CRASHED" or None)
    nothing_is_left([process.pid for process in processes])


def test_a_service_that_ends_leaves_running_commands_alone_and_nothing_behind(shell: Shell) -> None:
    write_notebook(
        shell.folder / "waits.ipynb",
        "import pathlib, time\nopen('began', 'w').close()\n"
        "while not pathlib.Path('go').exists():\n    time.sleep(0.02)\nprint('done')",
    )
    command = shell.start("run", "waits.ipynb", "out.ipynb", "--json")
    eventually(lambda: (shell.folder / "began").exists() or None)
    children = psutil.Process(shell.service.pid).children()
    (host,) = (child for child in children if "--only-commands" in words_of(child))
    kept = [host, *(child for child in host.children() if child not in shell.served())]
    assert kept

    shell.close()
    eventually(lambda: not any(child.is_running() for child in kept) or None)
    (shell.folder / "go").touch()
    stdout, stderr = command.communicate(timeout=PATIENCE_SECONDS)

    assert command.returncode == 0, stderr
    assert json.loads(stdout)["state"] == "COMPLETED"
    assert not list(Path(os.environ["ORCHESTRA_RUNTIME_DIR"]).glob("commands-*.sock"))
    code, _, stderr = shell.run("run", "waits.ipynb", "out.ipynb")  # by itself
    assert code == 0, stderr


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"environ": {"PYTHONHASHSEED": "7"}}, id="hash seed"),
        pytest.param({"umask": 0o077}, id="umask"),
        pytest.param({"shell": '"$@" <&-'}, id="no stdin"),
        pytest.param({"shell": """"$@" -f <(echo '{"n": 1}')"""}, id="a file of the shell"),
    ],
)
def test_whoever_differs_in_what_a_fork_cannot_take_over_runs_by_itself(shell: Shell, options: dict[str, Any]) -> None:
    write_notebook(shell.folder / "sleeps.ipynb", _SLEEP)

    command = shell.start("run", "sleeps.ipynb", "out.ipynb", "--no-strict", **options)
    try:
        eventually(lambda: (shell.folder / "began").exists() or None)
        assert shell.served() == []
    finally:
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=PATIENCE_SECONDS)


def test_commands_are_served_by_a_new_process_when_packages_have_changed(tmp_path: Path) -> None:
    packages = tmp_path / "site-packages"
    packages.mkdir()
    path = os.pathsep.join(filter(None, [str(packages), os.environ.get("PYTHONPATH", "")]))
    shell = Shell(tmp_path, PYTHONPATH=path, ORCHESTRA_KERNEL_IDLE_SECONDS="2")
    write_notebook(tmp_path / "sleeps.ipynb", _SLEEP)
    try:
        (packages / "new.py").touch()
        command = shell.start("run", "sleeps.ipynb", "out.ipynb")
        eventually(lambda: (tmp_path / "began").exists() or None)
        assert shell.served() == []  # by itself
        assert shell.service.stderr is not None
        assert "is started again" in shell.service.stderr.readline()
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=PATIENCE_SECONDS)
        assert command.returncode == 130

        def is_served() -> bool | None:
            family = psutil.Process(shell.service.pid).children(recursive=True)
            return any(title_of(process) == "orchestra: waits for a command" for process in family) or None

        eventually(is_served)
        (tmp_path / "began").unlink()
        command = shell.start("run", "sleeps.ipynb", "out.ipynb")
        eventually(lambda: (tmp_path / "began").exists() or None)
        assert len(shell.served()) == 1
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=PATIENCE_SECONDS)
    finally:
        shell.close()


def test_a_service_without_streams_serves_and_one_without_room_for_its_socket_says_so(shell: Shell) -> None:
    shell.close()
    shell.service = shell.start_service("bash", "-c", 'exec "$@" <&- >&-', "bash")
    write_notebook(shell.folder / "sleeps.ipynb", _SLEEP)

    command = shell.start("run", "sleeps.ipynb", "out.ipynb")
    eventually(lambda: (shell.folder / "began").exists() or None)
    assert len(shell.served()) == 1
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=PATIENCE_SECONDS)
    assert command.returncode == 130
    code, _, stderr = shell.run(
        "serve", "--no-server", environ={"ORCHESTRA_RUNTIME_DIR": str(shell.folder / ("x" * 100))}
    )
    assert (code, "too long for a socket" in stderr) == (2, True), stderr


def test_a_second_service_leaves_commands_to_the_first_and_a_killed_one_is_replaced(shell: Shell) -> None:
    write_notebook(shell.folder / "short.ipynb", "print(1)")
    second = shell.start("serve", "--no-server")
    assert second.stderr is not None
    assert "starts at once" not in second.stderr.readline()
    second.send_signal(signal.SIGTERM)
    second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 0

    family = psutil.Process(shell.service.pid).children(recursive=True)
    shell.service.kill()
    shell.service.communicate()
    nothing_is_left([process.pid for process in family])
    code, _, stderr = shell.run("run", "short.ipynb", "out.ipynb")  # by itself: nobody listens
    assert code == 0, stderr
    shell.service = shell.start_service()
    code, _, stderr = shell.run("run", "short.ipynb", "out.ipynb")
    assert code == 0, stderr
