"""What code does is told to who watches, by real files and processes, and code that is watched works as it does else."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestra_nb.engine.effect_guard import EffectGuard, EffectStopped
from orchestra_nb.engine.file_use import FileUse, UseNotes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a file and a link in it; a name of a file is all that a test needs."""
    (tmp_path / "data.txt").write_text("one")
    (tmp_path / "link").symlink_to("data.txt")
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _used(code: Callable[[], object]) -> FileUse:
    notes = UseNotes()
    notes.begin()
    try:
        code()
    finally:
        use = notes.end()
    return use


def _stopped(code: Callable[[], object]) -> str:
    guard = EffectGuard()
    with guard.watching():
        try:
            code()
        except EffectStopped:
            pass
    return guard.deed


def _noting(code: Callable[[], object]) -> None:
    _used(code)


def _guarding(code: Callable[[], object]) -> None:
    with EffectGuard().watching():
        code()


@pytest.mark.parametrize("watched", [_noting, _guarding])
def test_what_asks_the_os_module_what_it_can_do_works_while_it_is_watched(
    folder: Path, watched: Callable[[Callable[[], object]], None]
) -> None:
    done: list[object] = []

    def code() -> None:
        done.append(os.stat in os.supports_follow_symlinks and os.stat in os.supports_dir_fd)
        done.append(os.stat("link", follow_symlinks=False).st_size)
        descriptor = os.open(".", os.O_RDONLY)
        try:
            done.append(os.stat("data.txt", dir_fd=descriptor).st_size)
            done.append(os.stat(descriptor).st_nlink > 0)
        finally:
            os.close(descriptor)
        done.append(next(names for _, _, names, _ in os.fwalk(".")))
        done.append(pickle.loads(pickle.dumps(os.stat))("data.txt").st_size)

    watched(code)

    assert [*done[:4], sorted(done[4]), done[5]] == [True, 8, 3, True, ["data.txt", "link"], 3]  # type: ignore[call-overload]


def test_the_state_of_a_link_itself_is_copied_by_watched_code(folder: Path) -> None:
    os.utime("link", ns=(1, 2_000_000_000), follow_symlinks=False)

    def code() -> None:
        os.symlink("data.txt", "copy")
        shutil.copystat("link", "copy", follow_symlinks=False)

    _used(code)

    assert os.lstat("copy").st_mtime_ns == 2_000_000_000


def _starts_children() -> Iterator[tuple[str, str]]:
    yield "posix_spawn", "os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)"
    yield "system", "os.system('true')"
    yield "subprocess", "import subprocess; subprocess.run(['true'])"
    yield "fork", "os._exit(0) if (child := os.fork()) == 0 else os.waitpid(child, 0)"
    yield (
        "fork_exec",
        "from multiprocessing.util import spawnv_passfds as f; os.waitpid(f(b'/bin/true', [b'x'], []), 0)",
    )


@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in _starts_children()])
def test_each_way_to_start_a_process_is_told(folder: Path, code: str) -> None:
    assert _used(lambda: exec(code, {"os": os})).effects == ("starts a process",)
    assert _stopped(lambda: exec(code, {"os": os})) == "starts a process"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_of_multiprocessing_is_a_process_also_where_a_server_forks_it(tmp_path: Path, method: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"""
import multiprocessing
from orchestra_nb.engine.effect_guard import EffectGuard, EffectStopped
from orchestra_nb.engine.file_use import UseNotes

def touch(name):
    open(name, "w").close()

if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    for name in ("first", "second"):
        notes = UseNotes()
        notes.begin()
        child = context.Process(target=touch, args=(name,))
        child.start()
        child.join()
        print(sorted(what for what in notes.end().effects if what == "starts a process"))
    guard = EffectGuard()
    with guard.watching():
        try:
            context.Process(target=touch, args=("third",)).start()
        except EffectStopped:
            print("stopped")
"""
    )

    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["['starts a process']"] * 2 + ["stopped"], done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "script.py", "second"]


def _ask_machine(asker: str) -> None:
    exec(compile("subprocess.run(['uname', '-p'], capture_output=True)", asker, "exec"), {"subprocess": subprocess})


def _connect() -> None:
    with socket.socket(socket.AF_UNIX) as one, contextlib.suppress(OSError):
        one.connect("service")


