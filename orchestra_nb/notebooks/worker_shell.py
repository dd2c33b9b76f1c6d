"""IPython's shell on a worker: runs the source of a task cell as a notebook would, in a namespace of its own.

What it does otherwise than IPython's plain shell: what is displayed goes to a recorder, exceptions are not printed but
left to the caller, there is no history, cells keep their own line numbers in tracebacks, top-level ``await`` runs in a
fresh event loop, shell commands can be stopped, and ``%%task`` is refused. One shell serves a process; it is kept
between cells, since making it costs a quarter of a second.
"""

# IPython's classes are extended here; this module is imported when the first cell of a process runs
# ruff: noqa: TID253
from __future__ import annotations

import ast
import asyncio
import base64
import builtins
import contextlib
import getpass
import math
import os
import subprocess
import sys
import types
import warnings
from collections.abc import Awaitable, Iterator, Mapping
from typing import Any, NoReturn, TypeVar

from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from traitlets import Type

from orchestra_nb.errors import TaskFailed
from orchestra_nb.notebooks.output_recorder import OutputRecorder
from orchestra_nb.notebooks.value_unpickler import remember_source

_T = TypeVar("_T")
#: A widget lives by messages with its kernel, which a worker cannot exchange: the other forms are shown.
_WIDGET = "application/vnd.jupyter.widget-view+json"
#: Key in the metadata of a result.
RESULT_MARK = "orchestra_result"
_DRIVER_MAGICS = ("task", "flow", "orchestra")


class CellCompiler(CachingCompiler):
    """Compiles a cell under a name of its own, with the line numbers that its author sees."""

    file_name = "<task>"
    lines_above = 0
    source = ""

    def cache(self, transformed_code: str, number: int = 0, raw_code: str | None = None) -> str:
        """Return the file name of a cell; another piece of code gets a name from IPython."""
        if raw_code != self.source:
            return super().cache(transformed_code, number, raw_code)
        is_same_length = self.source.count("\n") == transformed_code.rstrip("\n").count("\n")
        shown = self.source if is_same_length or self.source.lstrip().startswith("%%") else transformed_code
        remember_source(self.file_name, "\n" * self.lines_above + shown)
        return self.file_name

    def ast_parse(self, source: str, filename: str = "<unknown>", symbol: str = "exec") -> ast.AST:
        """Parse code; a cell's lines are counted from the top of the whole cell."""
        if filename == self.file_name:
            source = "\n" * self.lines_above + source
        return super().ast_parse(source, filename, symbol)


class CellDisplayHook(DisplayHook):
    """Shows the value of a cell's last expression as a notebook does."""

    def quiet(self) -> bool:
        """Tell whether the cell ends in a semicolon."""
        shell: Any = self.shell
        return bool(self.semicolon_at_end_of_expression(shell.compile.source))  # type: ignore[no-untyped-call]

    def write_output_prompt(self) -> None:
        """Write nothing."""

    def write_format_data(self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None) -> None:
        """Show a value in all its forms."""
        shell: Any = self.shell
        publisher = shell.display_pub
        marks = {RESULT_MARK: True} if publisher.marks_results else {}
        publisher.publish(format_dict, {**(md_dict or {}), **marks})

    def update_user_ns(self, result: object) -> None:
        """Keep nothing: the namespace ends with the cell."""

    def log_output(self, format_dict: dict[str, Any]) -> None:
        """Keep nothing."""

    def finish_displayhook(self) -> None:
        """End a display."""
        self._is_active = False


class CellDisplayPublisher(DisplayPublisher):
    """Hands what is displayed to the recorder of the cell that runs."""

    recorder: OutputRecorder | None = None
    #: whether the value of the last line is to be told from what is displayed, by :data:`RESULT_MARK` in its metadata
    marks_results = False

    def publish(
        self,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        source: object = None,
        *,
        transient: Mapping[str, Any] | None = None,
        update: bool = False,
        **kwargs: object,
    ) -> None:
        """Take a display, or the update of one."""
        if self.recorder is None:
            return
        shown = {kind: content for kind, content in data.items() if kind != _WIDGET} or dict(data)
        content, extra = _as_json(shown), _as_json(metadata or {})
        display_id = (transient or {}).get("display_id")
        if update and display_id is not None:
            self.recorder.update_display(content, extra, str(display_id))
        else:
            self.recorder.display(content, extra, None if display_id is None else str(display_id))

    def clear_output(self, wait: bool = False) -> None:
        """Clear what the cell has shown."""
        if self.recorder is not None:
            self.recorder.clear(wait=wait)


