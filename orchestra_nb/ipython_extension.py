"""``%load_ext orchestra_nb``: gives a kernel its magics and the hooks that make pending names safe to read.

Loading is cheap: no network, no cluster, no store. All of that begins with the first task cell.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import logging
import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestra_nb.cell_display import CellDisplays
from orchestra_nb.engine.event_relay import RUN_ID_VARIABLE
from orchestra_nb.errors import TaskFailed, ValueNotPortable
from orchestra_nb.flow_views import FlowViews
from orchestra_nb.live_display import Bundle
from orchestra_nb.magics import TaskMagics
from orchestra_nb.notebooks.cell_files import note_cell
from orchestra_nb.notebooks.flow_line import complete_flow_line
from orchestra_nb.notebooks.names import CellNames, analyse_tree
from orchestra_nb.notebooks.task_line import NO_BODY, complete_task_line
from orchestra_nb.operations.interactive import KernelDriver, set_current_driver
from orchestra_nb.run_widget import OutputsWidget, WidgetView, is_voila, needs_widget
from orchestra_nb.terminal_displays import TerminalDisplays

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

    from orchestra_nb.engine.drivers import Driver

_log = logging.getLogger(__name__)

#: The name under which a cell finds the function that binds its pending names.
_BIND_NAME = "__orchestra_bind__"
#: What it returns and the cell raises.
_ERROR_NAME = "__orchestra_error__"


class KernelExtension:
    """What ``%load_ext`` put into one kernel; undone by :meth:`unload`."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        # registered before the driver's own end, and so called after it
        atexit.register(self._close_views)
        #: prints what is shown in a terminal; None in a kernel, whose front end shows it
        self._terminal = TerminalDisplays() if getattr(shell, "kernel", None) is None else None
        make_view = self._make_view if needs_widget(shell) else None
        # which shows displays as they were when its page was made
        make_outputs_view = OutputsWidget if make_view is not None and is_voila() else None
        self._displays = CellDisplays(self._publish, make_view=make_view, make_outputs_view=make_outputs_view)
        self._flow_views = FlowViews(
            self._publish, os.environ.get(RUN_ID_VARIABLE), make_view, is_live=self._terminal is None
        )
        self.driver = KernelDriver(
            shell.user_ns,
            self._displays,
            self._displays.renew_extra,
            self._flow_views.take,
            shows_runs=self._terminal is None,
        )
        self._magics = TaskMagics(shell, self.driver, self._displays)
        #: where displays go when no ``%%capture`` takes them
        self._display_pub: DisplayPublisher | None = None
        self._binder = PendingNameBinder(self.driver, self._ensure_bind_name)
        self._undo: list[Callable[[], None]] = []

    def load(self) -> None:
        """Register magics, completion and hooks."""
        shell = self._shell
        self._note_publisher()
        shell.register_magics(self._magics)
        shell.ast_transformers.append(self._binder)
        shell.input_transformers_cleanup.append(put_task_line_first)
        shell.events.register("pre_run_cell", self._cell_begins)
        shell.events.register("post_run_cell", self._cell_ended)
        self._add_completion()
        self._watch_interrupts()
        set_current_driver(self.driver)
        self._ensure_bind_name()  # who replays cells waits for values before a cell may ask for them

    def unload(self) -> None:
        """Cancel what has not ended and take everything out of the kernel again."""
        shell = self._shell
        self.driver.close()
        self._close_views()
        set_current_driver(None)
        for magics, names in (("cell", ["task"]), ("line", ["task", "flow", "orchestra"])):
            for name in names:
                shell.magics_manager.magics[magics].pop(name, None)
        if self._binder in shell.ast_transformers:
            shell.ast_transformers.remove(self._binder)
        if put_task_line_first in shell.input_transformers_cleanup:
            shell.input_transformers_cleanup.remove(put_task_line_first)
        shell.user_ns.pop(_BIND_NAME, None)
        shell.user_ns.pop(_ERROR_NAME, None)
        shell.user_ns_hidden.pop(_BIND_NAME, None)
        shell.events.unregister("pre_run_cell", self._cell_begins)
        shell.events.unregister("post_run_cell", self._cell_ended)
        for undo in self._undo:
            undo()

    def _close_views(self) -> None:
        """Let what is shown stand for itself, in a notebook that is saved after the end of its kernel, too."""
        atexit.unregister(self._close_views)
        try:
            self._displays.close()
            self._flow_views.close()
        except Exception:  # the channel to the front end has been closed before
            _log.debug("The views could not be closed.", exc_info=True)

    # --- binding

    def _ensure_bind_name(self) -> None:
        """Put the function into the namespace: a ``%reset`` takes it out."""
        self._shell.user_ns_hidden[_BIND_NAME] = self._shell.user_ns[_BIND_NAME] = self._bind

    def _bind(self, names: list[str], perhaps: list[str]) -> tuple[Exception, ...]:
        """Bind pending names; called at the head of a cell that reads them.

        Returns the error of a task, if there is one, for the cell to raise: its traceback is the user's line then.
        """
        try:
            self.driver.session.binder.bind(names, perhaps)
        except (TaskFailed, ValueNotPortable) as error:
            return (error.with_traceback(None),)
        finally:
            if self._terminal is not None:  # what it tells of them would come into the midst of what the cell prints
                self._displays.flush(2.0)
        return ()

    # --- hooks of the shell

    def _cell_begins(self, info: ExecutionInfo) -> None:
        self._note_publisher()
        note_cell()
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

    def _add_completion(self) -> None:
        completer = self._shell.Completer
        if completer is None:
            return
        from IPython.core.completer import context_matcher

        @context_matcher(identifier="orchestra_nb.task_line")  # type: ignore[untyped-decorator]
        def complete(context: CompletionContext) -> dict[str, object]:
            return self._complete(context)

        completer.custom_matchers.append(complete)

        def remove() -> None:
            if complete in completer.custom_matchers:
                completer.custom_matchers.remove(complete)

        self._undo.append(remove)

    def _complete(self, context: CompletionContext) -> dict[str, object]:
        """Complete options, task names and variables on a ``%%task`` line, and verbs on a ``%flow`` line."""
        from IPython.core.completer import SimpleCompletion

        lines = context.full_text.split("\n")[: context.cursor_line + 1]
        line = lines.pop()[: context.cursor_position]
        is_first = all(not above.strip() or above.lstrip().startswith("#") for above in lines)
        for magic in ("%%task", "%task"):
            if is_first and line.startswith(f"{magic} "):
                tasks = [task.name for task in self.driver.session.tasks()]
                names = [name for name in self._shell.user_ns if not name.startswith("_")]
                words = complete_task_line(line[len(magic) + 1 :], tasks, names)
                return {
                    "completions": [SimpleCompletion(text=word, type="param") for word in words],
                    "matched_fragment": line.rsplit(" ", 1)[-1].rsplit(",", 1)[-1],
                    "suppress": bool(words),
                }
        if line.lstrip().startswith("%flow "):
            text = line.lstrip().removeprefix("%flow ").lstrip()
            names = [name for name in self._shell.user_ns if not name.startswith("_")]
            words = complete_flow_line(text, names, [path.name for path in Path().glob("*.ipynb")])
            fragment = re.split(r"[ ,=]", text)[-1]
            return {
                "completions": [SimpleCompletion(text=word, type="param") for word in words],
                "matched_fragment": fragment,
                "suppress": bool(words),
            }
        return {"completions": [], "suppress": False}

    # --- displays

    def _note_publisher(self) -> None:
        from IPython.core.displaypub import CapturingDisplayPublisher

        publisher = self._shell.display_pub
        if not isinstance(publisher, CapturingDisplayPublisher):
            self._display_pub = publisher

    def _make_view(self) -> WidgetView:
        from orchestra_nb.widget_answers import WidgetAnswers

        return WidgetView(WidgetAnswers(self.driver, self._magics.retry_tasks).answer)

    def _publish(self, bundle: Bundle, display_id: str, *, update: bool) -> None:
        data, metadata = bundle
        if self._terminal is not None:
            self._terminal.publish(data, display_id, update=update)
            return
        # an update belongs to the cell where its display stands, not to a %%capture that runs meanwhile
        publisher = self._display_pub if update and self._display_pub is not None else self._shell.display_pub
        publisher.publish(dict(data), dict(metadata), transient={"display_id": display_id}, update=update)


