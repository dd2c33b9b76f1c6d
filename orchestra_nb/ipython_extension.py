"""``%load_ext orchestra_nb``: gives a kernel its magics and the hooks that make pending names safe to read.

Loading is cheap: no network, no cluster, no store. All of that begins with the first task cell.
"""

from __future__ import annotations

import ast
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from orchestra_nb.cell_display import Bundle, CellDisplays
from orchestra_nb.magics import TaskMagics
from orchestra_nb.notebooks.names import analyse_tree
from orchestra_nb.notebooks.task_line import complete_task_line
from orchestra_nb.operations.interactive import KernelDriver, set_current_driver
from orchestra_nb.run_widget import WidgetView, needs_widget

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

#: The name under which a cell finds the function that binds its pending names.
_BIND_NAME = "__orchestra_bind__"


class KernelExtension:
    """What ``%load_ext`` put into one kernel; undone by :meth:`unload`."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._displays = CellDisplays(self._publish, make_view=WidgetView if needs_widget(shell) else None)
        self.driver = KernelDriver(shell.user_ns, self._displays, self._displays.renew_extra)
        self._binder = PendingNameBinder(self.driver, self._ensure_bind_name)
        self._undo: list[Callable[[], None]] = []

    def load(self) -> None:
        """Register magics, completion and hooks."""
        shell = self._shell
        shell.register_magics(TaskMagics(shell, self.driver, self._displays))
        shell.ast_transformers.append(self._binder)
        shell.input_transformers_cleanup.append(put_task_line_first)
        shell.events.register("pre_run_cell", self._cell_begins)
        shell.events.register("post_run_cell", self._cell_ended)
        if shell.Completer is not None:
            shell.Completer.custom_matchers.append(self._complete)
        self._watch_interrupts()
        set_current_driver(self.driver)

    def unload(self) -> None:
        """Cancel what has not ended and take everything out of the kernel again."""
        shell = self._shell
        self.driver.close()
        set_current_driver(None)
        shell.ast_transformers.remove(self._binder)
        shell.input_transformers_cleanup.remove(put_task_line_first)
        shell.user_ns.pop(_BIND_NAME, None)
        shell.user_ns_hidden.pop(_BIND_NAME, None)
        shell.events.unregister("pre_run_cell", self._cell_begins)
        shell.events.unregister("post_run_cell", self._cell_ended)
        if shell.Completer is not None and self._complete in shell.Completer.custom_matchers:
            shell.Completer.custom_matchers.remove(self._complete)
        for undo in self._undo:
            undo()

    # --- binding

    def _ensure_bind_name(self) -> None:
        """Put the function into the namespace: a ``%reset`` takes it out."""
        self._shell.user_ns_hidden[_BIND_NAME] = self._shell.user_ns[_BIND_NAME] = self._bind

    def _bind(self, names: list[str], perhaps: list[str]) -> None:
        """Bind pending names; called at the head of a cell that reads them."""
        self.driver.session.bind(names, perhaps)

    # --- hooks of the shell

    def _cell_begins(self, info: ExecutionInfo) -> None:
        self.driver.run.kernel_is_busy(True)

    def _cell_ended(self, result: ExecutionResult) -> None:
        if isinstance(result.error_in_exec, KeyboardInterrupt):
            self._interrupted()
        self.driver.run.kernel_is_busy(False)

    def _watch_interrupts(self) -> None:
        """Hear of an interrupt also while the kernel is idle: ipykernel ignores it then."""
        kernel = getattr(self._shell, "kernel", None)
        if kernel is None or threading.current_thread() is not threading.main_thread():
            return

        def on_interrupt(signal_number: int, frame: object) -> None:
            self._interrupted()

        saved = getattr(kernel, "saved_sigint_handler", None)
        if saved is not None:  # a cell is running: this handler comes back when it has ended
            kernel.saved_sigint_handler = on_interrupt
            self._undo.append(lambda: setattr(kernel, "saved_sigint_handler", saved))
        else:
            before = signal.signal(signal.SIGINT, on_interrupt)

            def restore() -> None:
                signal.signal(signal.SIGINT, before)

            self._undo.append(restore)

    def _interrupted(self) -> None:
        self.driver.session.cancel(None, "the kernel was interrupted")

    def _complete(self, context: CompletionContext) -> dict[str, object]:
        """Complete options, task names and variables on a ``%%task`` line."""
        from IPython.core.completer import SimpleCompletion

        line = context.full_text.split("\n")[context.cursor_line][: context.cursor_position]
        for magic in ("%%task", "%task"):
            if context.cursor_line == 0 and line.startswith(f"{magic} "):
                tasks = [task.name for task in self.driver.session.tasks()]
                names = [name for name in self._shell.user_ns if not name.startswith("_")]
                words = complete_task_line(line[len(magic) + 1 :], tasks, names)
                return {
                    "completions": [SimpleCompletion(text=word, type="param") for word in words],
                    "matched_fragment": line.rsplit(" ", 1)[-1].rsplit(",", 1)[-1],
                    "suppress": bool(words),
                }
        return {"completions": [], "suppress": False}

    # --- displays

    def _publish(self, bundle: Bundle, display_id: str, *, update: bool) -> None:
        data, metadata = bundle
        self._shell.display_pub.publish(dict(data), dict(metadata), transient={"display_id": display_id}, update=update)


class PendingNameBinder(ast.NodeTransformer):
    """Puts one call at the head of a cell that reads pending names: it waits for them and binds them.

    The wait is so a part of the user's cell: an interrupt ends it, an error is the cell's error, and every front end
    and headless runner sees it as such.
    """

    def __init__(self, driver: KernelDriver, prepare: Callable[[], None]) -> None:
        self._driver = driver
        self._prepare = prepare

    def visit(self, node: ast.AST) -> ast.AST:
        """Transform a cell's tree; an error here must not unregister the transformer, so the cell gets it."""
        if not isinstance(node, ast.Module) or not node.body:
            return node
        session = self._driver.session
        certain, perhaps = session.pending_names(analyse_tree(node, session.namespace))
        if not certain and not perhaps:
            return node
        self._prepare()
        call = ast.parse(f"{_BIND_NAME}({certain!r}, {perhaps!r})").body[0]
        for part in ast.walk(call):
            ast.copy_location(part, node.body[0])
        node.body.insert(_after_docstring_and_futures(node), call)
        return ast.fix_missing_locations(node)


def put_task_line_first(lines: list[str]) -> list[str]:
    r"""Let a ``%%task`` line stand below comments and blank lines, and above nothing: both would be refused unseen.

    The lines above it go below it, so that every line of the body keeps its number.

    >>> put_task_line_first(["# prices\n", "%%task load\n", "x = 1\n"])
    ['%%task load\n', '# prices\n', 'x = 1\n']
    """
    for number, line in enumerate(lines):
        if line.startswith("%%task") and line[6:7] in ("", " ", "\t", "\n"):
            body = [*lines[:number], *lines[number + 1 :]]
            return [line if line.endswith("\n") else f"{line}\n", *(body or ["\n"])]
        if line.strip() and not line.lstrip().startswith("#"):
            break
    return lines


def _after_docstring_and_futures(tree: ast.Module) -> int:
    index = 0
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            index += 1
        else:
            break
    return index


_loaded: dict[int, KernelExtension] = {}


def load(shell: InteractiveShell) -> None:
    """Load the extension into a shell."""
    extension = _loaded[id(shell)] = KernelExtension(shell)
    extension.load()


def unload(shell: InteractiveShell) -> None:
    """Take the extension out of a shell."""
    extension = _loaded.pop(id(shell), None)
    if extension is not None:
        extension.unload()