class WorkerShell(InteractiveShell):
    """The shell of a worker process. Not thread-safe: one cell at a time."""

    compiler_class = Type(CellCompiler)
    displayhook_class = Type(CellDisplayHook)
    display_pub_class = Type(CellDisplayPublisher)

    @classmethod
    def of_process(cls) -> WorkerShell:
        """Return this process's shell, made when it is first asked for.

        Raises
        ------
        TaskFailed
            The process has a shell of another kind: it is a notebook's kernel.
        """
        if InteractiveShell.initialized() and not isinstance(InteractiveShell._instance, WorkerShell):
            raise TaskFailed(
                "A task cell needs a process of its own, but this worker runs inside a notebook's kernel. "
                "Use worker processes: LocalCluster(processes=True)."
            )
        main = sys.modules["__main__"]
        try:
            return cls.instance()
        finally:
            sys.modules["__main__"] = main

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self.loop_runner = _run_in_fresh_loop
        for name in _DRIVER_MAGICS:
            self.magics_manager.register_function(_refuse_magic(name), magic_kind="line_cell", magic_name=name)

    def run_source(
        self, source: str, file_name: str, lines_above: int, namespace: dict[str, Any], recorder: OutputRecorder
    ) -> BaseException | None:
        """Run a cell in ``namespace`` and return what it raised.

        Parameters
        ----------
        lines_above
            Lines of the cell that stand above ``source``.
        namespace
            The dictionary of a module that was made by :meth:`new_module`.
        """
        compiler: Any = self.compile
        compiler.reset_compiler_flags()  # the future imports of another cell
        compiler.file_name, compiler.lines_above, compiler.source = file_name, lines_above, source
        self._recorded_by(recorder)
        # IPython's own words at SystemExit; the caller's filters come back with the process's state
        warnings.filterwarnings("ignore", message="To exit: use")
        try:
            result: ExecutionResult | None = self.run_cell(source, store_history=False)  # type: ignore[no-untyped-call]
            if result is None:
                return None
            error: BaseException | None = result.error_before_exec or result.error_in_exec
            return error
        finally:
            self.displayhook.exec_result = self.last_execution_result = None

    def new_module(self) -> types.ModuleType:
        """Make an empty ``__main__`` and let the next cell run in it."""
        module = types.ModuleType("__main__", "The namespace of a task cell.")
        module.__dict__["__builtins__"] = builtins
        self.user_module, self.user_ns = module, module.__dict__
        self.user_ns_hidden.clear()
        self.ns_table.update(user_global=module.__dict__, user_local=module.__dict__)
        self.init_user_ns()  # type: ignore[no-untyped-call]
        sys.modules["__main__"] = module
        return module

    def leave(self) -> None:
        """Let go of the last cell's namespace and recorder."""
        module = types.ModuleType("__main__")
        self.user_module, self.user_ns = module, module.__dict__
        self.ns_table.update(user_global=module.__dict__, user_local=module.__dict__)
        self.user_ns_hidden.clear()
        self.mark_results(False)
        self._recorded_by(None)

    def mark_results(self, is_marked: bool) -> None:
        """Tell the value of the last line from what is displayed, until :meth:`leave`."""
        publisher: Any = self.display_pub
        publisher.marks_results = is_marked

    def _recorded_by(self, recorder: OutputRecorder | None) -> None:
        publisher: Any = self.display_pub
        publisher.recorder = recorder

    def init_history(self) -> None:
        """Keep no history."""
        self.history_manager = HistoryManager(shell=self, parent=self, enabled=False, hist_file=":memory:")

    def init_profile_dir(self, profile_dir: Any) -> None:
        """Use no profile: a worker writes nothing into the user's home."""
        from IPython.core.profiledir import ProfileDir

        self.profile_dir = profile_dir or ProfileDir()

    def init_ipython_dir(self, ipython_dir: str | None) -> None:
        """Use no folder."""

    def init_virtualenv(self) -> None:
        """Leave ``sys.path`` as the worker has it."""

    @contextlib.contextmanager
    def _tee(self, channel: str) -> Iterator[None]:
        """Do not keep what is written a second time (IPython >= 9 does, for its history)."""
        yield

    def showtraceback(self, *args: object, **kwargs: object) -> None:
        """Show nothing: the caller of :meth:`run_source` gets the exception."""

    showsyntaxerror = showindentationerror = showtraceback

    def enable_gui(self, gui: str | None = None) -> None:
        """Do nothing: there is no screen."""

    def ask_exit(self) -> None:
        """End the cell like ``sys.exit()``."""
        raise SystemExit

    def system(self, cmd: str) -> None:
        """Run ``!cmd``; its output is captured, and it ends when the task is stopped."""
        command = self.var_expand(cmd, depth=1)  # type: ignore[no-untyped-call]
        process = subprocess.Popen(command, shell=True, executable=os.environ.get("SHELL"), stdin=subprocess.DEVNULL)
        try:
            while process.poll() is None:
                # an exception from another thread arrives only between calls
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.2)
        except BaseException:
            process.kill()
            process.wait()
            raise
        code = process.returncode
        self.user_ns["_exit_code"] = code if code <= 128 else 128 - code

    system_raw = system_piped = system


def refuse_input() -> None:
    """Let ``input()`` and ``getpass()`` raise an error that says what to do."""
    builtins.input = getpass.getpass = _refuse_input


def _refuse_input(prompt: object = "", *_: object, **__: object) -> NoReturn:
    raise StdinNotImplementedError(
        "A task cannot ask for input: its cell runs on a worker. "
        "Ask in an ordinary cell, and read the answer in the task."
    )


def _refuse_magic(name: str) -> Any:
    def refuse(line: str, cell: str | None = None) -> NoReturn:
        sign = "%" if cell is None else "%%"
        raise UsageError(f"{sign}{name} works in the notebook, not inside a task cell: that runs on a worker.")

    return refuse


def _run_in_fresh_loop(awaitable: Awaitable[_T]) -> _T:
    with asyncio.Runner() as runner:
        return runner.run(awaitable)  # type: ignore[arg-type]


def _as_json(content: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): _jsonable(value) for key, value in content.items()}


def _jsonable(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return _as_json(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_jsonable(item) for item in value]
    item = getattr(value, "tolist", None)  # numbers and arrays of numpy
    return _jsonable(item()) if callable(item) else str(value)
