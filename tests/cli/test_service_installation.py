"""``orchestra service``: what is written for systemd and launchd, where, and what is said where there is neither."""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from patience import PATIENCE_SECONDS

from orchestra_nb.cli.main import main
from orchestra_nb.errors import InvalidInput
from orchestra_nb.model.service_units import ServiceUnit, launchd_list, systemd_unit
from orchestra_nb.operations.service_installation import plan_service

AWKWARD = ServiceUnit(
    name="orchestra-nb-100%",
    command=(sys.executable, "-m", "orchestra_nb", "serve", "--pool", 'a "b" $c %d \\e', "--pool", "ü"),
    folder="/tmp",
    environment={"ORCHESTRA_PROFILE": "team", "AWKWARD": 'a "b" $c %d \\e', "EMPTY": ""},
)
needs_systemctl = pytest.mark.skipif(
    shutil.which("systemctl") is None, reason="systemctl is not installed. On Debian: apt-get install systemd"
)


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where units are written; nobody's systemd can be talked to."""
    for name in ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("ORCHESTRA_STORE_URL", f"sqlite:///{tmp_path / 'orchestra.db'}")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "config" / "systemd" / "user"


def orchestra(*words: str) -> Result:
    return CliRunner().invoke(main, ["service", *words])


def verify(text: str, folder: Path) -> str:
    """Return what systemd has to say about a unit; empty when it is well."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed. On Debian: apt-get install systemd")
    unit = folder / "checked.service"
    unit.write_text(text)
    with tempfile.TemporaryDirectory() as runtime:  # short: it makes sockets there
        done = subprocess.run(
            ["systemd-analyze", "--user", "--man=no", "verify", str(unit)],
            env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": runtime, "HOME": str(folder)},
            capture_output=True,
            text=True,
        )
    said = [line for line in done.stderr.splitlines() if unit.name in line]  # not of other units of this machine
    return "\n".join(said) or (f"exit code {done.returncode}" if done.returncode else "")


def test_systemd_takes_the_unit(units: Path, tmp_path: Path) -> None:
    assert verify(plan_service(keeper="systemd").text, tmp_path) == ""
    assert verify(systemd_unit(AWKWARD), tmp_path) == ""
    assert "Bogus" in verify(systemd_unit(AWKWARD).replace("UMask", "Bogus"), tmp_path)


def test_what_is_special_to_systemd_is_written_out() -> None:
    lines = systemd_unit(AWKWARD).splitlines()

    assert "WorkingDirectory=/tmp" in lines
    assert 'Environment="AWKWARD=a \\"b\\" $c %%d \\\\e"' in lines
    (command,) = (line for line in lines if line.startswith("ExecStart="))
    assert command.endswith('"serve" "--pool" "a \\"b\\" $$c %%d \\\\e" "--pool" "ü"')
    with pytest.raises(InvalidInput, match="control characters"):
        ServiceUnit(name="x", command=("a\nExecStartPre=evil",), folder="/")


def test_launchd_reads_back_what_is_meant() -> None:
    text = launchd_list(AWKWARD, "/tmp/log")
    read = plistlib.loads(text.encode())

    assert (read["ProgramArguments"], read["WorkingDirectory"]) == (list(AWKWARD.command), "/tmp")
    assert (read["EnvironmentVariables"], read["KeepAlive"]) == (AWKWARD.environment, True)


def test_what_is_written_starts_a_service_in_its_folder(units: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    unit = plan_service(folder=str(tmp_path / "work"), options=["--runs", "1", "--no-commands"], keeper="systemd").unit

    process = subprocess.Popen(
        unit.command,
        cwd=unit.folder,
        env=unit.environment
        | {name: os.environ[name] for name in ("HOME", "ORCHESTRA_TEST_SESSION", "TMPDIR") if name in os.environ},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        line = next(line for line in process.stderr if "is taken" not in line)  # its port, by another server here
    finally:
        process.send_signal(signal.SIGTERM)
        process.stderr.close()
        code = process.wait(PATIENCE_SECONDS)

    assert line.startswith(f"Ready: deployments in pool default of {tmp_path / 'orchestra.db'} run when they are due")
    assert code == 0
    assert unit.folder == str(tmp_path / "work")


@needs_systemctl
def test_a_service_is_installed_shown_and_uninstalled(units: Path) -> None:
    before = orchestra("status")
    installed = orchestra("install", "--runs", "3")
    path = units / "orchestra-nb.service"
    text, mode = path.read_text(), stat.S_IMODE(path.stat().st_mode)
    again = orchestra("install", "--runs", "4", "--no-server")
    refused = orchestra("install", "--no-server", "--port", "1")
    status = json.loads(orchestra("status", "--json").stdout)
    changed = path.read_text()
    gone = orchestra("uninstall")
    twice = orchestra("uninstall")

    assert before.stdout == "orchestra-nb is not installed: orchestra service install\n"
    assert (installed.exit_code, again.exit_code, gone.exit_code, twice.exit_code) == (0, 0, 0, 3)
    assert "systemctl --user enable orchestra-nb.service" in installed.stdout
    assert '"serve" "--runs" "3"' in text
    assert '"--runs" "4" "--no-server"' in changed
    assert (refused.exit_code, "listens on no port" in refused.output) == (2, True)
    assert mode == 0o600
    assert (status["is_installed"], status["path"], status["servers"]) == (True, str(path), [])
    assert list(units.iterdir()) == []


@needs_systemctl
def test_several_services_have_names_and_profiles(units: Path, tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["profile", "create", "gpu", "service_pools=gpu"]).exit_code == 0
    orchestra("install")
    orchestra("install", "--name", "gpu", "--profile", "gpu")
    unknown = orchestra("install", "--profile", "tpu")

    texts = {path.name: path.read_text() for path in units.iterdir()}
    assert sorted(texts) == ["orchestra-nb-gpu.service", "orchestra-nb.service"]
    assert 'Environment="ORCHESTRA_PROFILE=gpu"' in texts["orchestra-nb-gpu.service"]
    assert "ORCHESTRA_PROFILE" not in texts["orchestra-nb.service"]
    assert unknown.exit_code == 2


@needs_systemctl
def test_what_somebody_else_has_written_stays(units: Path) -> None:
    units.mkdir(parents=True)
    path = units / "orchestra-nb.service"
    path.write_text("[Unit]\n")

    refused, kept = orchestra("install"), orchestra("uninstall")

    assert (refused.exit_code, kept.exit_code) == (1, 3)
    assert "choose another --name" in refused.stderr
    assert path.read_text() == "[Unit]\n"


@needs_systemctl
def test_a_secret_of_the_environment_is_not_written_down(units: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRA_STORE_URL", "postgresql://ana:hunter2@db/runs")
    monkeypatch.setenv("ORCHESTRA_SERVICE_RUNS", "3")

    installed = orchestra("install")

    text = (units / "orchestra-nb.service").read_text()
    assert "hunter2" not in text + installed.output
    assert 'Environment="ORCHESTRA_SERVICE_RUNS=3"' in text
    assert "ORCHESTRA_STORE_URL is not in it" in installed.stderr
    assert "orchestra profile set store_url=-" in installed.stderr


@needs_systemctl
def test_where_systemd_cannot_be_talked_to_the_reason_is_said(units: Path) -> None:
    refused = orchestra("install", "--start")

    assert refused.exit_code == 1
    assert "The service is installed, and was not started: systemctl --user daemon-reload said: " in refused.stderr
    assert (units / "orchestra-nb.service").exists()


def test_elsewhere_it_is_refused_with_what_to_run(units: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    refused = orchestra("install")

    assert refused.exit_code == 1
    assert f"`{sys.executable} -m orchestra_nb serve`" in refused.stderr
    assert not units.exists()
