"""``orchestra doctor``, on installations that are well, and on ones that are broken in one way each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestra_nb.cli.main import main
from orchestra_nb.engine.local_cluster import ClusterPaths
from orchestra_nb.version import __version__

ROOT = Path(__file__).parent.parent.parent


class Installation:
    """The settings and Jupyter folders that a doctor looks at, all in one temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.labextension = folder / "share/labextensions/orchestra-nb/package.json"
        self.server_config = folder / "etc/jupyter_server_config.d/orchestra_nb.json"
        self.kernels = folder / "share/kernels"
        self.store = folder / "orchestra.db"
        self.packages = folder / "packages"
        self.runtime = Path(tempfile.mkdtemp())  # sockets need a short path
        self.environment = {
            "ORCHESTRA_STORE_URL": f"sqlite:///{self.store}",
            "ORCHESTRA_RUNTIME_DIR": str(self.runtime),
            "JUPYTER_PATH": str(folder / "share"),
            "JUPYTER_CONFIG_PATH": str(folder / "etc"),
            "PYTHONPATH": os.pathsep.join([str(self.packages), str(ROOT)]),
        }
        self.write(self.labextension, {"name": "orchestra-nb", "version": __version__})
        shipped = ROOT / "jupyter-config/jupyter_server_config.d/orchestra_nb.json"
        self.write(self.server_config, json.loads(shipped.read_text(encoding="utf-8")))

    def write(self, file: Path, content: object) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content), encoding="utf-8")

    def examine(self, *words: str) -> tuple[int, str]:
        """Return the exit code of the doctor and what it printed."""
        command = [sys.executable, "-m", "orchestra_nb", "doctor", *words]
        environment = {**os.environ, **self.environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.stderr == ""
        return done.returncode, done.stdout

    def check(self, name: str) -> tuple[int, dict[str, str]]:
        """Return the doctor's exit code and its finding of this name, asked in this process, which is much faster."""
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in self.environment.items():
                patch.setenv(variable, value)
            patch.syspath_prepend(str(self.packages))
            done = CliRunner().invoke(main, ["doctor", "--json"])
        (found,) = [check for check in json.loads(done.stdout)["checks"] if check["name"] == name]
        return done.exit_code, found


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_a_sound_installation_has_no_failed_check(installation: Installation) -> None:
    code, printed = installation.examine("--json")

    checks = json.loads(printed)["checks"]
    assert [check for check in checks if check["status"] == "fail"] == []
    assert code == 0
    assert [check["name"] for check in checks] == [
        "Python",
        "packages",
        "dask",
        "settings",
        "store",
        "runtime folder",
        "local cluster",
        "server extension",
        "orchestra serve",
        "JupyterLab extension",
        "IPython extension",
        "kernels",
        "warm kernels",
    ]


def test_people_get_a_line_for_each_check_and_the_remedy_below(installation: Installation) -> None:
    installation.labextension.unlink()
    installation.write(installation.labextension, {"name": "orchestra-nb", "version": "0.0.1"})

    code, printed = installation.examine()

    lines = printed.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("✕ fail"))
    assert code == 1
    assert lines[place].startswith("✕ fail  JupyterLab extension: ")
    assert lines[place + 1] == "         Install Orchestra again and reload the page."
    assert lines[0].startswith("✓ ok    Python: ")


def test_different_versions_of_dask_are_found(installation: Installation) -> None:
    information = installation.packages / "distributed-0.0.1.dist-info/METADATA"
    information.parent.mkdir(parents=True)
    information.write_text("Metadata-Version: 2.1\nName: distributed\nVersion: 0.0.1\n", encoding="utf-8")

    code, found = installation.check("dask")

    assert (code, found["status"]) == (1, "fail")
    assert "distributed 0.0.1" in found["detail"]
    assert found["remedy"].startswith("pip install dask==")


@pytest.mark.parametrize(
    ("requires", "status", "detail"),
    [
        pytest.param(
            ["click>=8.1", "nothing-like-it>=1; extra == 'lab'"], "ok", "all its requirements are met", id="met"
        ),
        pytest.param(["nothing-like-it>=1"], "fail", "nothing-like-it is missing", id="missing"),
        pytest.param(["click<99,>=98.1"], "fail", "at least 98.1 is needed", id="too old"),
    ],
)
def test_requirements_that_are_not_met_are_found(
    installation: Installation, requires: list[str], status: str, detail: str
) -> None:
    information = installation.packages / f"orchestra_nb-{__version__}.dist-info/METADATA"
    information.parent.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", "Name: orchestra-nb", f"Version: {__version__}"]
    information.write_text("\n".join([*lines, *(f"Requires-Dist: {line}" for line in requires)]), encoding="utf-8")

    _, found = installation.check("packages")

    assert (found["status"], detail in found["detail"]) == (status, True)


def test_a_damaged_store_is_found(installation: Installation) -> None:
    installation.store.write_bytes(b"this is no database " * 1000)

    code, found = installation.check("store")

    assert (code, found["status"]) == (1, "fail")
    assert str(installation.store) in found["detail"]


def test_a_runtime_folder_too_long_for_sockets_is_found(installation: Installation, tmp_path: Path) -> None:
    installation.environment["ORCHESTRA_RUNTIME_DIR"] = str(tmp_path / ("x" * 90))

    code, found = installation.check("runtime folder")

    assert (code, found["status"]) == (1, "fail")
    assert found["remedy"] == "Set ORCHESTRA_RUNTIME_DIR to a folder of your own with a short path."


def test_what_a_killed_local_cluster_left_is_found(installation: Installation) -> None:
    ClusterPaths(installation.runtime).record.write_text("{}", encoding="utf-8")

    code, found = installation.check("local cluster")

    assert (code, found["status"], "stale" in found["detail"]) == (0, "warn", True)


def test_a_disabled_server_extension_is_found(installation: Installation) -> None:
    installation.write(installation.server_config, {"ServerApp": {"jpserver_extensions": {"orchestra_nb": False}}})

    code, found = installation.check("server extension")

    assert (code, found["status"]) == (1, "fail")
    assert found["remedy"] == "jupyter server extension enable orchestra_nb"


def test_a_kernel_without_its_program_is_a_warning(installation: Installation) -> None:
    spec = {"argv": ["/nowhere/python", "-f", "{connection_file}"], "display_name": "Gone", "language": "python"}
    installation.write(installation.kernels / "gone/kernel.json", spec)

    code, found = installation.check("kernels")

    assert (code, found["status"]) == (0, "warn")
    assert found["remedy"] == "jupyter kernelspec remove gone"


def test_a_wrong_setting_is_a_failed_check_that_names_it(installation: Installation) -> None:
    installation.environment["ORCHESTRA_LEASE_SECONDS"] = "soon"

    code, found = installation.check("settings")

    assert (code, found["status"]) == (1, "fail")
    assert "ORCHESTRA_LEASE_SECONDS" in found["detail"]
