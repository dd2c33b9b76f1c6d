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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestra_nb.engine.cache_policies import CacheContext, CachePolicy
from orchestra_nb.engine.cache_records import CacheRecords
from orchestra_nb.engine.life_lines import ENGINE
from orchestra_nb.engine.results import ResultStore
from orchestra_nb.engine.run_context import TaskRunContext, task_run_context
from orchestra_nb.engine.services import ask, ask_for
from orchestra_nb.errors import NobodyAnswers, OrchestraError, ResultNotFound, ResultNotTrusted, ValueNotHashable
from orchestra_nb.model.cache_claims import Claimed, Found
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
    """How the results of one task are kept; travels with its function.

    Parameters
    ----------
    task_source
        The fingerprint of the task's code; None where the policy does not need it.
    expires_after
        None for never.
    storage_key
        A template for the file's name, filled with ``parameters``; None for one named by the content.
    """

    policy: CachePolicy
    store: ResultStore
    task_name: str
    task_source: str | None
    expires_after: timedelta | None = None
    is_refreshed: bool = False
    storage_key: str | None = None

    def lookup(self, run_context: TaskRunContext) -> CacheEntry | None:
        """Return the entry of a call; None when it is not to be kept, with a warning where that is not on purpose."""
        inputs = dict(run_context.parameters)
        flow = run_context.flow
        context = CacheContext(
            task_source=lambda: self.task_source, run_id=flow.run_id, task=self.task_name, parameters=inputs
        )
        try:
            key = self.policy.compute_key(context, inputs, dict(flow.parameters))
        except ValueNotHashable as error:
            _warn(f"Task {self.task_name!r} is run without its cache: {error}")
            return None
        return CacheEntry(self, key, inputs) if key is not None else None


@dataclass(slots=True)
class CacheEntry:
    """The cached result of one call, there or not."""

    cache: TaskCache
    key: str
    inputs: Mapping[str, Any]
    holder: str = field(default_factory=lambda: secrets.token_hex(8))
    is_claimed: bool = False
    reference: ResultReference | None = None

    def find(self) -> tuple[bool, Any]:
        """Return (whether the result is there, the result); else the call is this one's to compute.

        Waits while somebody else computes it, but where the policy keeps its keys in files: there nobody is waited for.
        """
        if (records := self._records()) is not None:
            return self._find_in(records)
        pause = _SHORTEST_PAUSE_SECONDS
        while True:
            try:
                claim = ask_for(
                    ClaimAnswer,
                    ClaimResult(
                        key=self.key,
                        holder=self.holder,
                        lease_seconds=LEASE_SECONDS,
                        is_refreshed=self.cache.is_refreshed,
                    ),
                ).claim
            except (NobodyAnswers, OrchestraError) as error:
                _warn(f"Task {self.cache.task_name!r} is run without its cache: {error}")
                return False, None
            if isinstance(claim, Claimed):
                self.is_claimed = True
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
        storage_key = None
        if cache.storage_key is not None:
            storage_key = cache.storage_key.format(parameters=dict(self.inputs))
        self.reference = cache.store.write(
            value,
            name=cache.task_name,
            now=now,
            expires_at=now + cache.expires_after if cache.expires_after is not None else None,
            storage_key=storage_key,
        )
        if (records := self._records()) is not None:
            records.put(self.key, self.reference, task_name=cache.task_name)
            return
        holder = self.holder if self.is_claimed else None
        try:
            ask(PutResult(key=self.key, reference=self.reference, task_name=cache.task_name, holder=holder))
        except OrchestraError as error:
            _warn(f"The result of {cache.task_name!r} is not in the cache: {error}")
        self.is_claimed = False

    def _records(self) -> CacheRecords | None:
        """Return where the policy keeps its keys; None for the store."""
        url = self.cache.policy.key_storage
        return CacheRecords(url) if url is not None else None

    def _find_in(self, records: CacheRecords) -> tuple[bool, Any]:
        reference = None if self.cache.is_refreshed else records.find(self.key, datetime.now(UTC))
        if reference is None:
            return False, None
        try:
            value = self.cache.store.read(reference)
        except (ResultNotFound, ResultNotTrusted) as error:
            _log.info("The result of %s is computed anew: %s", self.cache.task_name, error)
            records.forget(self.key)
            return False, None
        self.reference = reference
        return True, value

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Keep the claim while the result is computed, and give it back if it was not."""
        done = threading.Event()
        renewer = threading.Thread(
            target=copy_context().run, args=(self._renew, done.wait), name="orchestra-cache-claim", daemon=True
        )
        if self.is_claimed:
            renewer.start()
        try:
            yield
        finally:
            done.set()
            if self.is_claimed:
                with contextlib.suppress(OrchestraError):
                    ask(ReleaseClaim(key=self.key, holder=self.holder))

    def _renew(self, wait: Callable[[float], bool]) -> None:
        while not wait(LEASE_SECONDS / 3):
            with contextlib.suppress(OrchestraError):
                ask_for(DoneAnswer, RenewClaim(key=self.key, holder=self.holder, lease_seconds=LEASE_SECONDS))
