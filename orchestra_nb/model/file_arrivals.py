"""Files that arrive where somebody watches: from what is known of them and one look, what has arrived.

A file is told apart by its path, and its versions by size, time of change and entity tag. Each version arrives once,
when two looks, as far apart as it takes a file to settle, have found it the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from orchestra_nb.model.custom_events import CustomEvent

#: The event of a file that has arrived.
FILE_ARRIVED: Final = "file.arrived"
#: Among the related resources of that event, who watched.
_WATCHER_ROLE: Final = "watcher"
#: A file that is not there any more is known so long: a store that shows nothing for a while brings nothing new.
_REMEMBERED: Final = timedelta(days=30)


class SeenFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as a look has found it.

    Parameters
    ----------
    path
        As its file system names it.
    modified_at
        None where its file system does not say it.
    etag
        Its entity tag, checksum or generation; empty where there is none.
    """

    url: str
    path: str
    size_bytes: int | None
    modified_at: datetime | None = None
    etag: str = ""

    @property
    def version(self) -> str:
        """What changes when the file does."""
        modified = "" if self.modified_at is None else self.modified_at.isoformat()
        return f"{'' if self.size_bytes is None else self.size_bytes} {modified} {self.etag}"


class KnownFile(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a file from looks before.

    Parameters
    ----------
    since
        When this version was first seen.
    has_arrived
        Whether it has been told, or was there before.
    gone_at
        Since when it is not there any more; None where it is.
    """

    path: str
    version: str
    since: datetime
    has_arrived: bool
    gone_at: datetime | None = None


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a look gives.

    Parameters
    ----------
    changed
        What is known now of files of which that is something else than before.
    forgotten
        Paths of which nothing is to be known any more.
    next_at
        When a file that is not settled may be; None where all are.
    """

    arrived: tuple[SeenFile, ...] = ()
    changed: tuple[KnownFile, ...] = ()
    forgotten: tuple[str, ...] = ()
    next_at: datetime | None = None

    @property
    def has_news(self) -> bool:
        """Whether anything is known now that was not."""
        return bool(self.changed or self.forgotten)

    def parts(self, most: int) -> Iterator[Look]:
        """Yield this look in parts with so many arrivals, each of which may be written by itself. At least one."""
        later = {file.path for file in self.arrived[most:]}
        yield msgspec.structs.replace(
            self,
            arrived=self.arrived[:most],
            changed=tuple(file for file in self.changed if file.path not in later),
        )
        known = {file.path: file for file in self.changed}
        for start in range(most, len(self.arrived), most):
            arrived = self.arrived[start : start + most]
            yield Look(arrived=arrived, changed=tuple(known[file.path] for file in arrived))


def look_at(
    found: Sequence[SeenFile],
    known: Mapping[str, KnownFile],
    now: datetime,
    *,
    settle_seconds: float,
    known_before: datetime | None,
) -> Look:
    """Return what a look gives. O(files).

    Parameters
    ----------
    known
        Path to what is known of a file.
    now
        When the look began.
    known_before
        On a first look: files that were last changed before then, or nobody knows when, were there already and arrive
        no more. None on other looks, and where all are to arrive.
    """
    settle = timedelta(seconds=settle_seconds)
    arrived: list[SeenFile] = []
    changed: list[KnownFile] = []
    waiting: list[datetime] = []
    for file in found:
        before = known.get(file.path)
        after = before
        if before is None or before.version != file.version:
            is_old = known_before is not None and (file.modified_at is None or file.modified_at < known_before)
            after = KnownFile(path=file.path, version=file.version, since=now, has_arrived=is_old)
        elif before.gone_at is not None:
            after = msgspec.structs.replace(before, gone_at=None)
        assert after is not None
        if not after.has_arrived and now - after.since >= settle:
            after = msgspec.structs.replace(after, has_arrived=True)
            arrived.append(file)
        elif not after.has_arrived:
            waiting.append(after.since + settle)
        if after is not before:
            changed.append(after)
    paths = {file.path for file in found}
    forgotten: list[str] = []
    for path, before_look in known.items():
        if path in paths:
            continue
        is_old = before_look.gone_at is not None and before_look.gone_at <= now - _REMEMBERED
        if is_old or not before_look.has_arrived:
            forgotten.append(path)
        elif before_look.gone_at is None:
            changed.append(msgspec.structs.replace(before_look, gone_at=now))
    return Look(
        arrived=tuple(arrived), changed=tuple(changed), forgotten=tuple(forgotten), next_at=min(waiting, default=None)
    )


def arrival_event(file: SeenFile, event_id: str, automation: str, url: str, now: datetime) -> CustomEvent:
    """Return the event of a file that has arrived where an automation watches a URL."""
    payload: dict[str, object] = {
        "path": file.path,
        "name": file.path.rstrip("/").rpartition("/")[2],
        "size": file.size_bytes,
        "modified_at": None if file.modified_at is None else file.modified_at.isoformat(),
        "etag": file.etag,
    }
    return CustomEvent(
        event_id=event_id,
        event=FILE_ARRIVED,
        resource={"id": file.url},
        occurred_at=now,
        related=({"id": automation, "role": _WATCHER_ROLE, "url": url},),
        payload=payload,
    )


def is_watched_by(event: CustomEvent, automation: str, url: str) -> bool:
    """Tell whether an event is of a file that has arrived where an automation watches a URL."""
    return event.event == FILE_ARRIVED and {"id": automation, "role": _WATCHER_ROLE, "url": url} in event.related


def file_facts(event: CustomEvent) -> dict[str, object] | None:
    """Return what conditions and templates may use of a file that has arrived; None for another event."""
    if event.event != FILE_ARRIVED:
        return None
    modified = event.payload.get("modified_at")
    return {
        **event.payload,
        "url": event.resource.get("id", ""),
        "modified_at": datetime.fromisoformat(modified) if isinstance(modified, str) else None,
    }


#: The names that conditions and templates may use of a file.
FILE_FACTS: Final = ("url", "path", "name", "size", "modified_at", "etag")
