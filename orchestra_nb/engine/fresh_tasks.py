"""Which tasks of a resumed flow run whatever was kept of them: the one that was named, and what depends on it.

A task depends on those whose futures it takes, or waits for. What becomes of a value that the body itself has taken
nobody can tell, so all that is called from then on depends on it, too.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime


class FreshTasks:
    """Decides for the tasks of one flow run. For all threads.

    Parameters
    ----------
    since
        When the run was resumed: results that were kept from then on count, so that a body that is repeated, or a run
        that goes on in another process, does not run again what has run.
    wanted
        The name of a task, or of one run of it; None for all tasks, as of a subflow that depends on the named one.
    """

    def __init__(self, since: datetime, wanted: str | None) -> None:
        self.since = since
        self.wanted = wanted
        #: whether a task of that name was called
        self.is_met = wanted is None
        #: names of tasks that nothing is kept of, and that were called although they do not depend on the named one
        self.unkept: dict[str, None] = {}
        self._ids: set[str] = set()
        self._is_body_fresh = wanted is None

    def of_call(
        self, task_name: str, run_name: str, task_run_id: str, upstream: Collection[str], is_kept: bool
    ) -> datetime | None:
        """Return since when results count for a call; None where all that are kept do.

        Parameters
        ----------
        upstream
            The ids of the task runs that it takes values of, or waits for.
        is_kept
            Whether results of this task are kept at all.
        """
        is_wanted = self.wanted in (task_name, run_name)
        self.is_met = self.is_met or is_wanted
        if is_wanted or self.depends(upstream):
            self._ids.add(task_run_id)
            return self.since
        if not is_kept:
            self.unkept[task_name] = None
        return None

    def begin_body(self) -> None:
        """Note that the body begins, for the first time or again: it has no value yet."""
        self._is_body_fresh = self.wanted is None

    def depends(self, upstream: Collection[str]) -> bool:
        """Tell whether what is called now, and takes values of these, depends on the named task."""
        return self._is_body_fresh or not self._ids.isdisjoint(upstream)

    def note_taken(self, task_run_id: str) -> None:
        """Note that the body has, or may have, what a task gave."""
        self._is_body_fresh = self._is_body_fresh or task_run_id in self._ids

    def note_all_taken(self) -> None:
        """Note that the body has what depends on the named task, as from a subflow."""
        self._is_body_fresh = True

    def why_missed(self) -> str:
        """Return why a flow that has ended did not do what was asked for; empty where it called the named task."""
        if self.is_met:
            return ""
        return (
            f"Task {self.wanted}, from which it was resumed, was not called this time. One that another task calls "
            "runs with that one: name that. A run that has a name of its own (task_run_name) is known by the whole of "
            "it. `orchestra runs retry RUN --from TASK` resumes it from another one."
        )

    def last_words(self) -> str:
        """Return what there is to say when the flow has ended; empty for nothing."""
        if not self.unkept:
            return ""
        return (
            f"Nothing is kept of these tasks, so they ran again although they do not depend on {self.wanted}: "
            f"{', '.join(self.unkept)}. persist_result=True keeps their results."
        )
