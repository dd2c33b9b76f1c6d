"""Which rows of the store somebody sees who sees only what is theirs, or shared with them.

A query that is made for such a person gets, for each table that it reads, a query of the table's name in front of it,
which has the rows that they see: ``WITH runs AS (SELECT … FROM main.runs WHERE owner IN (…)) SELECT … FROM runs``. The
database puts both together, so that pages and counts read the indexes that they always read, and no query can forget to
ask whose something is. What is nobody's is seen by those alone who see everything.

Each table is in :data:`FOR_ALL`, or has a rule here: a test says so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, Final

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    GenerativeSelect,
    MetaData,
    Table,
    exists,
    false,
    func,
    or_,
    select,
)
from sqlalchemy.sql.visitors import iterate

from orchestra_nb.store import code_tables, run_tables, service_tables
from orchestra_nb.store.code_tables import asset_dependencies, assets, materializations, run_codes
from orchestra_nb.store.run_tables import runs, task_runs
from orchestra_nb.store.service_tables import (
    automations,
    deployments,
    notification_rules,
    notification_standings,
    webhook_receipts,
    webhooks,
)
from orchestra_nb.store.table_basics import metadata

#: What is the operator's, and what all who use a server share: machines, pools, limits, variables, channels, caches.
FOR_ALL: Final = frozenset(
    table.name
    for table in (
        *(run_tables.drivers, run_tables.store_facts),
        *(run_tables.cached_results, run_tables.cache_claims, run_tables.staged_results),
        *(code_tables.variables, code_tables.secrets, code_tables.concurrency_limits),
        *(service_tables.work_pools, service_tables.pool_workers, service_tables.remote_workers),
        *(service_tables.service_marks, service_tables.service_problems),
        *(service_tables.spooled_events, service_tables.doomed_files),
        *(service_tables.notification_channels, service_tables.api_tokens, service_tables.kept_answers),
    )
)

#: Their column ``owner`` says whose they are.
_OWNED: Final = (runs, deployments, webhooks, notification_rules, code_tables.own_secrets)
#: A row is of the run of its ``run_id``.
_OF_RUN: Final = (
    *(run_tables.task_runs, run_tables.cell_runs, run_tables.recorded_values, run_tables.log_lines),
    *(run_tables.changes, run_tables.cancel_requests),
    *(code_tables.held_slots, code_tables.artifacts, code_tables.materializations, code_tables.custom_events),
    *(code_tables.run_inputs, code_tables.dead_letters),
    *(service_tables.queued_runs, service_tables.notifications),
)
#: Of an automation that is no deployment's trigger there is no such deployment.
_OF_DEPLOYMENT: Final = (service_tables.deployment_versions, service_tables.schedules, automations)
_OF_AUTOMATION: Final = (
    *(service_tables.automation_states, service_tables.automation_firings),
    *(service_tables.file_watches, service_tables.watched_files),
)
#: Who did what: for those who see everything.
_OF_NOBODY: Final = (service_tables.audit_entries,)
#: Table to the other one with which a row of it is seen: that one, its column, and the column with the same value.
_SEEN_WITH: Final[Mapping[str, tuple[Table, str, str]]] = {
    **{table.name: (runs, "run_id", "run_id") for table in _OF_RUN},
    **{table.name: (deployments, "name", "deployment") for table in _OF_DEPLOYMENT},
    **{table.name: (automations, "name", "automation") for table in _OF_AUTOMATION},
    webhook_receipts.name: (webhooks, "name", "webhook"),
    notification_standings.name: (notification_rules, "name", "rule"),
}

#: Before this version SQLite takes each such query as a view, which is what is wanted, and knows no word for it.
_HAS_HINT: Final = sqlite3.sqlite_version_info >= (3, 35)


def only_seen(statement: GenerativeSelect, owners: frozenset[str], *, is_sqlite: bool) -> GenerativeSelect:
    """Return a query that reads only what is of these users, and for all. O(size of the query)."""
    names = {part.name for part in iterate(statement) if isinstance(part, Table) and part.metadata is metadata}
    return statement.add_cte(*(_seen_rows(name, owners, is_sqlite) for name in sorted(names - FOR_ALL)))


@lru_cache(maxsize=4_096)
def _seen_rows(name: str, owners: frozenset[str], is_sqlite: bool) -> CTE:
    table = _tables_behind(is_sqlite)[name]
    seen = select(table).where(_SeenBy(owners, is_sqlite).is_seen(name, table)).cte(name)
    return seen.prefix_with("NOT MATERIALIZED") if _HAS_HINT or not is_sqlite else seen


@cache
def _tables_behind(is_sqlite: bool) -> Mapping[str, Table]:
    """Return name to the table itself, which a query of its name does not hide.

    In SQLite a query sees itself, unless a schema is said; PostgreSQL, whose store may be in any schema, does not.
    """
    behind = MetaData()
    return {
        table.name: table.to_metadata(behind, schema="main") if is_sqlite else table.to_metadata(behind)
        for table in metadata.sorted_tables
    }


class _SeenBy:
    """What is seen of the tables where only what is of these users is."""

    def __init__(self, owners: frozenset[str], is_sqlite: bool) -> None:
        self._owners = sorted(owners)
        self._tables = _tables_behind(is_sqlite)

    def is_seen(self, name: str, rows: FromClause) -> ColumnElement[bool]:
        """Return the condition under which a row of this table is seen.

        Raises
        ------
        KeyError
            Nobody has said whose the rows of this table are.
        """
        if name in _OWNED_NAMES:
            return rows.c.owner.in_(self._owners)
        if name in _NOBODYS_NAMES:
            return false()
        if name == assets.name:
            made = self._with(materializations, "asset_key", rows.c.key)
            return or_(made, self._with(asset_dependencies, "upstream_key", rows.c.key))
        if name == asset_dependencies.name:  # they say from what it was made the last time
            newest = self._tables[materializations.name].alias()
            last = select(func.max(newest.c.number)).where(newest.c.asset_key == rows.c.asset_key)
            return self._with(materializations, "number", last.scalar_subquery().correlate_except(newest))
        if name == run_codes.name:
            return or_(self._with(runs, "run_id", rows.c.run_id), self._with(task_runs, "task_run_id", rows.c.run_id))
        other, key, column = _SEEN_WITH[name]
        return self._with(other, key, rows.c[column])

    def _with(self, other: Table, key: str, value: ColumnElement[Any]) -> ColumnElement[bool]:
        found = self._tables[other.name].alias()
        there = select(1).where(found.c[key] == value, self.is_seen(other.name, found))
        return exists(there.select_from(found).correlate_except(found))


_OWNED_NAMES: Final = frozenset(table.name for table in _OWNED)
_NOBODYS_NAMES: Final = frozenset(table.name for table in _OF_NOBODY)
