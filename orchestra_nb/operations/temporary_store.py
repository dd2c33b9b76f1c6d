"""Flows on a store of their own that is deleted afterwards: for tests of code that uses flows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from orchestra_nb.engine.drivers import exchange_driver
from orchestra_nb.engine.services import set_answerer
from orchestra_nb.operations.opening import close_store
from orchestra_nb.operations.script_driver import ScriptDriver


@contextmanager
def temporary_store(task_runner: Literal["dask", "threads"] | None = None) -> Iterator[None]:
    """Run the flows and tasks that are called inside on a new SQLite store, which is deleted at the end.

    Variables, limits, artifacts and secrets are those of this store, too, and what this process recorded before is not
    seen. Results that are persisted stand where they always do, unless ``result_storage`` says otherwise. Not for
    several threads at once: the environment belongs to the process.

    Parameters
    ----------
    task_runner
        Where submitted tasks run whose flow says nothing; None for what the settings say. Threads start no cluster.

    Examples
    --------
    >>> from orchestra_nb import flow
    >>> from orchestra_nb.testing.utilities import temporary_store
    >>> @flow
    ... def report():
    ...     return "done"
    >>> with temporary_store():
    ...     report()
    'done'
    """
    with tempfile.TemporaryDirectory(prefix="orchestra-test-", ignore_cleanup_errors=True) as folder:
        environ = {
            "ORCHESTRA_STORE_URL": f"sqlite:///{Path(folder) / 'orchestra.db'}",
            "ORCHESTRA_SECRET_KEY_FILE": str(Path(folder) / "secret.key"),
        }
        if task_runner is not None:
            environ["ORCHESTRA_TASK_RUNNER"] = task_runner
        with _environment(environ):
            answerer = set_answerer(None)
            driver = _TemporaryDriver("test")
            before = exchange_driver(driver)
            try:
                yield
            finally:
                exchange_driver(before)
                driver.close()
                set_answerer(answerer)


class _TemporaryDriver(ScriptDriver):
    """A driver that closes its store, so that the file can be deleted."""

    def close(self) -> None:
        """Cancel what has not ended and let go of everything."""
        super().close()
        store, self._store = self._store, None
        if store is not None:
            close_store(store)


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
