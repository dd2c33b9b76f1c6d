"""What else grows in a store, and its deletion by age, in small transactions.

Each table is walked from its oldest row to the first stretch in which nothing is old, so a table costs what goes from
it, and not what stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, select, tuple_

from orchestra_nb.model.automation_log import FiringState
from orchestra_nb.model.dead_letters import LetterState
from orchestra_nb.model.outbox import DeliveryState
from orchestra_nb.model.result_reference import ResultReference
from orchestra_nb.model.retention import KEPT_CHANGES, Cleaned, Horizon
from orchestra_nb.model.states import TERMINAL_STATES
from orchestra_nb.store.code_tables import artifacts, custom_events, dead_letters, materializations
from orchestra_nb.store.database import Database
from orchestra_nb.store.doomed_files import doom
from orchestra_nb.store.old_runs import has_newer_version
from orchestra_nb.store.run_tables import (
    cached_results,
    changes,
    drivers,
    log_lines,
    runs,
)
from orchestra_nb.store.service_tables import (
    audit_entries,
    automation_firings,
    deployment_versions,
    deployments,
    kept_answers,
    notifications,
    queued_runs,
)
from orchestra_nb.store.store_fact_rows import (
    CHANGES_DELETED_UNTIL,
    CLEANED_AT,
    NEWS_DELETED_UNTIL,
    raise_number,
    read_fact,
    read_number,
    write_fact,
)

_ENDS: Final = [state.value for state in TERMINAL_STATES]


@dataclass(frozen=True, slots=True)
class _Aged:
    """Rows that go by their age.

    Parameters
    ----------
    field
        Of :class:`Cleaned`.
    key, at
        The column that numbers the rows in the order of time, and the one with the time.
    condition
        What else must hold for a row to go.
    """

    field: str
    table: Table
    key: ColumnElement[Any]
    at: ColumnElement[Any]
    before: datetime
    condition: ColumnElement[bool]


class OldRecords:
    """What a store has beside runs. All methods may be called from any thread.

    Parameters
    ----------
    rows_at_once
        How many rows one transaction looks at.
    """

    def __init__(self, database: Database, horizon: Horizon, *, rows_at_once: int = 1_000) -> None:
        self._database = database
        self._horizon = horizon
        self._rows_at_once = rows_at_once

    def begin(self, now: datetime, every: timedelta) -> bool:
        """Note that cleaning begins now; False where somebody has begun within this time."""
        with self._database.connect() as connection:
            if _has_begun(connection, now - every, now):
                return False
        with self._database.write(durable=False) as connection:
            if _has_begun(connection, now - every, now):
                return False
            write_fact(connection, CLEANED_AT, now.isoformat())
        return True

    def cleaned_at(self) -> datetime | None:
        """Return when somebody last began to clean; None for never."""
        with self._database.connect() as connection:
            text = read_fact(connection, CLEANED_AT)
        return None if text is None else datetime.fromisoformat(text)

    def tell_views(self, now: datetime) -> None:
        """Have everybody who follows the store read anew: what they show may be gone."""
        with self._database.write(durable=False) as connection:
            news = {"subject": "deleted", "run_id": "", "at": now}
            number = connection.execute(changes.insert().values(news).returning(changes.c.sequence)).scalar_one()
            raise_number(connection, CHANGES_DELETED_UNTIL, number)

    def delete(self) -> Iterator[Cleaned]:
        """Delete what is old, and yield after each transaction what it deleted. Results are apart."""
        for aged in self._aged():
            yield from self._walk(aged)
        yield from self._delete_news()
        yield from self._delete_drivers()
        yield from self._delete_versions()

    def delete_results(self, now: datetime) -> Iterator[int]:
        """Forget results of the cache that are old, doom their files, and yield after each transaction how many."""
        if self._horizon.results is None:
            return
        old = select(cached_results.c.cache_key, cached_results.c.reference).where(self._is_old_result())
        while True:
            with self._database.write(durable=False) as connection:
                rows = connection.execute(old.limit(self._rows_at_once)).all()
                keys = [key for key, _ in rows]
                connection.execute(delete(cached_results).where(cached_results.c.cache_key.in_(keys)))
                doom(connection, now, values=[msgspec.convert(stored, ResultReference) for _, stored in rows])
            if not rows:
                return
            yield len(rows)

    def count(self) -> Cleaned:
        """Return how much there is that would go."""
        counts: dict[str, int] = {}
        with self._database.connect() as connection:

            def number(table: Table, condition: ColumnElement[bool]) -> int:
                return int(connection.execute(select(func.count()).select_from(table).where(condition)).scalar_one())

            for aged in self._aged():
                counts[aged.field] = number(aged.table, and_(aged.at < aged.before, aged.condition))
            until = _news_until(connection)
            if until is not None:
                counts["changes"] = number(changes, and_(changes.c.sequence <= until, changes.c.to_state.is_(None)))
            if self._horizon.logs is not None:
                counts["drivers"] = number(drivers, self._is_old_driver(self._horizon.logs))
            if self._horizon.results is not None:
                counts["results"] = number(cached_results, self._is_old_result())
            if self._horizon.runs is not None:
                counts["deployment_versions"] = number(deployment_versions, _is_old_version(self._horizon.runs))
        return Cleaned(**counts)

    def _aged(self) -> Iterator[_Aged]:
        if (answered := self._horizon.answers) is not None:
            number = kept_answers.c.number
            yield _Aged("kept_answers", kept_answers, number, kept_answers.c.at, answered, number.is_not(None))
        if (audited := self._horizon.audit) is not None:
            number = audit_entries.c.number
            yield _Aged("audit_entries", audit_entries, number, audit_entries.c.at, audited, number.is_not(None))
        if (logs := self._horizon.logs) is not None:
            run_is_open = exists().where(runs.c.run_id == log_lines.c.run_id, runs.c.state.not_in(_ENDS))
            yield _Aged(
                "log_lines", log_lines, log_lines.c.sequence, log_lines.c.at, logs, ~run_is_open.correlate(log_lines)
            )
            closed = notifications.c.state.in_([DeliveryState.SENT.value, DeliveryState.DISCARDED.value])
            waits = exists().where(queued_runs.c.run_id == notifications.c.run_id).correlate(notifications)
            yield _Aged(
                "notifications",
                notifications,
                notifications.c.number,
                notifications.c.created_at,
                logs,
                and_(closed, notifications.c.closed_at < logs, ~waits),
            )
            done = automation_firings.c.state != FiringState.PENDING.value
            yield _Aged(
                "automation_firings",
                automation_firings,
                automation_firings.c.number,
                automation_firings.c.decided_at,
                logs,
                done,
            )
        if (before := self._horizon.runs) is None:
            return
        always = custom_events.c.sequence.is_not(None)
        yield _Aged("events", custom_events, custom_events.c.sequence, custom_events.c.occurred_at, before, always)
        of_run = exists().where(runs.c.run_id == artifacts.c.run_id).correlate(artifacts)  # they go with it
        yield _Aged(
            "artifacts",
            artifacts,
            artifacts.c.number,
            artifacts.c.updated_at,
            before,
            and_(has_newer_version(), ~of_run),
        )
        newer = materializations.alias("newer")
        is_older = exists().where(
            newer.c.asset_key == materializations.c.asset_key, newer.c.number > materializations.c.number
        )
        yield _Aged(
            "materializations",
            materializations,
            materializations.c.number,
            materializations.c.at,
            before,
            is_older.correlate(materializations),
        )
        is_decided = dead_letters.c.state != LetterState.OPEN.value
        yield _Aged(
            "dead_letters",
            dead_letters,
            dead_letters.c.number,
            dead_letters.c.created_at,
            before,
            and_(is_decided, dead_letters.c.closed_at < before),
        )

    def _walk(self, aged: _Aged) -> Iterator[Cleaned]:
        after, has_old = 0, True
        while has_old:
            stretch = (
                select(aged.key, aged.at < aged.before, and_(aged.at < aged.before, aged.condition))
                .where(aged.key > after)
                .order_by(aged.key)
                .limit(self._rows_at_once)
            )
            with self._database.connect() as connection:
                rows = connection.execute(stretch).all()
            has_old = any(is_old for _, is_old, _ in rows)
            wanted = [number for number, _, may_go in rows if may_go]
            if wanted:
                with self._database.write(durable=False) as connection:
                    rowcount = connection.execute(
                        delete(aged.table).where(aged.key.in_(wanted), aged.condition)
                    ).rowcount
                yield Cleaned(**{aged.field: rowcount})
            if rows:
                after = rows[-1][0]

    def _delete_news(self) -> Iterator[Cleaned]:
        """Delete changes that are no part of a run's history, without the newest ones."""
        while True:
            with self._database.connect() as connection:
                until = _news_until(connection)
                start = read_number(connection, NEWS_DELETED_UNTIL)
                if until is None or until <= start:
                    return
                until = min(until, start + self._rows_at_once)
            with self._database.write(durable=False) as connection:
                is_news = and_(changes.c.sequence > start, changes.c.sequence <= until, changes.c.to_state.is_(None))
                number = connection.execute(delete(changes).where(is_news)).rowcount
                raise_number(connection, NEWS_DELETED_UNTIL, until)
                if number:
                    raise_number(connection, CHANGES_DELETED_UNTIL, until)
            yield Cleaned(changes=number)

    def _delete_drivers(self) -> Iterator[Cleaned]:
        if self._horizon.logs is None:
            return
        old = select(drivers.c.driver_id).where(self._is_old_driver(self._horizon.logs)).limit(self._rows_at_once)
        while True:
            with self._database.write(durable=False) as connection:
                ids = connection.execute(old).scalars().all()
                connection.execute(delete(drivers).where(drivers.c.driver_id.in_(ids)))
            if not ids:
                return
            yield Cleaned(drivers=len(ids))

    def _delete_versions(self) -> Iterator[Cleaned]:
        if self._horizon.runs is None:
            return
        key = (deployment_versions.c.deployment, deployment_versions.c.version)
        old = select(*key).where(_is_old_version(self._horizon.runs)).limit(self._rows_at_once // 2)
        while True:
            with self._database.write(durable=False) as connection:
                keys = [tuple(row) for row in connection.execute(old)]
                if keys:
                    connection.execute(delete(deployment_versions).where(tuple_(*key).in_(keys)))
            if not keys:
                return
            yield Cleaned(deployment_versions=len(keys))

    def _is_old_driver(self, before: datetime) -> ColumnElement[bool]:
        drives = exists().where(runs.c.driver_id == drivers.c.driver_id, runs.c.state.not_in(_ENDS))
        return and_(drivers.c.ended_at < before, ~drives.correlate(drivers))

    def _is_old_result(self) -> ColumnElement[bool]:
        return and_(cached_results.c.expires_at.is_(None), cached_results.c.created_at < self._horizon.results)


def _is_old_version(before: datetime) -> ColumnElement[bool]:
    """Return the condition that no run, and no deployment, has a version, that it is old and not the last number."""
    version = deployment_versions
    later = version.alias("later")
    # as a list, made once: asked for each version all runs of its deployment would be looked at
    of_runs = select(runs.c.deployment, runs.c.deployment_version).where(
        runs.c.deployment.is_not(None), runs.c.deployment_version.is_not(None)
    )
    return and_(
        version.c.created_at < before,
        tuple_(version.c.deployment, version.c.version).not_in(of_runs.distinct()),
        ~exists()
        .where(deployments.c.name == version.c.deployment, deployments.c.version == version.c.version)
        .correlate(version),
        # the number of the next one is counted on from the last one
        exists()
        .where(later.c.deployment == version.c.deployment, later.c.version > version.c.version)
        .correlate(version),
    )


def _has_begun(connection: Connection, since: datetime, now: datetime) -> bool:
    text = read_fact(connection, CLEANED_AT)
    return text is not None and since < datetime.fromisoformat(text) <= now


def _news_until(connection: Connection) -> int | None:
    """Return up to which change news may go; None where there are too few."""
    newest = connection.execute(select(func.max(changes.c.sequence))).scalar() or 0
    return newest - KEPT_CHANGES if newest > KEPT_CHANGES else None
