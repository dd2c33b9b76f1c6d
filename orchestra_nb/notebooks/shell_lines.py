"""Which processes a cell starts (``!ls``, ``%sx``, ``subprocess.run``), and what of it is more than that.

A shell command belongs to the machine and the folder of its kernel, and its exit code is bound there. Only one that
does nothing but print means the same on a worker.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from typing import Final

from orchestra_nb.notebooks.ipython_syntax import is_shell_call, parse_cell
from orchestra_nb.notebooks.shell_texts import first_text, magic_of

#: Shell commands that print, or wait, and look at nothing.
_PRINTING: Final = frozenset({"echo", "printf", "sleep", "true", "seq", "clear", ":"})
#: What leads to another command, or to a file.
_LEADING_ON: Final = re.compile(r"[|<>`]|\$\(|&&?|;")
#: Magics whose line is a shell command.
_SHELL_MAGICS: Final = frozenset(
    "sx system ls ll lf lk lx ldir cat cp mv rm mkdir rmdir less more man pip conda mamba micromamba uv".split()
)
_GETTING_OUTPUT: Final = frozenset({"getoutput", "getoutput_pcolor"})
#: Magics that run the Python, or the command, behind them.
_RUNNING_MAGICS: Final = frozenset({"time", "timeit", "prun", "memit"})
#: Functions of ``os`` that start a process.
_STARTING: Final = frozenset({"system", "popen", "startfile", "fork", "forkpty"})


def shell_commands(source: str) -> list[str]:
    r"""Return the shell commands of a cell, in order, each with what IPython fills in.

    Examples
    --------
    >>> shell_commands("files = !ls {folder}\nfor i in x:\n    !echo {i}")
    ['ls {folder}', 'echo {i}']
    """
    try:
        tree = parse_cell(source)
    except SyntaxError:
        return []
    found: list[str] = []
    for call in _calls(tree):
        command = _command_of(call) if is_shell_call(call) else None
        if command is not None:
            found += [command] if isinstance(command, str) else command
    return found


def only_prints(command: str) -> bool:
    """Tell whether a shell command does nothing but print what it was given."""
    words = command.split()
    return bool(words) and words[0] in _PRINTING and not _LEADING_ON.search(command)


def started_process(tree: ast.Module) -> str:
    """Return the call by which Python code starts a process, empty for none: ``os.system``, ``subprocess.run``."""
    for call in _calls(tree):
        match call.func:
            case ast.Attribute(value=ast.Name(id="subprocess" as module), attr=name):
                return f"{module}.{name}"
            case ast.Attribute(value=ast.Name(id="os" as module), attr=name) if name in _STARTING or name.startswith(
                ("exec", "spawn", "posix_spawn")
            ):
                return f"{module}.{name}"
    return ""


def without_shell(source: str) -> ast.Module:
    """Return the tree of a cell without its shell commands, and without loops that then do nothing.

    Raises
    ------
    SyntaxError
        It is no code.
    """
    tree = _Remover().visit(copy.deepcopy(parse_cell(source)))
    assert isinstance(tree, ast.Module)
    return tree


class _Remover(ast.NodeTransformer):
    def generic_visit(self, node: ast.AST) -> ast.AST | None:  # type: ignore[override]
        super().generic_visit(node)
        if isinstance(node, ast.Expr | ast.Assign | ast.AnnAssign):
            value = node.value
            if isinstance(value, ast.Call) and is_shell_call(value) and _command_of(value) is not None:
                return None
        elif isinstance(node, ast.For | ast.While | ast.If | ast.With) and not node.body:
            return None if not getattr(node, "orelse", None) else ast.copy_location(ast.Pass(), node)
        return node


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    yield from sorted(calls, key=lambda node: (node.lineno, node.col_offset))


def _command_of(call: ast.Call) -> str | list[str] | None:
    """Return the command that a call of the shell runs, or those of the line behind it; None for none."""
    name, line = magic_of(call)
    if name == "":
        return first_text(call) if line == "system" or line in _GETTING_OUTPUT else None
    if name in ("sx", "system"):
        return line
    if name in _SHELL_MAGICS:
        return f"{name} {line}".rstrip()
    if name in _RUNNING_MAGICS and (found := shell_commands(line)):
        return found
    return None
