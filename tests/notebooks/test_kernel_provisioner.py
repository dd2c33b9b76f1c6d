"""Kernels of the provisioner ``orchestra-fork``, started by jupyter_client's own managers and by those who use them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager, KernelManager
from jupyter_client.provisioning import KernelProvisionerFactory
from patience import PATIENCE_SECONDS, eventually

from orchestra_nb.notebooks import kernel_provisioner
from orchestra_nb.notebooks.forked_kernel import ForkedKernel
from orchestra_nb.notebooks.kernel_pool import close_shared_pool
from tests.processes import title_of


@pytest.fixture(scope="module", autouse=True)
def forked_by_default() -> Iterator[None]:
    factory = KernelProvisionerFactory.instance()
    before = factory.default_provisioner_name
    factory.default_provisioner_name = "orchestra-fork"
    yield
    factory.default_provisioner_name = before
    close_shared_pool()


class Kernel:
    """A kernel of a blocking manager, and a client of it."""

    def __init__(self, **start: Any) -> None:
        self.manager = KernelManager(**start.pop("manager", {}))
        self.manager.start_kernel(**start)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE_SECONDS)

    @property
    def is_forked(self) -> bool:
        assert self.manager.provisioner is not None
        return isinstance(getattr(self.manager.provisioner, "process", None), ForkedKernel)

    def run(self, code: str) -> str:
        """Run code and return what it printed."""
        printed: list[str] = []

        def take(message: dict[str, Any]) -> None:
            printed.append(message["content"].get("text", ""))

        reply = self.client.execute_interactive(code, output_hook=take, timeout=PATIENCE_SECONDS)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(printed)

    def value(self, expression: str) -> Any:
        """Return what an expression is, through JSON."""
        return json.loads(self.run(f"import json\nprint(json.dumps({expression}))"))

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel()


@pytest.fixture
def kernels() -> Iterator[list[Kernel]]:
    started: list[Kernel] = []
    yield started
    for kernel in started:
        kernel.close()


_FACTS = """
import json, os, signal, sys, threading
open_files = []
for number in range(3, 200):
    try:
        kind = os.readlink(f"/proc/self/fd/{number}").partition(":[")[0]
    except OSError:
        continue
    if "profile_default" not in kind:  # a thread writes IPython's history there, and has the disk keep its folder
        open_files.append((kind, os.get_inheritable(number)))
