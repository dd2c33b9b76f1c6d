"""Keeps the results of cached tasks back until the transaction around them is committed.

A result is written under a temporary name at once, by whoever computed it, and noted in the store. Code in the same
transaction finds it there, in any process. The commit moves the files and then lets everybody find all of them in one
step; a rollback deletes them. The claim on each key stays held meanwhile, and its lease is renewed by the process that
began the transaction.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
from collections.abc import Iterable, Sequence
from contextvars import copy_context
from dataclasses import dataclass

from orchestra_nb.engine.cache_records import CacheRecords
from orchestra_nb.engine.result_files import delete_file, move_file
from orchestra_nb.engine.services import ask, ask_for
from orchestra_nb.errors import OrchestraError
from orchestra_nb.model.questions import (
    DoneAnswer,
)
from orchestra_nb.model.staged_results import StagedResult
from orchestra_nb.model.staging_questions import (
    CommitStaged,
    DropStaged,
    FindStaged,
    HasStagedClaims,
    RenewStaged,
    StagedAnswer,
    StageResult,
)

#: How long the claims of what was staged hold without being renewed.
LEASE_SECONDS = 30.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StagingPlace:
    """Where a submitted task stages: travels with its call."""

    staging_id: str
    tree_id: str
    visible_ids: tuple[str, ...]


class Staging:
    """What one transaction keeps back. For all threads of a process.

    Parameters
    ----------
    tree_id
        Of the outermost transaction: all in it find what any of them has staged.
    visible_ids
        Those in the tree that may have staged something, shared by all of the tree in this process.
    is_of_another
        Whether the transaction began elsewhere, where it is committed or rolled back.
    """

    def __init__(self, staging_id: str, tree_id: str, visible_ids: dict[str, None], is_of_another: bool) -> None:
        self.staging_id = staging_id
        self.is_of_another = is_of_another
        self._tree_id = tree_id
        self._visible_ids = visible_ids
        self._lock = threading.Lock()
        self._ending: threading.Event | None = None

    @classmethod
    def within(cls, around: Staging | None) -> Staging:
        """Return that of a transaction which begins here, inside of another one or alone."""
        staging_id = secrets.token_hex(12)
        if around is None:
            return cls(staging_id, staging_id, {}, is_of_another=False)
        return cls(staging_id, around._tree_id, around._visible_ids, is_of_another=False)

    @classmethod
    def of(cls, place: StagingPlace) -> Staging:
        """Return that of the transaction in which this task was submitted."""
        return cls(place.staging_id, place.tree_id, dict.fromkeys(place.visible_ids), is_of_another=True)

    @property
    def is_used(self) -> bool:
        """Whether something may have been staged since the last commit."""
        return self._ending is not None

    def place(self) -> StagingPlace:
        """Return what a task that is submitted now takes along; it may stage from now on."""
        self.use()
        return StagingPlace(self.staging_id, self._tree_id, tuple(self._visible_ids))

    def new_holder(self) -> str:
        """Return a name for who claims a key in this tree."""
        return f"{self._tree_id}/{secrets.token_hex(8)}"

    def use(self) -> None:
        """Be ready for what is staged: keep its claims."""
        with self._lock:
            if self.is_of_another or self._ending is not None:
                return
            self._visible_ids[self.staging_id] = None
            self._ending = threading.Event()
            context = copy_context()  # the thread asks as this one does
            threading.Thread(
                target=context.run, args=(self._renew, self._ending), name="orchestra-staged-claims", daemon=True
            ).start()

    def find(self, key: str) -> StagedResult | None:
        """Return what was staged for a key in this tree."""
        if not self._visible_ids:
            return None
        results = ask_for(StagedAnswer, FindStaged(staging_ids=tuple(self._visible_ids), key=key)).results
        return results[0] if results else None

    def may_wait_for(self, holder: str) -> bool:
        """Tell whether to wait for who computes a key.

        One who keeps others waiting until its commit waits for nobody: two such would wait for each other.
        """
        if holder.startswith(self._tree_id + "/") or not self._visible_ids:
            return True
        return not ask_for(DoneAnswer, HasStagedClaims(staging_ids=tuple(self._visible_ids))).has_changed

    def keep(self, result: StagedResult) -> None:
        """Note a result that was written under its temporary name."""
        self.use()
        ask(StageResult(result=result))

    def drop(self, keys: Iterable[str] | None = None) -> None:
        """Forget what was staged for these keys, or all, and delete it. What cannot be deleted is logged."""
        try:
            answer = ask_for(
                StagedAnswer, DropStaged(staging_id=self.staging_id, keys=None if keys is None else tuple(keys))
            )
            for result in answer.results:
                delete_file(result.reference.url)
        except (OrchestraError, OSError) as error:
            _log.warning("What a transaction had staged stays behind, where nothing finds it: %s", error)
        if keys is None:
            self.end()

    def end(self) -> None:
        """Renew no more claims."""
        with self._lock:
            if self._ending is not None:
                self._ending.set()
                self._ending = None
            self._visible_ids.pop(self.staging_id, None)

    def _renew(self, ending: threading.Event) -> None:
        while not ending.wait(LEASE_SECONDS / 3):
            with contextlib.suppress(OrchestraError):
                ask(RenewStaged(staging_ids=(self.staging_id,), lease_seconds=LEASE_SECONDS))


def publish(stagings: Sequence[Staging]) -> None:
    """Let everybody find what was staged. First all files get their names, then all is found at once.

    Raises
    ------
    ResultNotFound
        A file is gone.
    OrchestraError
        The store does not answer.
    """
    ids = tuple(staging.staging_id for staging in stagings)
    staged = ask_for(StagedAnswer, FindStaged(staging_ids=ids)).results
    for result in staged:
        move_file(result.reference.url, result.final_url)
    for result in staged:
        if result.key_storage is not None:
            CacheRecords(result.key_storage).put(result.key, result.published, task_name=result.task_name)
    ask(CommitStaged(staging_ids=ids))
    for staging in stagings:
        staging.end()
