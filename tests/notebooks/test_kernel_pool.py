"""Kernels of a pool: what can be forked, which zygote serves whom, what a kernel does at its end, and who ends with whom."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client.blocking import BlockingKernelClient
from patience import PATIENCE_SECONDS, eventually

from orchestra_nb.engine.runner_process import end_warm_processes
from orchestra_nb.notebooks.forked_kernel import ForkedKernel
from orchestra_nb.notebooks.kernel_pool import CannotFork, KernelCommand, KernelPool, refuse_to_fork
from tests.processes import title_of

LAUNCH = ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
RUNTIME = Path(os.environ["ORCHESTRA_RUNTIME_DIR"])


@pytest.mark.parametrize(
    ("command", "options", "args"),
    [
        pytest.param(LAUNCH, (), (), id="ipykernel-s-own"),
        pytest.param([*LAUNCH, "--matplotlib=inline"], (), ("--matplotlib=inline",), id="arguments"),
        pytest.param(["python", "-Xfrozen_modules=off", *LAUNCH[1:]], ("-Xfrozen_modules=off",), (), id="option"),
        pytest.param(["python", "-X", "utf8", "-O", *LAUNCH[1:]], ("-X", "utf8", "-O"), (), id="option-with-value"),
        pytest.param(["python", "-m", "ipykernel", "-f", "x"], (), (), id="package"),
    ],
)
def test_an_ipython_kernel_s_command_is_understood(
    command: list[str], options: tuple[str, ...], args: tuple[str, ...]
) -> None:
    parsed = KernelCommand.parse(command, os.environ)

    assert (parsed.options, parsed.args) == (options, args)
    assert os.path.isabs(parsed.interpreter)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        pytest.param(["python", "-m", "bash_kernel", "-f", "x"], "is not the command of IPython's kernel", id="bash"),
        pytest.param(["conda", "run", "python", *LAUNCH[1:]], "is not the command of IPython's kernel", id="wrapped"),
        pytest.param(["python", "-c", "run()", *LAUNCH[1:]], "is not the command of IPython's kernel", id="code"),
        pytest.param(["python", "-m", "ipykernel_launcher", "--f=x"], "names no connection file", id="other-flag"),
        pytest.param(["no-such-python", *LAUNCH[1:]], "there is no no-such-python", id="no-program"),
    ],
)
def test_other_commands_are_refused_with_the_reason(command: list[str], reason: str) -> None:
    with pytest.raises(CannotFork, match=reason):
        KernelCommand.parse(command, os.environ)


def test_relative_folders_of_modules_are_not_for_a_process_in_another_folder() -> None:
    with pytest.raises(CannotFork, match="PYTHONPATH has a folder that is not absolute"):
        refuse_to_fork({"PYTHONPATH": f"/usr/lib{os.pathsep}lib"})


class Kernels:
    """A pool of its own, and clients of its kernels."""

    def __init__(self, **options: Any) -> None:
        self.pool = KernelPool(RUNTIME, **options)
        self._clients: list[tuple[ForkedKernel, BlockingKernelClient]] = []

    def start(self, environ: dict[str, str] | None = None, cwd: str = "/", stdout: int = 2) -> BlockingKernelClient:
        command = KernelCommand.parse(LAUNCH, os.environ)
        variables = {**os.environ, **(environ or {})}
        kernel = self.pool.launch(command, environ=variables, cwd=cwd, stdout=stdout, stderr=2, transport="ipc")
        while not kernel.is_ready:
            assert not kernel.is_gone, kernel.failure
            _wait(kernel)
        client = BlockingKernelClient()
        client.load_connection_info(kernel.connection)
        client.start_channels()
        client.wait_for_ready(timeout=PATIENCE_SECONDS)
        self._clients.append((kernel, client))
        return client

    def end(self, client: BlockingKernelClient) -> int:
        """Ask a kernel to end and return its exit code when nothing of it is left."""
        kernel = next(kernel for kernel, known in self._clients if known is client)
        client.shutdown()
        code = kernel.wait(PATIENCE_SECONDS)
        client.stop_channels()
        return code

    def close(self) -> None:
        self.pool.close()
        for kernel, client in self._clients:
            client.stop_channels()
            client.context.term()
            kernel.close()


def _wait(kernel: ForkedKernel) -> None:
    import select

    assert select.select([kernel], [], [], PATIENCE_SECONDS)[0]
    kernel.poll()


def value(client: BlockingKernelClient, expression: str) -> str:
    """Return the text of an expression's value."""
    texts: list[str] = []

    def take(message: dict[str, Any]) -> None:
        content = message["content"]
        texts.extend(content.get("traceback", ()))
        texts.append(content.get("data", {}).get("text/plain", ""))

    client.execute_interactive(expression, output_hook=take, timeout=PATIENCE_SECONDS)
    return "".join(texts)


@pytest.fixture(scope="module", autouse=True)
def no_other_zygotes() -> None:
    """End what tests of other modules have kept warm in this process."""
    end_warm_processes()


@pytest.fixture
def kernels() -> Iterator[Kernels]:
    world = Kernels()
    yield world
    world.close()


def zygotes() -> list[int]:
    """Return the process ids of zygotes of kernels that this process has started."""
    return [child.pid for child in psutil.Process().children() if title_of(child) == "orchestra: starts kernels"]


def test_variables_that_are_read_while_packages_are_imported_have_a_zygote_each(kernels: Kernels) -> None:
    look = "import os; [os.environ.get('OMP_NUM_THREADS'), os.environ.get('A_PARAMETER')]"

    first = kernels.start({"OMP_NUM_THREADS": "1"})
    second = kernels.start({"OMP_NUM_THREADS": "1", "A_PARAMETER": "x"})
    third = kernels.start({"OMP_NUM_THREADS": "2"})

    assert [value(client, look) for client in (first, second, third)] == ["['1', None]", "['1', 'x']", "['2', None]"]
    assert len(zygotes()) == 2


