"""A real PostgreSQL for the tests: on loopback, in a temporary folder, as an ordinary user, one for the session.

A new database is a thousand new files. They lie in memory where there is room for them: on a disk each database took
eight times the work.

PostgreSQL refuses to run as root: then it runs as an unprivileged account through ``runuser``. Where it is not
installed the tests that need it are skipped and name the package; in CI (``CI=true``) they fail.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS

_USER = "orchestra"
#: A port that was free may be somebody else's by the time that the server takes it.
_PORTS_TO_TRY = 5
#: Folders in memory, which Linux has; in a container it may be too small for a server.
_MEMORY = Path("/dev/shm")
_ENOUGH_BYTES = 1 << 30
_MISSING = "PostgreSQL is not installed. On Debian: apt-get install postgresql"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running PostgreSQL, without a database's name."""
    binaries = _find_binaries()
    if binaries is None:
        if os.environ.get("CI") == "true":
            pytest.fail(_MISSING)
        pytest.skip(_MISSING)
    # not pytest's own temporary folder: another account must be able to enter it
    folder = Path(tempfile.mkdtemp(prefix="onb-pg-", dir=_MEMORY if _has_room(_MEMORY) else None))
    try:
        yield from _run_server(binaries, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def empty_postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of a new database with nothing in it."""
    with new_database(postgres_server) as url:
        yield url


@contextmanager
def new_database(server: str, template: str = "template1") -> Iterator[str]:
    """Make a database, a copy of the one with the name ``template``, and drop it at the end."""
    import psycopg

    name = f"test_{secrets.token_hex(6)}"
    with closing(psycopg.connect(f"{server}/postgres", autocommit=True)) as connection:
        # copying files is four times faster than the way through the log, which is the default since version 15
        strategy = "STRATEGY file_copy" if connection.info.server_version >= 150_000 else ""
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} {strategy}")
        yield f"{server}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _run_server(binaries: Path, folder: Path) -> Iterator[str]:
    account = _unprivileged_account()
    as_user = (_runuser(), "-u", account, "--") if account is not None else ()
    data, sockets, password_file = folder / "data", folder / "s", folder / "password"
    sockets.mkdir()
    password = secrets.token_hex(16)
    password_file.write_text(password, encoding="ascii")
    for path in (folder, sockets, password_file):
        if account is not None:
            shutil.chown(path, account)
        path.chmod(0o700 if path.is_dir() else 0o600)
    _call(
        *as_user,
        *(str(binaries / "initdb"), "--pgdata", str(data), "--username", _USER, "--pwfile", str(password_file)),
        *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
    )
    control = (*as_user, str(binaries / "pg_ctl"), "--pgdata", str(data), "--wait", "--silent")
    for _ in range(_PORTS_TO_TRY):
        port = _free_port()
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={sockets} -c fsync=off"
        refused = _try(*control, "--log", str(folder / "log"), "--options", options, "start")
        if not refused:
            break
    else:
        pytest.fail(f"{refused}\n{(folder / 'log').read_text(errors='replace')}")
    try:
        yield f"postgresql://{_USER}:{password}@127.0.0.1:{port}"
    finally:
        _call(*control, "--mode", "immediate", "stop")


def _has_room(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= _ENOUGH_BYTES


def _find_binaries() -> Path | None:
    """Return the folder with ``initdb`` and ``pg_ctl``: on PATH, or the newest of Debian's."""
    on_path = shutil.which("initdb")
    if on_path is not None and shutil.which("pg_ctl") is not None:
        return Path(on_path).resolve().parent
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(found, key=lambda path: float(path.parent.name), default=None)


def _unprivileged_account() -> str | None:
    """Return the account that PostgreSQL must run as; None when the tests run as an ordinary user themselves."""
    if os.getuid() != 0:
        return None
    import pwd

    return "postgres" if any(entry.pw_name == "postgres" for entry in pwd.getpwall()) else "nobody"


def _runuser() -> str:
    """Return the path of ``runuser``, which is not on everybody's PATH."""
    return shutil.which("runuser", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "runuser"


def _call(*command: str) -> None:
    refused = _try(*command)
    if refused:
        pytest.fail(refused)


def _try(*command: str) -> str:
    """Run a command and return why it failed; empty when it did not."""
    done = subprocess.run(
        command,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    if done.returncode == 0:
        return ""
    return f"{' '.join(command)} exited with {done.returncode}: {done.stdout.decode(errors='replace')}"


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