facts = {
    "path": sys.path,
    "argv": [sys.argv[0], sys.argv[1], sys.argv[3:]],
    "variables": {name: value for name, value in os.environ.items() if name not in ("JPY_PARENT_PID", "SHLVL", "_")},
    "folder": os.getcwd(),
    "signals": [str(signal.getsignal(number)).partition(" at ")[0] for number in (2, 13, 15, 17)],
    "ignored": [line for line in open("/proc/self/status") if line.startswith(("SigIgn", "SigBlk", "Umask"))],
    "leads_its_session": os.getsid(0) == os.getpid(),
    "descriptors": sorted({kind for kind, _ in open_files}),
    "inheritable": [kind for kind, is_inheritable in open_files if is_inheritable],
    "threads": sorted(type(thread).__name__ for thread in threading.enumerate()),
    "history": len(In),
    "names": sorted(name for name in globals() if not name.startswith("_") and name not in ("open_files", "kind", "number")),
    "main": sys.modules["__main__"].__dict__ is globals(),
    "orchestra": [name for name in sys.modules if name.startswith("orchestra")],
    "file": get_ipython().kernel.parent.connection_file == sys.argv[2] and os.path.exists(sys.argv[2]),
    "collects": __import__("gc").isenabled(),
}
print(json.dumps(facts))
"""


def waiting_kernel() -> int | None:
    """Return the process id of a kernel of ours that has not been asked for yet."""
    for process in psutil.Process().children(recursive=True):
        if title_of(process).startswith("orchestra: a kernel that waits"):
            return process.pid
    return None


def test_a_forked_and_a_spare_kernel_are_as_fresh_as_a_plain_one(tmp_path: Path, kernels: list[Kernel]) -> None:
    start = {"cwd": str(tmp_path), "env": {**os.environ, "A_PARAMETER": "1", "MPLBACKEND": "agg"}}
    KernelProvisionerFactory.instance().default_provisioner_name = "local-provisioner"
    kernels.append(Kernel(**start))
    KernelProvisionerFactory.instance().default_provisioner_name = "orchestra-fork"
    kernels.append(Kernel(**start))
    kernels.append(Kernel(cwd="/"))  # after a second one a spare is kept
    waiting = eventually(waiting_kernel)
    kernels.append(Kernel(**start))

    plain, forked, _, spare = [json.loads(kernel.run(_FACTS)) for kernel in kernels]

    assert [kernel.is_forked for kernel in kernels] == [False, True, True, True]
    assert kernels[3].value("__import__('os').getpid()") == waiting
    plain["threads"].remove("ParentPollerUnix")  # the keeper does better
    assert forked == plain
    assert spare == plain
    draws = "[__import__('random').random(), __import__('uuid').uuid4().hex, __import__('os').urandom(4).hex()]"
    assert len({json.dumps(kernel.value(draws)) for kernel in kernels}) == 4


def test_a_restart_keeps_the_client_and_takes_a_new_process(kernels: list[Kernel]) -> None:
    kernel = Kernel()
    kernels.append(kernel)
    first = kernel.value("__import__('os').getpid()")
    kernel.run("x = 1")

    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=PATIENCE_SECONDS)

    assert kernel.is_forked
    assert kernel.value("'x' in globals()") is False
    assert kernel.value("__import__('os').getpid()") != first
    assert not psutil.pid_exists(first)


def test_an_interrupt_reaches_the_cell_and_its_children_and_the_kernel_goes_on(kernels: list[Kernel]) -> None:
    kernel = Kernel()
    kernels.append(kernel)
    code = "import subprocess\nprint('runs')\nsubprocess.run(['sleep', '1000'])"
    kernel.client.execute(code, stop_on_error=False)
    eventually(lambda: kernel.client.get_iopub_msg(timeout=PATIENCE_SECONDS)["content"].get("text"))

    kernel.manager.interrupt_kernel()

    reply = kernel.client.get_shell_msg(timeout=PATIENCE_SECONDS)
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert kernel.value("1 + 1") == 2


_LEAVE = """
import os, subprocess, sys
pids = [os.getpid(), subprocess.Popen(["sleep", "1000"], start_new_session=True, env={}).pid]
read, write = os.pipe()
if os.fork() == 0:
    if (grandchild := os.fork()) == 0:
        os.setsid()
        os.execve("/bin/sleep", ["sleep", "1000"], {})
    os.write(write, str(grandchild).encode())
    os._exit(0)