_ENDING = """
import atexit, pathlib, sys, tempfile, threading, time, types
keeping = types.ModuleType('keeping')
sys.modules['keeping'] = keeping
keeping.file = open('in_a_module.txt', 'w')
keeping.file.write('written')
named = open('in_the_notebook.txt', 'w')
named.write('written')
atexit.register(lambda: pathlib.Path('exit_handler.txt').write_text('ran'))
temporary = tempfile.NamedTemporaryFile()
pathlib.Path('temporary.txt').write_text(temporary.name)
def finish():
    threading.main_thread().join()
    pathlib.Path('thread.txt').write_text('ended')
threading.Thread(target=finish).start()
"""


def test_what_user_code_leaves_to_the_end_of_its_process_is_done(kernels: Kernels, tmp_path: Path) -> None:
    client = kernels.start(cwd=str(tmp_path))
    value(client, _ENDING)

    assert kernels.end(client) == 0

    read = {path.name: path.read_text() for path in tmp_path.iterdir()}
    temporary = read.pop("temporary.txt")
    assert read == {
        "in_a_module.txt": "written",
        "in_the_notebook.txt": "written",
        "exit_handler.txt": "ran",
        "thread.txt": "ended",
    }
    assert not Path(temporary).exists()


def test_preloaded_modules_are_there_and_draw_other_numbers_in_each_kernel() -> None:
    world = Kernels(preload=["numpy"])
    try:
        look = "import sys; ['numpy' in sys.modules, __import__('numpy').random.rand()]"
        draws = [value(world.start(), look) for _ in range(2)]
    finally:
        world.close()

    assert all(draw.startswith("[True, ") for draw in draws)
    assert draws[0] != draws[1]


def test_kernels_are_ready_before_the_first_one_is_asked_for() -> None:
    world = Kernels(spares=2)
    try:
        command = KernelCommand.parse(LAUNCH, os.environ)
        world.pool.keep(command, os.environ, 2)
        waiting = eventually(lambda: found if len(found := _waiting()) == 2 else None)

        pids = [int(value(world.start(), "__import__('os').getpid()")) for _ in range(2)]
    finally:
        world.close()

    assert sorted(pids) == sorted(waiting)
    eventually(lambda: True if not _waiting() else None)


def test_a_waiting_kernel_that_was_killed_is_not_given_out() -> None:
    world = Kernels()
    try:
        world.pool.keep(KernelCommand.parse(LAUNCH, os.environ), os.environ, 1)
        (waiting,) = eventually(lambda: _waiting() or None)
        keeper = psutil.Process(waiting).ppid()
        psutil.Process(waiting).kill()
        eventually(lambda: True if not psutil.pid_exists(keeper) else None)

        pid = int(value(world.start(), "__import__('os').getpid()"))
    finally:
        world.close()

    assert pid != waiting


def _waiting() -> list[int]:
    processes = psutil.Process().children(recursive=True)
    return [process.pid for process in processes if title_of(process) == "orchestra: a kernel that waits"]


def test_a_zygote_ends_when_nobody_asks_and_the_next_kernel_has_another() -> None:
    world = Kernels(idle_seconds=0.3)
    try:
        first = value(world.start(), "1 + 1")
        eventually(lambda: True if not zygotes() else None)
        second = value(world.start(), "1 + 2")
    finally:
        world.close()

    assert (first, second) == ("2", "3")


def test_after_packages_were_installed_kernels_come_from_a_new_zygote(tmp_path: Path) -> None:
    packages = tmp_path / "site-packages"
    packages.mkdir()
    environ = {"PYTHONPATH": os.pathsep.join([str(packages), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)}
    world = Kernels()
    try:
        world.start(environ)
        (packages / "new_package.py").write_text("answer = 42")
        refused = world.pool.launch(
            KernelCommand.parse(LAUNCH, os.environ),
            environ={**os.environ, **environ},
            cwd="/",
            stdout=2,
            stderr=2,
            transport="ipc",
        )
        refused.wait(PATIENCE_SECONDS)
        answer = value(world.start(environ), "__import__('new_package').answer")
    finally:
        world.close()

    assert "packages were installed or removed" in refused.failure
    assert answer == "42"


def test_a_kernel_of_an_interpreter_that_has_none_is_refused_with_the_reason(kernels: Kernels) -> None:
    command = KernelCommand(sys.executable, ("-S",), ())

    kernel = kernels.pool.launch(
        command, environ={"PATH": os.environ["PATH"]}, cwd="/", stdout=2, stderr=2, transport="ipc"
    )
    kernel.wait(PATIENCE_SECONDS)

    assert not kernel.is_ready
    assert kernel.failure == f"ipykernel cannot be imported in {sys.executable}"


def test_a_child_process_neither_uses_nor_keeps_the_pool(kernels: Kernels) -> None:
    from orchestra_nb.notebooks import kernel_pool

    shared = kernel_pool.shared_pool()
    command = KernelCommand.parse(LAUNCH, os.environ)
    shared.launch(command, environ=os.environ, cwd="/", stdout=2, stderr=2, transport="ipc").close()
    (zygote,) = eventually(lambda: zygotes() or None)
    parent_waits, child_waits = socket.socketpair()
    if (child := os.fork()) == 0:
        parent_waits.close()
        child_waits.recv(1)  # lives on while the pool is closed
        os._exit(0)
    child_waits.close()

    kernel_pool.close_shared_pool()  # waits for the zygote, whose lifeline the child must not hold

    assert not psutil.pid_exists(zygote)
    parent_waits.close()
    os.waitpid(child, 0)
