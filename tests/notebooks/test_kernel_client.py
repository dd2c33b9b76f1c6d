"""A conversation with real kernels: what they show, what they answer, and how their end is told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import orchestra_nb
from orchestra_nb.notebooks.kernel_client import KernelClient, KernelDied
from orchestra_nb.notebooks.kernel_process import KernelDeath, KernelProcess
from tests.patience import PATIENCE_SECONDS

Message = Mapping[str, Any]

#: Without the debugger's warning about frozen modules, which comes at any time.
ENVIRON = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
_ROOT = str(Path(orchestra_nb.__file__).parents[1])


@asynccontextmanager
async def started_kernel(
    folder: Path, name: str = "python3", ipc_folder: str | None = None, environ: Mapping[str, str] = ENVIRON
) -> AsyncIterator[tuple[KernelClient, list[Message]]]:
    messages: list[Message] = []
    process = await KernelProcess.launch(name, cwd=str(folder), environ=environ, ipc_folder=ipc_folder)
    client = KernelClient(process, messages.append)
    try:
        await client.connect(60)
        yield client, messages
    finally:
        await client.shutdown(5)


def texts(messages: list[Message]) -> str:
    return "".join(message["content"]["text"] for message in messages if message["msg_type"] == "stream")


@pytest.mark.parametrize("ipc_folder", [None, os.environ["ORCHESTRA_RUNTIME_DIR"]], ids=["loopback", "unix-sockets"])
def test_code_runs_in_the_given_folder_and_what_it_shows_is_handed_on(tmp_path: Path, ipc_folder: str | None) -> None:
    async def scenario() -> tuple[Message, list[Message]]:
        async with started_kernel(tmp_path, ipc_folder=ipc_folder) as (client, messages):
            return await client.execute("import os; print(os.getcwd()); 6 * 7"), messages

    reply, messages = asyncio.run(scenario())

    assert (reply["status"], reply["execution_count"]) == ("ok", 1)
    assert texts(messages) == f"{tmp_path}\n"
    assert [m["content"]["data"] for m in messages if m["msg_type"] == "execute_result"] == [{"text/plain": "42"}]


def test_all_that_a_cell_shows_has_come_before_its_reply(tmp_path: Path) -> None:
    async def scenario() -> list[int]:
        counts = []
        async with started_kernel(tmp_path) as (client, messages):
            for _ in range(20):
                messages.clear()
                await client.execute("for n in range(50): display(n)")
                counts.append(sum(message["msg_type"] == "display_data" for message in messages))
        return counts

    assert asyncio.run(scenario()) == [50] * 20


@pytest.mark.parametrize("importable", [True, False], ids=["of-this-environment", "of-another-one"])
def test_what_a_child_process_writes_stands_under_its_cell(tmp_path: Path, importable: bool) -> None:
    environ = {**ENVIRON, "PYTHONPATH": _ROOT if importable else ""}
    code = "import os, sys; _ = os.system('echo {n}; echo {n} >&2'); {n}"

    async def scenario() -> tuple[str, dict[str, list[str]], list[str]]:
        sent: list[str] = []
        async with started_kernel(tmp_path, environ=environ) as (client, messages):
            await client.execute("import sys; print(type(sys.stdout).__name__)")
            name = texts(messages)
            messages.clear()
            for n in range(20):
                await client.execute(code.format(n=n), on_sent=sent.append)
            shown: dict[str, list[str]] = {message_id: [] for message_id in sent}
            for message in messages:
                if message["msg_type"] == "stream":
                    shown[message["parent_header"]["msg_id"]].append(message["content"]["text"])
        return name, shown, sent

    name, shown, sent = asyncio.run(scenario())

    assert name == ("PromptStream\n" if importable else "OutStream\n")
    if importable:  # ipykernel's own hopes for it
        assert [sorted(shown[message_id]) for message_id in sent] == [[f"{n}\n"] * 2 for n in range(20)]


def test_a_forked_child_of_a_kernel_and_its_threads_print(tmp_path: Path) -> None:
    code = (
        "import multiprocessing, threading, sys\n"
        "def say(word): print(word, flush=True)\n"
        "child = multiprocessing.get_context('fork').Process(target=say, args=('child',))\n"
        "thread = threading.Thread(target=say, args=('thread',))\n"
        "for each in (child, thread): each.start(); each.join()\n"
        "say('cell')"
    )

    async def scenario() -> str:
        async with started_kernel(tmp_path, environ={**ENVIRON, "PYTHONPATH": _ROOT}) as (client, messages):
            await client.execute(code)
            return texts(messages)

    assert asyncio.run(scenario()).split() == ["child", "thread", "cell"]


def test_an_interrupt_that_costs_the_kernel_its_reply_is_answered_as_one(tmp_path: Path) -> None:
    code = (
        "def late(*words):\n    raise KeyboardInterrupt\nkernel = get_ipython().kernel\nkernel.finish_metadata = late"
    )

    async def scenario() -> list[Message]:
        async with started_kernel(tmp_path) as (client, _):
            return [await client.execute(code), await client.execute("del kernel.finish_metadata")]

    lost, answered = asyncio.run(scenario())

    assert (lost["status"], lost["ename"]) == ("error", "KeyboardInterrupt")
    assert answered["status"] == "ok"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param("import os; os._exit(3)", "exited with 3", id="os._exit"),
        pytest.param("import os; os.kill(os.getpid(), 9)", "died (SIGKILL)", id="SIGKILL"),
        pytest.param("import ctypes; ctypes.string_at(0)", "died (SIGSEGV)", id="SIGSEGV"),
    ],
)
def test_the_end_of_a_kernel_is_told_with_its_cause_and_what_it_had_shown_is_kept(
    tmp_path: Path, code: str, words: str
) -> None:
    async def scenario() -> tuple[str, list[Message]]:
        async with started_kernel(tmp_path) as (client, messages):
            with pytest.raises(KernelDied) as died:
                await client.execute(f"display('before')\nimport time; time.sleep(1)\n{code}")
            return str(died.value.death), messages

    death, messages = asyncio.run(scenario())

    assert death == words
    assert [m["content"]["data"]["text/plain"] for m in messages if m["msg_type"] == "display_data"] == ["'before'"]


def test_a_kernel_that_is_killed_between_two_cells_fails_the_next_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with started_kernel(tmp_path) as (client, _):
            await client.process.kill()
            await client.execute("1")

    with pytest.raises(KernelDied, match="SIGKILL"):
        asyncio.run(scenario())


def test_an_interrupt_ends_the_cell_and_the_kernel_goes_on(tmp_path: Path) -> None:
    async def scenario() -> tuple[Message, Message]:
        shown = asyncio.Event()
        process = await KernelProcess.launch("python3", cwd=str(tmp_path), environ=ENVIRON)
        client = KernelClient(process, lambda message: shown.set() if message["msg_type"] == "stream" else None)
        try:
            await client.connect(60)
            cell = asyncio.create_task(client.execute("print('on', flush=True)\nimport time; time.sleep(600)"))
            await shown.wait()
            await process.interrupt()
            return await cell, await client.execute("1")
        finally:
            await client.shutdown(5)

    interrupted, after = asyncio.run(scenario())

    assert (interrupted["status"], interrupted["ename"]) == ("error", "KeyboardInterrupt")
    assert after["status"] == "ok"


def test_input_is_refused(tmp_path: Path) -> None:
    async def scenario() -> Message:
        async with started_kernel(tmp_path) as (client, _):
            return await client.execute("input('Name: ')")

    assert asyncio.run(scenario())["ename"] == "StdinNotImplementedError"


def test_silent_code_leaves_no_trace_in_the_history(tmp_path: Path) -> None:
    async def scenario() -> tuple[Message, Message]:
        async with started_kernel(tmp_path) as (client, _):
            return await client.execute("x = 1", silent=True), await client.execute("x")

    silent, after = asyncio.run(scenario())

    assert silent["status"] == "ok"
    assert after["execution_count"] == 1


@pytest.mark.filterwarnings("ignore:Passing unrecognized arguments:DeprecationWarning")  # bash's own kernelspec
def test_a_kernel_of_another_language_answers_and_ends_in_good_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestra_nb.notebooks.kernel_client._SHELL_SECONDS", PATIENCE_SECONDS)

    async def scenario() -> tuple[Message, str, str]:
        async with started_kernel(tmp_path, "bash") as (client, messages):
            reply = await client.execute("echo $((6 * 7)); false")
            await client.shutdown(PATIENCE_SECONDS / 2)
            return reply, texts(messages), str(client.process.death.result())

    reply, text, death = asyncio.run(scenario())

    assert (reply["status"], reply["evalue"], text) == ("error", "1", "42\n")
    assert death == "exited with 0"


def test_what_a_dying_process_writes_itself_is_kept(tmp_path: Path) -> None:
    async def scenario() -> KernelDeath:
        environ = {**ENVIRON, "PYTHONPATH": str(tmp_path)}
        process = await KernelProcess.launch("python3", cwd=str(tmp_path), environ=environ)
        death = await process.death
        await process.release()
        return death

    (tmp_path / "ipykernel_launcher.py").write_text("raise SystemExit('no way to start')")

    death = asyncio.run(scenario())

    assert (str(death), death.tail) == ("exited with 1", "no way to start")


def test_a_shutdown_kills_a_kernel_that_does_not_end(tmp_path: Path) -> None:
    async def scenario() -> str:
        async with started_kernel(tmp_path) as (client, _):
            await client.execute("import atexit, time; atexit.register(time.sleep, 600)")
            await client.shutdown(0.5)
            return str(client.process.death.result())

    assert asyncio.run(scenario()) == "died (SIGKILL)"


def test_nothing_of_a_kernel_is_left_after_its_shutdown(tmp_path: Path) -> None:
    folder = os.environ["ORCHESTRA_RUNTIME_DIR"]
    before = set(os.listdir(folder)), set(os.listdir(os.environ["JUPYTER_RUNTIME_DIR"]))

    async def scenario() -> int:
        async with started_kernel(tmp_path, ipc_folder=folder) as (client, messages):
            await client.execute("import os; print(os.getpid())")
            return int(texts(messages))

    pid = asyncio.run(scenario())

    assert (set(os.listdir(folder)), set(os.listdir(os.environ["JUPYTER_RUNTIME_DIR"]))) == before
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIG_DFL)


def test_a_forked_kernel_is_gone_also_when_its_end_was_heard_while_it_was_killed(tmp_path: Path) -> None:
    """The last of its news may be taken by whoever sends it a signal, before the loop is told that there are some."""
    address = {"transport": "ipc", "ip": str(tmp_path / "k"), "key": "0", "signature_scheme": "hmac-sha256"}
    ports = {f"{name}_port": number for number, name in enumerate(("shell", "iopub", "stdin", "control", "hb"), 1)}

    async def scenario() -> tuple[bool, KernelDeath]:
        channel, keeper = socket.socketpair()
        tail, stream = os.pipe()
        os.close(stream)
        keeper.sendall(json.dumps({"ready": {"pid": 1, "connection": address | ports}}).encode() + b"\n")
        manager = KernelProcess.make_manager()
        process = await KernelProcess.take(channel, tail, str(tmp_path / "c.json"), manager=manager, timeout_seconds=60)
        assert process is not None
        keeper.sendall(json.dumps({"exited": {"exit_code": 0, "signal": None}}).encode() + b"\n")
        keeper.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.kill()
        await process.release()
        return process.is_gone, process.death.result()

    assert asyncio.run(scenario()) == (True, KernelDeath(0, None, ""))