os.wait()
print([*pids, int(os.read(read, 20))])
"""


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        pytest.param("os._exit(3)", 3, id="exit"),
        pytest.param("os.kill(os.getpid(), 11)", -11, id="signal"),
        pytest.param("shutdown", 0, id="shutdown"),
        pytest.param("kill", -9, id="kill"),
        pytest.param("let go", -9, id="nobody-holds-it"),
    ],
)
def test_whatever_the_ending_it_is_told_and_nothing_is_left(ending: str, code: int) -> None:
    kernel = Kernel()
    provisioner: Any = kernel.manager.provisioner
    process: ForkedKernel = provisioner.process
    pids = json.loads(kernel.run(_LEAVE))

    match ending:
        case "shutdown":
            kernel.manager.request_shutdown()
        case "kill":
            process.kill()
        case "let go":
            process.close()
        case _:
            kernel.client.execute(ending)

    if ending != "let go":
        assert process.wait(PATIENCE_SECONDS) == code
        assert not any(psutil.pid_exists(pid) for pid in pids)
    eventually(lambda: True if not any(psutil.pid_exists(pid) for pid in pids) else None)
    assert kernel.manager.is_alive() is False
    kernel.client.stop_channels()
    kernel.manager.cleanup_resources()


def test_a_kernel_that_is_asked_to_end_has_ended_when_the_request_returns() -> None:
    kernel = Kernel()

    kernel.manager.request_shutdown()

    provisioner: Any = kernel.manager.provisioner
    assert provisioner.process.returncode == 0
    assert kernel.manager.is_alive() is False
    kernel.close()


def test_the_thread_that_sends_outlives_those_that_have_something_to_say(tmp_path: Path) -> None:
    kernel = Kernel()
    kernel.run(
        "import time\nfrom pathlib import Path\n"
        "app = get_ipython().kernel.parent\npublish, stop = app.kernel._publish_status, app.iopub_thread.stop\n"
        "def publish_slowly(status, channel, *arguments, publish=publish, time=time, **options):\n"
        "    if status == 'idle' and channel == 'control':\n        time.sleep(0.3)\n"  # as on a busy machine
        "    publish(status, channel, *arguments, **options)\n"
        f"def stop_and_tell(app=app, stop=stop, file=Path({str(tmp_path / 'alive')!r})):\n"
        "    file.write_text(str(app.control_thread.is_alive()))\n"
        "    stop()\n"
        "app.kernel._publish_status, app.iopub_thread.stop = publish_slowly, stop_and_tell"
    )

    kernel.close()

    assert (tmp_path / "alive").read_text() == "False"


def test_an_async_manager_starts_interrupts_restarts_and_ends_a_kernel() -> None:
    async def use() -> list[object]:
        manager = AsyncKernelManager(transport="ipc")
        await manager.start_kernel()
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=PATIENCE_SECONDS)
        shown: list[object] = [manager.transport, os.path.dirname(manager.ip)]
        await manager.restart_kernel()
        await client.wait_for_ready(timeout=PATIENCE_SECONDS)
        client.execute("print('runs')\nwhile True: pass")
        while (await client.get_iopub_msg(timeout=PATIENCE_SECONDS))["msg_type"] != "stream":
            pass
        await manager.interrupt_kernel()
        shown.append((await client.get_shell_msg(timeout=PATIENCE_SECONDS))["content"]["ename"])
        client.stop_channels()
        await manager.shutdown_kernel()
        return [*shown, manager.provisioner is not None and manager.provisioner.has_process]

    folder = os.environ["ORCHESTRA_RUNTIME_DIR"]
    before = set(os.listdir(folder))

    assert asyncio.run(use()) == ["ipc", folder, "KeyboardInterrupt", False]
    close_shared_pool()
    eventually(lambda: None if any(name.startswith("k") for name in set(os.listdir(folder)) - before) else True)


class _OwnWay(AsyncKernelClient):
    """A client that somebody has taught another way to wait."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Not wait."""


def test_a_client_that_was_told_its_kernel_is_ready_has_nothing_left_to_read_of_that(kernels: list[Kernel]) -> None:
    kernel = Kernel()
    kernels.append(kernel)

    asked = kernel.client.execute("1 + 1")

    first = kernel.client.get_iopub_msg(timeout=PATIENCE_SECONDS)
    while first["msg_type"] == "iopub_welcome":  # of the subscription, whenever it comes
        first = kernel.client.get_iopub_msg(timeout=PATIENCE_SECONDS)
    assert (first["content"], first["parent_header"]["msg_id"]) == ({"execution_state": "busy"}, asked)
    assert kernel.client.get_shell_msg(timeout=PATIENCE_SECONDS)["parent_header"]["msg_id"] == asked


def test_a_client_of_a_busy_kernel_waits_as_long_as_it_was_told_and_until_that_has_time() -> None:
    kernel = Kernel()
    kernel.client.execute("import time\nprint('runs')\ntime.sleep(1000)", stop_on_error=False)
    eventually(lambda: kernel.client.get_iopub_msg(timeout=PATIENCE_SECONDS)["content"].get("text"))
    second = kernel.manager.client()
    second.start_channels()

    with pytest.raises(RuntimeError, match=r"Kernel didn't respond in 0\.5 seconds"):
        second.wait_for_ready(timeout=0.5)
    kernel.manager.interrupt_kernel()
    second.wait_for_ready(timeout=PATIENCE_SECONDS)

    kernel.manager.shutdown_kernel(now=True)
    with pytest.raises(RuntimeError, match="Kernel died before replying"):
        second.wait_for_ready(timeout=PATIENCE_SECONDS)
    for client in (kernel.client, second):
        client.stop_channels()


