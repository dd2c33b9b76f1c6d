"""Looks whether the result of a task's call is there already, and keeps it when it was computed.

It works wherever the task runs: on a worker the index is asked through the attempt, and the worker itself reads and
writes the result. Of several runs that want one key at a time one computes, and the others take what it gives.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestra_nb.engine.cache_policies import CacheContext, CachePolicy
from orchestra_nb.engine.cache_records import CacheRecords
from orchestra_nb.engine.held_keys import held_keys
from orchestra_nb.engine.life_lines import ENGINE
from orchestra_nb.engine.result_files import delete_file
from orchestra_nb.engine.results import ResultStore
from orchestra_nb.engine.run_context import TaskRunContext, entered, task_run_context
from orchestra_nb.engine.services import ask, ask_for
from orchestra_nb.engine.staged_results import Staging
from orchestra_nb.engine.storage_keys import fill_storage_key
from orchestra_nb.engine.transaction_context import staging_transaction
from orchestra_nb.engine.transactions import Transaction
from orchestra_nb.errors import OrchestraError, ResultNotFound, ResultNotTrusted, ValueNotHashable
from orchestra_nb.model.cache_claims import Busy, Claimed, Found
from orchestra_nb.model.fingerprints import fingerprint
from orchestra_nb.model.questions import (
    ClaimAnswer,
    ClaimResult,
    DoneAnswer,
    ForgetResult,
    PutResult,
    ReleaseClaim,
    RenewClaim,
)
from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.model.runs import LogLine
from orchestra_nb.model.staged_results import StagedResult
from orchestra_nb.model.staging_questions import (
    DropStaged,
)

#: How long a claim holds without being renewed: so long the others wait for a process that died.
LEASE_SECONDS = 30.0
_SHORTEST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0
_MOST_SAID = 1000

_log = logging.getLogger(__name__)


#: (run, text) of what was said already: a task may be called ten thousand times
_said: OrderedDict[tuple[str, str], None] = OrderedDict()


def _warn(text: str) -> None:
    """Say in the log of the task run that is under way, and on the console, why nothing is cached; once in a run."""
    context = task_run_context.get()
    if context is None or context.attempt_context is None or (context.flow.run_id, text) in _said:
        return
    _said[context.flow.run_id, text] = None
    if len(_said) > _MOST_SAID:
        _said.popitem(last=False)
    now = datetime.now(UTC)
    context.attempt_context.log(LogLine(run_id="", at=now, message=text, level=logging.WARNING, logger=ENGINE))


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCache:
    """How the results of one task are kept, and found again; travels with its function.

    Parameters
    ----------
    task_key
        What tells this task from others with the same arguments.
    task_source
        The fingerprint of the task's code; None where the policy does not need it.
    expires_after
        None for never.
    storage_key
        A template for the file's name (:mod:`~orchestra_nb.engine.storage_keys`); None for one named by the content.
    keeps_all
        Whether also the result of a call that has no key is kept: nobody finds it again by the call.
    """

    policy: CachePolicy
    store: ResultStore
    task_name: str
    task_key: str
    task_source: str | None
    expires_after: timedelta | None = None
    is_refreshed: bool = False
    storage_key: str | None = None
    keeps_all: bool = False

    def lookup(self, run_context: TaskRunContext) -> CacheEntry | None:
        """Return the entry of a call; None when it is not to be kept, with a warning where that is not on purpose.

        Raises
        ------
        InvalidInput
            The template for the file's name cannot be filled.
        """
        inputs = dict(run_context.parameters)
        flow = run_context.flow
        context = CacheContext(
            task_source=lambda: self.task_source,
            run_id=flow.run_id,
            task=run_context.task,
            task_run=run_context.task_run,
            parameters=inputs,
        )
        try:
            key = self.policy.compute_key(context, inputs, dict(flow.parameters))
        except ValueNotHashable as error:
            _warn(f"Task {self.task_name!r} is run without its cache: {error}")
            return None
        if key is None and not self.keeps_all:
            return None
        if key is not None and not self.policy.tells_tasks_apart:
            key = fingerprint((self.task_key, key))
        # now, and not when the result is there: what cannot be kept is not computed
        file = None if self.storage_key is None else fill_storage_key(self.storage_key, inputs)
        around, since = staging_transaction(), run_context.kept_since
        if key is None or around is None or around.staging is None:
            return CacheEntry(self, key, file, kept_since=since)
        return CacheEntry(self, key, file, kept_since=since, holder=around.staging.new_holder(), around=around)


@dataclass(slots=True)
class CacheEntry:
    """The cached result of one call, there or not."""

    cache: TaskCache
    #: None for a call that is not found again
    key: str | None
    #: the file below the folder of results; None for one named by the content
    file: str | None
    #: a result that was kept before this does not count; None for any
    kept_since: datetime | None = None
    holder: str = field(default_factory=lambda: secrets.token_hex(8))
    is_claimed: bool = False
    reference: ResultReference | None = None
    #: the transaction that the result is kept back for
    around: Transaction | None = None

    def find(self) -> tuple[bool, Any]:
        """Return (whether the result is there, the result); else the call is this one's to compute.

        Waits while somebody else computes it, but where the policy keeps its keys in files: there nobody is waited for.
        A call around this one that computes the same key, as of a recursive task, is not waited for either.
        """
        if self.key is None:
            return False, None
        try:
            if (staged := self._find_staged()) is not None:
                return staged
        except OrchestraError as error:
            self._warn_of(error)
            return False, None
        if (records := self._records()) is not None:
            return self._find_in(records, self.key)
        around = held_keys.get().get(self.key)
        pause = _SHORTEST_PAUSE_SECONDS
        while True:
            try:
                claim = ask_for(
                    ClaimAnswer,
                    ClaimResult(
                        key=self.key,
                        holder=around or self.holder,
                        lease_seconds=LEASE_SECONDS,
                        is_refreshed=self.cache.is_refreshed,
                        kept_since=self.kept_since,
                    ),
                ).claim
                if isinstance(claim, Busy) and self.staging is not None:
                    if (staged := self._find_staged()) is not None:
                        return staged
                    if not self.staging.may_wait_for(claim.holder):
                        return False, None
            except OrchestraError as error:
                self._warn_of(error)
                return False, None
            if isinstance(claim, Claimed):
                self.is_claimed = around is None
                return False, None
            if isinstance(claim, Found):
                try:
                    value = self.cache.store.read(claim.reference)
                except (ResultNotFound, ResultNotTrusted) as error:
                    _log.info("The result of %s is computed anew: %s", self.cache.task_name, error)
                    ask(ForgetResult(key=self.key, reference=claim.reference))
                    continue
                self.reference = claim.reference
                return True, value
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def keep(self, value: Any) -> None:
        """Store the result that was computed, and say so to the index.

        Raises
        ------
        ValueNotPortable
            It cannot be stored.
        """
        now = datetime.now(UTC)
        cache = self.cache
        expires_at = now + cache.expires_after if cache.expires_after is not None else None
        if self.staging is not None:
            staged, final_url = cache.store.stage(
                value, name=cache.task_name, now=now, expires_at=expires_at, storage_key=self.file
            )
            self._keep_back(self.staging, staged, final_url)
            return
        self.reference = cache.store.write(
            value, name=cache.task_name, now=now, expires_at=expires_at, storage_key=self.file
        )
        if self.key is None:
            return
        if (records := self._records()) is not None:
            records.put(self.key, self.reference, task_name=cache.task_name)
            return
        holder = self.holder if self.is_claimed else None
        try:
            ask(PutResult(key=self.key, reference=self.reference, task_name=cache.task_name, holder=holder))
        except OrchestraError as error:
            _warn(f"The result of {cache.task_name!r} is not in the cache: {error}")
        self.is_claimed = False

    @property
    def staging(self) -> Staging | None:
        """What keeps the result back until the transaction around is committed."""
        return None if self.around is None else self.around.staging

    def _find_staged(self) -> tuple[bool, Any] | None:
        """Return what the transaction around has made of this key; its claim becomes this one's to make it anew."""
        if self.staging is None or self.key is None or (found := self.staging.find(self.key)) is None:
            return None
        if self.cache.is_refreshed:
            self.is_claimed = found.holder is not None
            self.holder = found.holder or self.holder
            return False, None
        try:
            value = self.cache.store.read(found.reference)
        except (ResultNotFound, ResultNotTrusted) as error:
            _log.info("The result of %s is computed anew: %s", self.cache.task_name, error)
            ask(DropStaged(staging_id=found.staging_id, keys=(self.key,)))
            return None
        self.reference = found.reference
        return True, value

    def _keep_back(self, staging: Staging, reference: ResultReference, final_url: str) -> None:
        assert self.key is not None
        result = StagedResult(
            staging_id=staging.staging_id,
            key=self.key,
            task_name=self.cache.task_name,
            reference=reference,
            final_url=final_url,
            holder=self.holder if self.is_claimed else None,
            key_storage=self.cache.policy.key_storage,
        )
        try:
            staging.keep(result)
        except OrchestraError as error:
            delete_file(reference.url)
            self._warn_of(error)
            return
        assert self.around is not None
        self.around.note_staged(self.key)
        self.reference = reference
        self.is_claimed = False  # it is the transaction's from now on

    def _warn_of(self, error: OrchestraError) -> None:
        _warn(f"Task {self.cache.task_name!r} is run without its cache: {error}")

    def _records(self) -> CacheRecords | None:
        """Return where the policy keeps its keys; None for the store."""
        url = self.cache.policy.key_storage
        return CacheRecords(url) if url is not None else None

    def _find_in(self, records: CacheRecords, key: str) -> tuple[bool, Any]:
        reference = None if self.cache.is_refreshed else records.find(key, datetime.now(UTC))
        if reference is None or (self.kept_since is not None and reference.created_at < self.kept_since):
            return False, None
        try:
            value = self.cache.store.read(reference)
        except (ResultNotFound, ResultNotTrusted) as error:
            _log.info("The result of %s is computed anew: %s", self.cache.task_name, error)
            records.forget(key)
            return False, None
        self.reference = reference
        return True, value

    @contextmanager
    def computing(
        self, asking: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
    ) -> Iterator[None]:
        """Keep the claim while the result is computed, and give it back if it was not.

        Parameters
        ----------
        asking
            Entered around what this itself asks, where the code that computes does not ask so.
        """
        done = threading.Event()
        with asking():
            context = copy_context()
        renewer = threading.Thread(
            target=context.run, args=(self._renew, done.wait), name="orchestra-cache-claim", daemon=True
        )
        held = held_keys.get()
        if self.is_claimed and self.key is not None:
            renewer.start()
            held = {**held, self.key: self.holder}
        try:
            with entered(held_keys, held):
                yield
        finally:
            done.set()
            if self.is_claimed and self.key is not None:
                with contextlib.suppress(OrchestraError), asking():
                    ask(ReleaseClaim(key=self.key, holder=self.holder))

    def _renew(self, wait: Callable[[float], bool]) -> None:
        assert self.key is not None
        while not wait(LEASE_SECONDS / 3):
            with contextlib.suppress(OrchestraError):
                ask_for(DoneAnswer, RenewClaim(key=self.key, holder=self.holder, lease_seconds=LEASE_SECONDS))
