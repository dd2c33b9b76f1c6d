"""Tells those who collect events of this Jupyter server which states runs enter, by a schema of ``jupyter_events``.

The facts come from the store, so it does not matter which process drives a run. Jupyter gives each event to every
listener, whoever it is, and has no way to ask what that one may see: where roles say who may see runs, an event has ids
and states, and no names. Nothing is read while nobody collects: neither a handler (``EventLogger.handlers``) nor a
listener, such as a front end that is open.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestra_nb.operations.run_changes import last_sequence
from orchestra_nb.operations.run_facts import run_facts_since
from orchestra_nb.operations.server_activity import may_have_store
from orchestra_nb.settings import load_settings

if TYPE_CHECKING:
    from jupyter_events import EventLogger

    from orchestra_nb.server.run_stream import Log
    from orchestra_nb.server.store_access import StoreAccess
    from orchestra_nb.store.run_facts import RunFact

#: The schema's ``$id``.
RUN_STATE: Final = "urn:orchestra-nb:event:run_state:v1"
#: What tells of people and their work, and what stands in its place where the schema wants a text.
_NAMES: Final = ("name", "flow_name", "actor", "owner", "deployment", "deployment_version", "pool")
_UNNAMED: Final = {"name": "", "flow_name": ""}
_SCHEMA: Final = Path(__file__).with_name("event_schemas") / "run_state" / "v1.yaml"


class RunEvents:
    """Emits what happens from when somebody begins to collect. All methods are called on the event loop.

    Parameters
    ----------
    every_seconds
        How often is looked for what happened.
    has_names
        Whether events say whose runs they are and what they are called; else ids and states alone.
    """

    def __init__(
        self, access: StoreAccess, events: EventLogger, log: Log, every_seconds: float, *, has_names: bool
    ) -> None:
        self._access = access
        self._events = events
        self._log = log
        self._every_seconds = every_seconds
        self._has_names = has_names
        self._telling: asyncio.Task[None] | None = None
        self._is_closed = False
        events.register_event_schema(_SCHEMA)

    def start(self) -> None:
        """Begin."""
        if not self._is_closed:
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def close(self) -> None:
        """Emit no more. May be called twice."""
        self._is_closed = True
        telling, self._telling = self._telling, None
        if telling is not None:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling

    async def _tell(self) -> None:
        mark: int | None = None
        while True:
            if mark is None or not self._has_collectors():
                mark = await self._newest() if self._has_collectors() else None
            else:
                mark = await self._tell_since(mark)
            await asyncio.sleep(self._every_seconds)

    async def _newest(self) -> int | None:
        """Return the newest change of the store, 0 where there is no store yet; None where it cannot be read."""
        try:
            has_store = await asyncio.to_thread(lambda: may_have_store(load_settings()))
            return await self._access.call(last_sequence) if has_store else 0
        except Exception as error:  # whatever it is, the next look may be better
            self._log.debug("The states of runs are not emitted: %s", error)
            return None

    async def _tell_since(self, mark: int) -> int:
        try:
            if not await asyncio.to_thread(lambda: may_have_store(load_settings())):
                return mark
            facts, until = await self._access.call(run_facts_since, mark)
            while facts:
                for fact in facts:
                    mark = fact.sequence  # what cannot be emitted once never can: somebody's modifier breaks on it
                    self._events.emit(schema_id=RUN_STATE, data=self._data_of(fact), timestamp_override=fact.at)
                facts, until = await self._access.call(run_facts_since, until)
        except Exception as error:  # the rest comes with the next look
            self._log.warning("The states of runs are not emitted: %s", error)
            return mark
        return until

    def _data_of(self, fact: RunFact) -> dict[str, Any]:
        data = _data_of(fact)
        return data if self._has_names else data | {name: _UNNAMED.get(name) for name in _NAMES}

    def _has_collectors(self) -> bool:
        """Tell whether an event would be seen, as ``emit`` itself does: there is no public way to ask for listeners."""
        names = ("_modified_listeners", "_unmodified_listeners")
        listeners = (getattr(self._events, name, {}).get(RUN_STATE) for name in names)
        return bool(self._events.handlers) or any(listeners)


def _data_of(fact: RunFact) -> dict[str, Any]:
    has_run = fact.state.is_terminal and fact.started_at is not None
    return {
        "sequence": fact.sequence,
        "at": fact.at.isoformat(),
        "run_id": fact.run_id,
        "name": fact.name,
        "flow_name": fact.flow_name,
        "kind": fact.kind.value,
        "from_state": None if fact.from_state is None else fact.from_state.value,
        "state": fact.state.value,
        "is_terminal": fact.state.is_terminal,
        "epoch": fact.epoch,
        "actor": fact.actor,
        "owner": fact.owner,
        "deployment": fact.deployment,
        "deployment_version": fact.deployment_version,
        "pool": fact.pool,
        "parent_run_id": fact.parent_run_id,
        "seconds": max(0.0, (fact.at - fact.started_at).total_seconds()) if has_run and fact.started_at else None,
    }
