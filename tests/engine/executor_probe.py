"""Watches an executor in tests: starts attempts under fresh keys, and keeps all that is reported."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestra_nb.engine.executors import (
    AttemptAsked,
    AttemptBegan,
    AttemptBody,
    AttemptEnded,
    AttemptLost,
    AttemptRequest,
    AttemptShowed,
    ClusterChanged,
    Executor,
    ExecutorEvent,
)
from tests.patience import PATIENCE_SECONDS


@dataclass
class ExecutorProbe:
    executor: Executor
    #: makes what is started of each body
    convert: Callable[[AttemptBody], AttemptBody] = lambda body: body
    events: list[ExecutorEvent] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def open(self) -> ExecutorProbe:
        self.executor.open(self._take)
        return self

    def start(
        self,
        body: AttemptBody,
        *,
        name: str = "probe",
        upstream: Mapping[str, tuple[str, Sequence[str] | None]] | None = None,
        timeout_seconds: float | None = None,
        **options: Any,
    ) -> str:
        key = f"{uuid.uuid4().hex}:1"
        self.executor.start(
            AttemptRequest(
                key=key,
                run_id="run",
                task_run_id=key.removesuffix(":1"),
                name=name,
                attempt=1,
                body=self.convert(body),
                upstream=upstream or {},
                timeout_seconds=timeout_seconds,
                **options,
            )
        )
        return key

    def start_many(self, bodies: Sequence[AttemptBody], **options: Any) -> list[str]:
        return [self.start(body, **options) for body in bodies]

    def run(self, body: AttemptBody, **options: object) -> AttemptEnded | AttemptLost:
        return self.end_of(self.start(body, **options))  # type: ignore[arg-type]

    def wait_until_begun(self, key: str) -> AttemptBegan:
        return self._wait_for(AttemptBegan, key)

    def wait_until_some_begun(self, keys: Sequence[str], number: int) -> set[str]:
        """Wait until so many of these attempts have begun; return their workers."""

        def find() -> set[str]:
            began = {event.key: event.worker for event in self.events if isinstance(event, AttemptBegan)}
            workers = {key: began[key] for key in keys if key in began}
            return set(workers.values()) if len(workers) >= number else set()

        with self._changed:
            found = self._changed.wait_for(find, PATIENCE_SECONDS)
            assert found, self.events
            return found

    def end_of(self, key: str) -> AttemptEnded | AttemptLost:
        return self._wait_for((AttemptEnded, AttemptLost), key)

    def wait_until_asked(self, key: str) -> AttemptAsked:
        return self._wait_for(AttemptAsked, key)

    def wait_for_event(self, key: str, is_wanted: Callable[[ExecutorEvent], bool]) -> ExecutorEvent:
        """Wait for an event of this attempt."""

        def find() -> ExecutorEvent | None:
            return next((e for e in self.events if getattr(e, "key", None) == key and is_wanted(e)), None)

        with self._changed:
            found = self._changed.wait_for(find, PATIENCE_SECONDS)
            assert found is not None, [event for event in self.events if getattr(event, "key", None) == key]
            return found

    def wait_for_shown(self, key: str, text: str) -> None:
        def has_come() -> bool:
            shown = [event for event in self.events if isinstance(event, AttemptShowed) and event.key == key]
            return any(output.get("text") == text for event in shown for output in event.outputs)

        with self._changed:
            assert self._changed.wait_for(has_come, PATIENCE_SECONDS), self.events_of(key)

    def events_of(self, key: str) -> list[ExecutorEvent]:
        with self._changed:
            return [event for event in self.events if getattr(event, "key", None) == key]

    def wait_for_cluster(self, status: str) -> ClusterChanged:
        def find() -> ClusterChanged | None:
            changes = [event for event in self.events if isinstance(event, ClusterChanged)]
            return changes[-1] if changes and changes[-1].status == status else None

        with self._changed:
            found = self._changed.wait_for(find, PATIENCE_SECONDS)
            assert found is not None, self.events
            return found

    def _wait_for(self, kind: type | tuple[type, ...], key: str):  # type: ignore[no-untyped-def]
        def find() -> ExecutorEvent | None:
            return next((e for e in self.events if isinstance(e, kind) and getattr(e, "key", None) == key), None)

        with self._changed:
            found = self._changed.wait_for(find, PATIENCE_SECONDS)
            assert found is not None, [event for event in self.events if getattr(event, "key", None) == key]
            return found

    def _take(self, event: ExecutorEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()