#: What code does, what is noted of it, and what stops it before its turn.
DEEDS: dict[str, tuple[Callable[[], object], tuple[str, ...], str]] = {
    "a folder that is there already": (lambda: os.makedirs("there", exist_ok=True), (), ""),
    "a new folder": (lambda: os.makedirs("new", exist_ok=True), ("makes a folder",), "makes a folder"),
    "a copy of a file": (lambda: shutil.copy("data.txt", "copy.txt"), (), "writes the file copy.txt"),
    "a file that is written anew": (lambda: open("new.txt", "w+").close(), (), "writes the file new.txt"),
    "a file that is written on": (
        lambda: open("data.txt", "a").close(),
        ("goes on writing data.txt",),
        "writes the file data.txt",
    ),
    "a mode": (lambda: os.chmod("data.txt", 0o600), ("changes a file",), "changes a file"),
    "a signal": (lambda: os.kill(os.getpid(), signal.SIGCHLD), ("sends a signal",), "sends a signal"),
    "whether a process is alive": (lambda: os.kill(os.getpid(), 0), (), ""),
    "a service of the machine": (_connect, ("connects to service",), "connects to service"),
    "a question of a library about the machine": (lambda: _ask_machine(os.__file__), (), ""),
    "a question of the notebook about it": (
        lambda: _ask_machine("<cell>"),
        ("starts a process",),
        "starts a process",
    ),
}


@pytest.mark.parametrize("case", DEEDS, ids=str)
def test_what_code_does_is_told_in_words(folder: Path, case: str) -> None:
    code, effects, deed = DEEDS[case]

    assert _stopped(code) == deed
    assert _used(code).effects == effects


def test_a_request_over_a_connection_that_was_there_before_is_told(folder: Path) -> None:
    class Answer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port)

        def ask() -> None:
            connection.request("GET", "/")
            connection.getresponse().read()

        first, second = _used(ask), _used(ask)
        stopped = _stopped(ask)
        connection.close()
        server.shutdown()
        thread.join()

    assert first.effects == second.effects == ("connects to 127.0.0.1",)
    assert stopped == "connects to 127.0.0.1"


def test_asking_whether_a_file_may_be_read_is_a_look(folder: Path) -> None:
    use = _used(lambda: (os.access("flag", os.R_OK), os.access("data.txt", os.R_OK, follow_symlinks=True)))

    assert use.looked_at == {str(folder / "flag"), str(folder / "data.txt")}


def test_code_may_leave_a_working_folder_that_has_gone(folder: Path) -> None:
    def code() -> None:
        Path("data.txt").read_text()
        os.chdir("there")
        os.rmdir(folder / "there")

    use = _used(code)
    os.chdir(folder)

    assert use.read == {str(folder / "data.txt")}


def test_what_is_done_in_a_temporary_folder_is_no_effect(folder: Path) -> None:
    def code() -> None:
        with tempfile.TemporaryDirectory() as scratch:
            Path(scratch, "sub").mkdir()
            Path(scratch, "sub", "file").write_text("x")

    use = _used(code)

    assert (use.effects, use.made_or_gone, use.written) == ((), set(), set())


def test_importing_tells_of_the_source_and_not_of_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder))
    (folder / "watched_module.py").write_text("X = 1\n")

    def code() -> None:
        import watched_module  # type: ignore[import-not-found]  # noqa: F401

    first = _used(code)
    del sys.modules["watched_module"]
    from_bytecode = _used(code)

    for use in (first, from_bytecode):
        assert use.read == {str(folder / "watched_module.py")}
        assert (use.listed, use.written, use.made_or_gone, use.effects) == (set(), set(), set(), ())
    del sys.modules["watched_module"]


def test_a_module_that_is_looked_for_in_vain_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder))

    def code() -> None:
        for find in (lambda: __import__("watched_later"), lambda: importlib_of("watched_later")):
            with pytest.raises(ImportError):
                find()

    importlib_of = __import__("importlib").import_module

    use = _used(code)

    assert {str(folder / "watched_later.py"), str(folder / "watched_later" / "__init__.py")} <= use.looked_at
    assert str(folder) not in use.listed


def test_nothing_is_told_to_who_watches_no_more(folder: Path) -> None:
    notes = UseNotes()
    notes.begin()
    use = notes.end()
    Path("data.txt").read_text()
    guard = EffectGuard()
    with guard.watching():
        pass
    Path("data.txt").write_text("two")

    assert (use, notes.end(), guard.deed, guard.files) == (FileUse(), FileUse(), "", {})
    assert not any(
        finder.__module__ == "orchestra_nb.engine.cell_watch" for finder in sys.meta_path if isinstance(finder, type)
    )
