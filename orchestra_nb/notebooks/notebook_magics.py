"""What magics and shell lines do to a notebook beyond its names: hidden state, files, commands.

What they do to names is told by ``ipython_syntax``.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Final

from orchestra_nb.notebooks import hidden_state
from orchestra_nb.notebooks.abstract_values import WILDCARD
from orchestra_nb.notebooks.ipython_syntax import MagicEffect, parse_cell, shell_call_effect

_PYLAB: Final = (
    "import numpy, matplotlib\nimport numpy as np, matplotlib.pyplot as plt\nfrom matplotlib import pylab, mlab\n"
    "from pylab import *"
)
_INSTALLERS: Final = frozenset("pip conda mamba micromamba uv".split())
_FILE_COMMANDS: Final = frozenset("ls ll lf ldir lx lk cat more less man mkdir rm rmdir cp mv".split())
_SHELL_CELLS: Final = frozenset("bash sh zsh ! sx system".split())
_FOREIGN_CODE: Final = frozenset("cmd perl pypy python python2 python3 ruby powershell script".split())
_SHOWING: Final = frozenset("html javascript js latex markdown svg SVG HTML mermaid".split())
_LISTING: Final = frozenset("who whos who_ls psearch".split())


@dataclass(frozen=True, slots=True)
class NotebookMagic:
    """What one magic or shell call does.

    Parameters
    ----------
    code, is_local, expressions, binds, deletes, opaque
        As in :class:`MagicEffect`.
    shell
        The command lines that it runs.
    sets
        Resources that it changes.
    needs
        Resources that it needs, if anybody has written them.
    reads_everything
        It lists the names of the notebook.
    keeps_figures
        Whether later cells can draw into the figures of this one; None where the magic says nothing of that.
    """

    code: tuple[ast.Module, ...] = ()
    is_local: bool = False
    expressions: tuple[ast.expr, ...] = ()
    binds: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    opaque: str | None = None
    shell: str | None = None
    sets: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    reads_everything: bool = False
    keeps_figures: bool | None = None
    writes_file: str | None = None
    reads_file: str | None = None


def notebook_magic(node: ast.Call) -> NotebookMagic:
    """Return what ``get_ipython().something(…)`` does.

    Raises
    ------
    SyntaxError
        The Python in a magic is none.
    """
    assert isinstance(node.func, ast.Attribute)
    method = node.func.attr
    words = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    is_literal = len(words) == len(node.args)
    if method in ("run_line_magic", "magic", "line_magic") and words and is_literal:
        name, _, rest = words[0].partition(" ") if len(words) == 1 else (words[0], "", words[1])
        return _line_magic(name.lstrip("%"), rest.strip(), node)
    if method == "run_cell_magic" and is_literal and len(words) == 3:
        return _cell_magic(words[0], words[1].strip(), words[2], node)
    effect = shell_call_effect(node)
    if method in ("system", "getoutput", "getoutput_pcolor", "system_raw", "system_piped"):
        text = words[0] if words else WILDCARD
        return _with(effect, shell=text)
    return _with(effect)


def _with(effect: MagicEffect, **more: object) -> NotebookMagic:
    fields: dict[str, object] = {
        name: getattr(effect, name) for name in ("code", "is_local", "expressions", "binds", "deletes", "opaque")
    }
    return NotebookMagic(**(fields | more))  # type: ignore[arg-type]


def _line_magic(name: str, line: str, node: ast.Call) -> NotebookMagic:
    if name == "pylab":
        return NotebookMagic(code=(parse_cell(_PYLAB),), sets=(hidden_state.PLOT_DISPLAY,), keeps_figures=_keeps(line))
    if name == "store":
        return _store(line, node)
    effect = shell_call_effect(node)
    if name in _INSTALLERS:
        is_harmless = line.split()[:1] in (["list"], ["show"], ["freeze"], ["check"])
        return _with(effect, sets=() if is_harmless else (hidden_state.PACKAGES,))
    if name == "matplotlib":
        sets = (hidden_state.PLOT_DISPLAY, hidden_state.PLOT_SETTINGS)
        return _with(effect, sets=sets, keeps_figures=_keeps(line))
    if name == "config":
        if "InlineBackend" not in line:
            return _with(effect, sets=(hidden_state.CELL_DISPLAY,))
        keeps = True if re.search(r"close_figures\s*=\s*(False|0)", line) else None
        return _with(effect, sets=(hidden_state.PLOT_DISPLAY,), keeps_figures=keeps)
    if name in ("precision", "pprint", "colors"):
        return _with(effect, sets=(hidden_state.CELL_DISPLAY,))
    if name in ("env", "set_env"):
        return _environment(effect, line)
    if name in ("cd", "pushd", "popd"):
        return _with(effect, sets=(hidden_state.FOLDER,))
    if name in ("load_ext", "reload_ext", "unload_ext"):
        return _with(effect, sets=(f"extension {line}",))
    if name in ("autoreload", "aimport"):
        return NotebookMagic(sets=("reloading of modules",), needs=("extension autoreload",))
    if name in _LISTING:
        return _with(effect, reads_everything=True)
    if name in ("sx", "system", "!"):
        return _with(effect, shell=line)
    if name in _FILE_COMMANDS:
        return _with(effect, shell=f"{'ls' if name in ('ll', 'lf', 'ldir', 'lx', 'lk') else name} {line}")
    return _with(effect)


def _cell_magic(name: str, line: str, body: str, node: ast.Call) -> NotebookMagic:
    if name == "task":
        return NotebookMagic(code=(parse_cell(body),))
    effect = shell_call_effect(node)
    if name in ("writefile", "file"):
        words = [word for word in line.split() if word not in ("-a", "--append")]
        target = re.sub(r"\{[^{}]*\}|\$\w+", WILDCARD, words[-1].strip("'\"")) if words else WILDCARD
        appends = any(word in ("-a", "--append") for word in line.split())
        return _with(effect, writes_file=target, reads_file=target if appends else None)
    if name in _SHELL_CELLS or (name == "script" and line.split()[:1] in (["bash"], ["sh"])):
        return _with(effect, shell=body)
    if name == "script" and line.split()[:1] in (["false"], ["true"], ["echo"]):
        return NotebookMagic()  # the way to switch a cell off
    if name in _FOREIGN_CODE:
        return _with(effect, opaque=f"`%%{name}` can do anything")
    if name in _SHOWING:
        return NotebookMagic()
    return _with(effect)


def _keeps(line: str) -> bool:
    """Tell whether figures of this backend stay open when their cell ends."""
    return line.split()[:1] not in ([], ["inline"], ["--list"], ["-l"], ["agg"], ["auto"])


def _environment(effect: MagicEffect, line: str) -> NotebookMagic:
    name = re.match(r"(\w+)(\s*=|\s+\S)", line)
    if name is None:
        return _with(effect, needs=(f"environment variable {line}",) if line else (hidden_state.ENVIRONMENT,))
    return _with(effect, sets=(f"environment variable {name[1]}",))


def _store(line: str, node: ast.Call) -> NotebookMagic:
    words = line.split()
    names = tuple(word for word in words if word.isidentifier())
    if words[:1] == ["-r"] and names:
        return NotebookMagic(binds=names, needs=(hidden_state.STORED,))
    effect = shell_call_effect(node)
    if not words or words[0].startswith("-"):
        return _with(
            effect, needs=(hidden_state.STORED,), sets=(hidden_state.STORED,) if words[:1] in (["-z"], ["-d"]) else ()
        )
    return _with(effect, sets=(hidden_state.STORED,))
