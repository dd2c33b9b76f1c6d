"""Runs checks in two processes at a time and shows what each printed when it has ended; the longest begin first.

``side_by_side.py`` runs all that must hold, ``side_by_side.py python`` only the tests in Python. A check that fails
does not keep the others from running; the exit code is then 1. Each process of pytest has folders, ports and clusters
of its own.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parent.parent

#: Short ones that tell early what is wrong, before the tests.
STATIC = {f"make {verb}": ["make", "--no-print-directory", verb] for verb in ("lint", "type", "test-lab")}

#: What of the tests one process of pytest runs, which share a local cluster or a PostgreSQL there. The costly first.
GROUPS = [
    "tests/browser",
    "tests/integration/test_[p-z]*.py",
    "tests/cli tests/services tests/operations",
    "tests/integration/test_[a-o]*.py",
    "tests/server tests/display",
    "tests/engine",
    "tests/faults",
    "tests/store tests/migrations tests/contracts",
    "tests/notebooks tests/model",
]

#: As many as the cores that it is made for: with one more the tests take as long, and each of them longer.
PROCESSES = 2


def main() -> int:
    """Run the checks and return the exit code."""
    signal.signal(signal.SIGTERM, _end)
    checks = {**({} if sys.argv[1:] == ["python"] else STATIC), **_pytests()}
    with ThreadPoolExecutor(PROCESSES) as threads:
        try:
            statuses = list(threads.map(_run, checks, checks.values()))
        except BaseException:
            # what runs has heard a Ctrl-C itself
            threads.shutdown(wait=False, cancel_futures=True)
            for process in list(_running):
                process.terminate()
            raise
    failed = [name for name, status in zip(checks, statuses, strict=True) if status != 0]
    for name in failed:
        print(f"Failed: {name}")
    return 1 if failed else 0


def _pytests() -> dict[str, list[str]]:
    """Return the commands for all tests, also for those of folders and files that no group names."""
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=30", "--durations-min=4"]
    found = {
        group: sorted(str(path.relative_to(ROOT)) for name in group.split() for path in ROOT.glob(name))
        for group in GROUPS
    }
    rest = [f"--ignore={path}" for paths in found.values() for path in paths]
    groups = {f"pytest {group}": [*pytest, *paths] for group, paths in found.items()}
    return {**groups, "the rest of pytest": [*pytest, "tests", *rest]}


_running: set[subprocess.Popen[bytes]] = set()


def _run(name: str, command: list[str]) -> int:
    began_at = time.monotonic()
    print(f"{name} …", flush=True)
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _running.add(process)
        status = process.wait()
        _running.discard(process)
        output.seek(0)
        printed = output.read().decode(errors="replace").rstrip()
    took = time.monotonic() - began_at
    verdict = "passed" if status == 0 else f"FAILED with {status}"
    print(f"{printed}\n{name}: {verdict} in {took:.0f} s\n", flush=True)
    return status


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)


if __name__ == "__main__":
    sys.exit(main())
