"""Files of Python and the system are told from those of the user, wherever Python is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from orchestra_nb.engine.python_folders import is_of_packages

_ROOT = Path(sys.prefix)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (os.path.join(sysconfig.get_paths()["stdlib"], "os.py"), True),
        (os.path.join(sysconfig.get_paths()["purelib"], "numpy", "__init__.py"), True),
        (str(_ROOT / "bin" / "python"), True),
        (str(_ROOT / "data.csv"), False),
        ("/usr/share/zoneinfo/UTC", True),
        ("/usr/src/app/data.csv", False),
        ("/usr/local/project/data.csv", False),
        ("/dev/null", True),
        ("/dev/shm/data.csv", False),
        ("/proc/self/status", True),
    ],
)
def test_what_belongs_to_python_or_the_system(path: str, expected: bool) -> None:
    assert is_of_packages(path) is expected


def test_the_files_of_a_project_in_its_own_virtual_environment_count(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(tmp_path)], check=True)
    code = (
        "from orchestra_nb.engine.python_folders import is_of_packages as of; import os, sys;"
        "print(of(os.path.join(sys.prefix, 'data.csv')), of(os.path.join(sys.prefix, 'bin', 'python')))"
    )
    packages = os.pathsep.join((str(Path(__file__).parents[2]), sysconfig.get_paths()["purelib"]))

    done = subprocess.run(
        [str(tmp_path / "bin" / "python"), "-c", code],
        env={**os.environ, "PYTHONPATH": packages},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["False", "True"]
