"""The driver's folder and module path, taken over by a worker while it runs the driver's functions.

So a module beside the script can be imported by its tasks, and on the same machine relative paths mean the same.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestra_nb.engine.call_body import Callee
from orchestra_nb.model.attempts import AttemptContext, AttemptResult
from orchestra_nb.model.outcomes import Outcome
from orchestra_nb.model.runs import ErrorInfo
from orchestra_nb.model.states import State
from orchestra_nb.notebooks.edited_modules import modules_of_process


@dataclass(frozen=True, slots=True)
class DriverPlace:
    """Where a driver is.

    Parameters
    ----------
    folder
        None for workers on other machines: their folder stays what it is.
    module_path
        The driver's ``sys.path``.
    """

    folder: str | None
    module_path: tuple[str, ...]

    @classmethod
    def here(cls, *, is_shared: bool) -> DriverPlace:
        """Return the place of this process, for workers that share its folders or not."""
        path = tuple(os.getcwd() if entry == "" else entry for entry in sys.path)
        return cls(os.getcwd() if is_shared else None, path)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Be in this place. Where the folder is taken, too, the process must run one task at a time.

        On other machines the driver's entries come last, and stay: tasks may run there at the same time.
        """
        if self.folder is None:
            sys.path.extend(entry for entry in self.module_path if entry not in sys.path)
            yield
            return
        folder, path = _current_folder(), list(sys.path)
        sys.path[:] = dict.fromkeys((*self.module_path, *path))
        try:
            os.chdir(self.folder)
            yield
        finally:
            sys.path[:] = path
            if folder is not None:
                os.chdir(folder)


class ShippedCallee:
    """A callee with the place of its driver: it is unpickled there, so that its modules are found.

    Parameters
    ----------
    data
        A pickle of the :class:`Callee`.
    """

    def __init__(self, place: DriverPlace, task_name: str, data: bytes) -> None:
        self._place = place
        self._task_name = task_name
        self._data = data
        self._callee: Callee | None = None

    def run_call(
        self, arguments: bytes, upstream: Mapping[str, AttemptResult], context: AttemptContext
    ) -> AttemptResult:
        """Run one call in the driver's place."""
        started_at = datetime.now(UTC)
        try:
            with self._place.taken():
                if self._callee is None:
                    self._callee = self._load()
                known = len(sys.modules)
                result = self._callee.run_call(arguments, upstream, context)
                if self._place.folder is not None and len(sys.modules) != known:
                    modules_of_process().note()
                return result
        except (ImportError, AttributeError, OSError) as error:
            return self._not_loaded(error, started_at, context)

    def _load(self) -> Callee:
        if self._place.folder is not None:
            modules = modules_of_process()
            modules.take_place()
            modules.forget_edited()
            callee: Callee = pickle.loads(self._data)
            modules.note()
            return callee
        callee = pickle.loads(self._data)
        return callee

    def _not_loaded(self, error: Exception, started_at: datetime, context: AttemptContext) -> AttemptResult:
        message = (
            f"Task {self._task_name} cannot be loaded on {context.worker}: {error}. What it uses must be importable "
            "there: install it, or define it in the script or notebook itself."
        )
        outcome = Outcome(
            state=State.FAILED,
            started_at=started_at,
            ended_at=datetime.now(UTC),
            worker=context.worker,
            pid=os.getpid(),
            error=ErrorInfo(type=type(error).__name__, message=message[:2000]),
            may_retry=False,
        )
        return AttemptResult(outcome)

    def __reduce__(self) -> tuple[object, ...]:
        return ShippedCallee, (self._place, self._task_name, self._data)


def _current_folder() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None
