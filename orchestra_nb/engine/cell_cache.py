"""The cache of a task cell: by its code, wherever it stands, and by the values that it reads, as for ``@task``.

Variables of the environment that the code itself looks up are values that it reads, too. What the code imports, and the
functions among the values, counts as the files of the user's modules say it.

The key is made on the worker, where the values are; they may come from tasks that had not ended when the cell was
submitted. What is kept is what a run would give: packed values, deleted names, and what was shown.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import FunctionType

from orchestra_nb.engine.import_names import imported_by_function, imported_in
from orchestra_nb.engine.module_sources import module_sources
from orchestra_nb.engine.services import asking_through
from orchestra_nb.engine.task_cache import CacheEntry, TaskCache
from orchestra_nb.errors import InvalidTaskLine, OrchestraError, ValueNotHashable
from orchestra_nb.model.attempts import AttemptContext
from orchestra_nb.model.environment_variables import environment_that_counts
from orchestra_nb.model.fingerprints import fingerprint
from orchestra_nb.notebooks.environment_reads import EnvironmentReads, environment_reads
from orchestra_nb.notebooks.ipython_syntax import parse_cell
from orchestra_nb.notebooks.kept_results import KeptResult
from orchestra_nb.notebooks.task_line import TaskLine


@dataclass(frozen=True, slots=True)
class CellCache:
    """Implements :class:`~orchestra_nb.notebooks.kept_results.ResultKeeper`.

    Parameters
    ----------
    code
        The fingerprint of all of the key but the inputs and the environment.
    environment
        What its own code looks up there.
    imports
        The names of modules that its own code imports.
    """

    cache: TaskCache
    code: str
    environment: EnvironmentReads
    imports: tuple[str, ...]

    @classmethod
    def of(cls, line: TaskLine, name: str, opaque: str | None) -> CellCache | None:
        """Return what ``--cache`` asks for; None where it is not there.

        Parameters
        ----------
        opaque
            Why nobody can tell what the cell reads; None where it is known.

        Raises
        ------
        InvalidTaskLine
            The key cannot be made.
        """
        if line.cache is None:
            return None
        if opaque is not None and line.inputs is None:
            raise InvalidTaskLine(
                f"--cache of task {name!r}: nobody can tell what the cell reads ({opaque}), so what was kept "
                "could be out of date. Name them with --in a,b."
            )
        from orchestra_nb.engine.cache_policies import INPUTS
        from orchestra_nb.engine.results import ResultStore, default_results_url
        from orchestra_nb.engine.signing_key import load_signing_key

        seconds = line.cache.ttl_seconds
        cache = TaskCache(
            policy=INPUTS,
            store=ResultStore(default_results_url(), load_signing_key(), "pickle"),
            task_name=name,
            task_key=name,
            task_source=None,
            expires_after=None if seconds is None else timedelta(seconds=seconds),
        )
        tree = parse_cell(line.body)
        imports = tuple(dict.fromkeys(imported_in(tree)))
        return cls(cache, code_fingerprint(line.body, line.outputs), environment_reads(tree), imports)

    def entry(self, inputs: Mapping[str, object], context: AttemptContext) -> CellCacheEntry | None:
        """Return where the result with these inputs is kept; None, with a word under the cell, where one has no key."""
        functions: list[FunctionType] = []
        try:
            values = {name: fingerprint(value, name=name, functions=functions) for name, value in inputs.items()}
        except ValueNotHashable as error:
            text = f"Task {self.cache.task_name!r} is run without its cache: {error}\n"
            context.show({"output_type": "stream", "name": "stderr", "text": text})
            return None
        parts = (self.code, values, *self._variables(), *self._modules(functions))
        return CellCacheEntry(CacheEntry(self.cache, "cell/" + fingerprint(parts), None), context)

    def _variables(self) -> tuple[dict[str, str | None], ...]:
        """Return what the cell finds of the environment; nothing where it does not look."""
        if self.environment.is_whole:
            return (dict(environment_that_counts(os.environ)),)
        names = self.environment.names
        return ({name: os.environ.get(name) for name in sorted(names)},) if names else ()

    def _modules(self, functions: Iterable[FunctionType]) -> tuple[tuple[str, dict[str, str]], ...]:
        """Return what the user's modules say that the cell imports, or one of the functions; nothing where none does.

        Those are looked for where the cell runs, after its folder and its path have been taken.
        """
        imported = (name for function in functions for name in imported_by_function(function))
        sources = module_sources((*self.imports, *imported))
        return (("modules", sources),) if sources else ()


class CellCacheEntry:
    """Implements :class:`~orchestra_nb.notebooks.kept_results.KeptEntry`."""

    def __init__(self, entry: CacheEntry, context: AttemptContext) -> None:
        self._entry = entry
        self._context = context

    def find(self) -> KeptResult | None:
        """Return the result, if there is one of this version."""
        with asking_through(self._context):
            is_there, value = self._entry.find()
        assert value is None or isinstance(value, KeptResult)
        return value if is_there else None

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Keep the claim while the cell runs, and give it back if it gave nothing to keep."""
        with self._entry.computing(lambda: asking_through(self._context)):
            yield

    def keep(self, result: KeptResult) -> str | None:
        """Keep what the cell gave; of a value that stays on its worker the reason is kept, as a run gives no more."""
        try:
            with asking_through(self._context):
                self._entry.keep(result)
        except (OrchestraError, OSError) as error:
            return str(error)
        return None


def code_fingerprint(source: str, outputs: tuple[str, ...] | None) -> str:
    r"""Return the fingerprint of a cell's code: equal wherever it stands, and whatever its comments and its layout.

    Examples
    --------
    >>> code_fingerprint("x = 1", None) == code_fingerprint("#: --cache 1h\nx  =  1  # one", None)
    True
    >>> code_fingerprint("x = 1", None) == code_fingerprint("x = 2", None)
    False
    """
    return fingerprint((ast.dump(parse_cell(source)), outputs, sys.version_info[:2]))