class PendingNameBinder(ast.NodeTransformer):
    """Puts statements at the head of a cell that reads pending names: they wait for them and bind them.

    The wait is so a part of the user's cell: an interrupt ends it, an error is the cell's error, and every front end
    and headless runner sees it as such. Each statement says of itself that it stands where its names are read first.
    """

    def __init__(self, driver: KernelDriver, prepare: Callable[[], None]) -> None:
        self._driver = driver
        self._prepare = prepare

    def visit(self, node: ast.AST) -> ast.AST:
        """Transform a cell's tree; an error here must not unregister the transformer, so the cell gets it."""
        if not isinstance(node, ast.Module) or not node.body:
            return node
        session = self._driver.session
        try:
            names = analyse_tree(_without_deletes(node), session.namespace)
        except SyntaxError:
            return node  # in the code of a magic: the cell raises it itself
        except Exception as error:  # a defect in the analysis must not leave a pending name unbound
            _log.exception("This cell could not be analysed; all pending names are waited for.")
            names = CellNames(opaque=f"it could not be analysed: {error}")
        certain, perhaps = session.binder.pending_names(names)
        if not certain and not perhaps:
            return node
        self._prepare()
        places = {name: self._first_read(node, name) for name in certain}
        by_line: dict[int, list[str]] = {}
        for name in certain:
            by_line.setdefault(places[name].lineno, []).append(name)
        calls = [_binding(by_line[line], [], places[by_line[line][0]]) for line in sorted(by_line)]
        if perhaps:
            calls.append(_binding([], perhaps, node.body[0]))
        index = _after_docstring_and_futures(node)
        node.body[index:index] = calls
        return ast.fix_missing_locations(node)

    def _first_read(self, tree: ast.Module, name: str) -> ast.expr | ast.stmt:
        """Return what in a cell reads a name first: the name itself, else the statement that comes to read it."""
        found = [part for part in ast.walk(tree) if isinstance(part, ast.Name) and part.id == name]
        changed = {id(part.target) for part in ast.walk(tree) if isinstance(part, ast.AugAssign)}
        read = [part for part in found if isinstance(part.ctx, ast.Load) or id(part) in changed]
        if read:
            return min(read, key=lambda part: (part.lineno, part.col_offset))
        for statement in tree.body:
            with contextlib.suppress(Exception):  # what cannot be analysed has been told
                if name in analyse_tree(ast.Module([statement], []), self._driver.session.namespace).reads:
                    return statement
        return tree.body[0]


