"""Names that a notebook cell binds, reads, changes in place and deletes, found without running it.

The rules are those that held on real notebooks: a mutation counts for every name that may share the object, any method
that is not known to be pure changes its receiver, an unknown function changes its arguments, and functions of the
notebook are followed, where they are used, to what they read and change.

A known limit: what is put into a new container that has two names in one cell is known under the name used for that.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from orchestra_nb.notebooks.ipython_syntax import parse_cell
from orchestra_nb.notebooks.live_names import LiveNotebook, UnknownNotebook
from orchestra_nb.notebooks.name_flow import BOUND, DELETED, INCOMING
from orchestra_nb.notebooks.statement_flow import Scope

#: Names that every namespace has on its own, on a worker as in a kernel: never among the reads.
SHELL_NAMES: Final = frozenset(
    "__annotations__ __builtin__ __builtins__ __doc__ __file__ __loader__ __name__ __package__ __spec__ __debug__ "
    "exit get_ipython quit".split()
)


@dataclass(frozen=True, slots=True)
class CellNames:
    """What running a cell does to the names of the notebook.

    All sets err on the side of naming too much. Builtins are among the reads: filter by what the namespace has.

    Parameters
    ----------
    defines
        Names that the cell may leave bound to a new object.
    conditional
        Those of ``defines`` that some way through the cell leaves as they were (``if c: x = 1``): when the cell ends
        without binding one, its earlier value stays valid.
    reads
        Names whose value from before the cell may be needed; ``del x`` and ``x += 1`` read ``x``.
    mutates
        Names whose object from before the cell may be changed in place, also through another name (``y = x;
        y.append(1)`` mutates ``x``); a subset of ``reads``.
    deletes
        Names that may be gone when the cell ends.
    opaque
        Why the sets may be incomplete, in people's words (``"`from os import *` can bind any name"``), or None.
    kinds
        Names of ``defines`` and ``mutates`` to the top-level package of their type after the cell, where that is known.
    """

    defines: frozenset[str] = frozenset()
    conditional: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    mutates: frozenset[str] = frozenset()
    deletes: frozenset[str] = frozenset()
    opaque: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict, compare=False)


def analyse_cell(source: str, namespace: Mapping[str, object] | None = None) -> CellNames:
    r"""Return the names of a cell; IPython syntax is allowed.

    Without ``namespace`` the answer rests on the source alone and is memoised. With it, live objects sharpen and
    complete it: what the functions and classes of the notebook that the cell uses read, bind and change is included,
    transitively; numbers, strings and modules are never mutated; functions of well-known libraries leave their
    arguments alone.

    Nothing of the user's is called. Thread-safe, as long as nobody changes ``namespace`` meanwhile.

    Raises
    ------
    SyntaxError
        ``lineno`` is the line in ``source``, from 1.

    Examples
    --------
    >>> names = analyse_cell("y = x\ny.append(1)")
    >>> sorted(names.defines), sorted(names.reads), sorted(names.mutates)
    (['y'], ['x'], ['x'])
    """
    if namespace is None:
        return _analyse_source(source)
    return analyse_tree(parse_cell(source), namespace)


@lru_cache(maxsize=1024)
def _analyse_source(source: str) -> CellNames:
    return analyse_tree(parse_cell(source))


def analyse_tree(tree: ast.Module, namespace: Mapping[str, object] | None = None) -> CellNames:
    """Return the names of a cell that IPython has already turned into a tree (as ``ip.ast_transformers`` get it).

    Raises
    ------
    SyntaxError
        The Python code in a magic is none.
    """
    scope = _cell_scope(namespace)
    scope.run(tree.body)
    state = scope.finish()
    defines = frozenset(name for name, slot in state.items() if slot.mask & BOUND)
    kinds = {name: scope.peek(name).kind for name in defines | scope.mutates}
    return CellNames(
        defines=defines,
        conditional=frozenset(name for name in defines if state[name].mask & INCOMING),
        reads=frozenset(scope.reads | scope.mutates) - SHELL_NAMES,
        mutates=frozenset(scope.mutates),
        deletes=frozenset(name for name, slot in state.items() if slot.mask & DELETED),
        opaque=scope.opaque,
        kinds={name: kind for name, kind in kinds.items() if kind is not None},
    )


def _cell_scope(namespace: Mapping[str, object] | None) -> Scope:
    if namespace is None:
        return Scope((), UnknownNotebook())
    notebook = LiveNotebook(namespace)
    scope = Scope((), notebook)
    notebook.home = scope
    return scope