def test_a_client_with_a_way_of_its_own_keeps_it() -> None:
    async def start() -> list[type]:
        made = []
        for factory in (AsyncKernelClient, _OwnWay):
            manager = AsyncKernelManager(client_factory=factory)
            await manager.start_kernel()
            made.append(type(manager.client()))
            await manager.shutdown_kernel(now=True)
        return made

    by_event, own = asyncio.run(start())

    assert issubclass(by_event, AsyncKernelClient)
    assert by_event is not AsyncKernelClient
    assert own is _OwnWay


def test_nbclient_runs_a_notebook_in_a_forked_kernel() -> None:
    import nbformat
    from nbclient import NotebookClient

    cell = nbformat.v4.new_code_cell("import os\nopen(f'/proc/{os.getppid()}/cmdline').read().strip('\\0')")
    notebook = nbformat.v4.new_notebook(cells=[cell])

    NotebookClient(notebook, kernel_name="python3").execute()

    assert "orchestra: keeps kernel" in notebook.cells[0]["outputs"][0]["data"]["text/plain"]


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        pytest.param(
            ["python", "-m", "bash_kernel", "-f", "{connection_file}"], "not the command of IPython's", id="bash"
        ),
        pytest.param(["python", "-m", "ipykernel_launcher", "--f={connection_file}"], "no connection file", id="other"),
    ],
)
def test_a_kernel_that_cannot_be_forked_is_started_plainly_and_the_log_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, argv: list[str], reason: str
) -> None:
    folder = tmp_path / "kernels" / "other"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Other", "language": "any"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    caplog.set_level("DEBUG")

    kernel = Kernel(manager={"kernel_name": "other"})
    is_forked = kernel.is_forked
    kernel.close()

    assert not is_forked
    assert any("started plainly; it cannot be forked" in line and reason in line for line in caplog.messages)


def test_a_kernel_that_does_not_listen_in_time_is_started_plainly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kernels: list[Kernel]
) -> None:
    monkeypatch.setattr(kernel_provisioner, "_LISTEN_SECONDS", 0.0)
    caplog.set_level("DEBUG")

    kernels.append(Kernel())

    assert not kernels[0].is_forked
    assert kernels[0].value("1 + 1") == 2
    assert any("started plainly; it cannot be forked: it did not listen" in line for line in caplog.messages)


def test_a_zygote_that_was_killed_is_replaced_and_its_kernels_live_on(kernels: list[Kernel]) -> None:
    first = Kernel()
    kernels.append(first)
    zygote = next(child for child in psutil.Process().children() if title_of(child) == "orchestra: starts kernels")

    zygote.kill()
    kernels.append(Kernel())

    assert [kernel.is_forked for kernel in kernels] == [True, True]
    assert [kernel.value("1 + 1") for kernel in kernels] == [2, 2]


def test_an_interpreter_without_ipykernel_is_left_to_fail_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "ipykernel.py").write_text("raise ImportError('no kernel here')")
    (folder / "ipykernel_launcher.py").write_text("raise SystemExit('no way to start')")
    manager = KernelManager()

    manager.start_kernel(env={**os.environ, "PYTHONPATH": str(folder)}, stderr=subprocess.DEVNULL)

    assert not isinstance(manager.provisioner.process, ForkedKernel)
    eventually(lambda: None if manager.is_alive() else True)
    manager.cleanup_resources()


def test_a_process_that_ends_takes_its_kernels_and_its_zygote_along(tmp_path: Path) -> None:
    script = (
        "import os, psutil, sys\nfrom jupyter_client.manager import KernelManager\n"
        "managers = [KernelManager() for _ in range(2)]\n[manager.start_kernel() for manager in managers]\n"
        "print([child.pid for child in psutil.Process().children(recursive=True)], flush=True)\nos._exit(0)"
    )
    environ = {**os.environ, "JUPYTER_DEFAULT_PROVISIONER_NAME": "orchestra-fork"}

    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)

    pids = json.loads(done.stdout)
    assert len(pids) >= 5  # a zygote, two keepers, two kernels
    eventually(lambda: True if not any(psutil.pid_exists(pid) for pid in pids) else None)