def _binding(names: list[str], perhaps: list[str], place: ast.expr | ast.stmt) -> ast.stmt:
    """Return the statement that binds names, at a place in the user's cell."""
    call = ast.parse(f"for {_ERROR_NAME} in {_BIND_NAME}({names!r}, {perhaps!r}): raise {_ERROR_NAME}").body[0]
    for part in ast.walk(call):
        ast.copy_location(part, place)
    return call


def put_task_line_first(lines: list[str]) -> list[str]:
    r"""Let a ``%%task`` line stand below comments and blank lines, and above nothing: both would be refused unseen.

    The lines above it go below it, so that every line of the body keeps its number. Where there is no body yet a lone
    ``#`` stands for it: a blank line would say in a terminal that the cell is complete.

    >>> put_task_line_first(["# prices\n", "%%task load\n", "x = 1\n"])
    ['%%task load\n', '# prices\n', 'x = 1\n']
    """
    for number, line in enumerate(lines):
        if line.startswith("%%task") and line[6:7] in ("", " ", "\t", "\n"):
            body = [*lines[:number], *lines[number + 1 :]]
            return [line if line.endswith("\n") else f"{line}\n", *(body or [f"{NO_BODY}\n"])]
        if line.strip() and not line.lstrip().startswith("#"):
            break
    return lines


def _without_deletes(tree: ast.Module) -> ast.Module:
    """Return a cell without its ``del x``: nobody has to wait for a value, or mend its task, to be rid of it."""

    def is_delete(statement: ast.stmt) -> bool:
        return isinstance(statement, ast.Delete) and all(isinstance(item, ast.Name) for item in statement.targets)

    return ast.Module([statement for statement in tree.body if not is_delete(statement)], tree.type_ignores)


def _after_docstring_and_futures(tree: ast.Module) -> int:
    index = 0
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            index += 1
        else:
            break
    return index


_loaded: dict[int, KernelExtension] = {}
#: ids of the shells whose users took the extension out
_unloaded: set[int] = set()


def load(shell: InteractiveShell) -> None:
    """Load the extension into a shell."""
    _unloaded.discard(id(shell))
    extension = _loaded[id(shell)] = KernelExtension(shell)
    extension.load()


def unload(shell: InteractiveShell) -> None:
    """Take the extension out of a shell."""
    extension = _loaded.pop(id(shell), None)
    if extension is not None:
        _unloaded.add(id(shell))
        extension.unload()


def load_for_call(shell: InteractiveShell) -> Driver | None:
    """Load the extension because a cell that runs calls a flow or a task, and return its driver.

    None where the user has taken the extension out.
    """
    if id(shell) in _unloaded:
        return None
    extension_manager: Any = shell.extension_manager
    extension_manager.load_extension("orchestra_nb")
    driver = _loaded[id(shell)].driver
    driver.run.kernel_is_busy(True)
    return driver.loops
