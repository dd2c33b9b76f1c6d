"""The tables of runs: what ran, what it said and gave back, who drives it, and what is kept for the next one."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, Table

from orchestra_nb.store.column_types import AnyText, JsonText, UtcTime
from orchestra_nb.store.table_basics import Counter, metadata

#: One row a run. The id sorts by time of creation, so a page is a range of the primary key.
runs = Table(
    "runs",
    metadata,
    Column("run_id", AnyText, primary_key=True),
    Column("name", AnyText, nullable=False),
    Column("flow_name", AnyText, nullable=False),
    Column("kind", AnyText, nullable=False),
    Column("state", AnyText, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("message", AnyText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("notebook_path", AnyText),
    Column("output_path", AnyText),
    Column("parameters", JsonText, nullable=False),
    Column("cluster", AnyText),
    Column("tags", JsonText, nullable=False),
    Column("driver_id", AnyText),
    Column("parent_run_id", AnyText),
    Column("parent_task_run_id", AnyText),
    Column("deployment", AnyText),
    Column("deployment_version", Integer),
    Column("occurrence", AnyText),
    Column("due_at", UtcTime),
    Column("pool", AnyText),
    Column("owner", AnyText),
    Column("fresh_from_index", Integer),
    Column("fresh_from_task", AnyText),
    Column("fresh_since", UtcTime),
    Index(None, "name", "run_id"),
    Index(None, "state", "run_id"),
    Index(None, "flow_name", "run_id"),
    Index(None, "kind", "run_id"),
    Index(None, "started_at", "run_id"),
    Index(None, "ended_at", "run_id"),
    Index(None, "driver_id"),
    Index(None, "parent_run_id"),
    Index(None, "deployment", "run_id"),
    Index(None, "owner", "run_id"),
    Index(None, "notebook_path", "run_id"),
    Index(None, "deployment", "occurrence", unique=True),
)

#: One row a task run; ``number`` keeps the order of creation.
task_runs = Table(
    "task_runs",
    metadata,
    Column("number", Counter, primary_key=True, autoincrement=True),
    Column("task_run_id", AnyText, nullable=False),
    Column("run_id", AnyText, nullable=False),
    Column("name", AnyText, nullable=False),
    Column("state", AnyText, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("message", AnyText, nullable=False),
    Column("error", JsonText),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("worker", AnyText),
    Column("upstream", JsonText, nullable=False),
    Column("cell_id", AnyText),
    Column("tags", JsonText, nullable=False),
    Column("is_cached", Boolean, nullable=False),
    Column("task_name", AnyText),
    Column("keeps_result", Boolean),
    Index(None, "task_run_id", unique=True),
    Index(None, "run_id", "number"),
    Index(None, "name", "state", "number"),
    sqlite_autoincrement=True,
)

#: One row a code cell of a notebook run.
cell_runs = Table(
    "cell_runs",
    metadata,
    Column("run_id", AnyText, primary_key=True),
    Column("cell_index", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("cell_id", AnyText, nullable=False),
    Column("state", AnyText, nullable=False),
    Column("title", AnyText, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("error", JsonText),
    Column("attempt", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("is_cached", Boolean, nullable=False),
    Column("message", AnyText, nullable=False),
)

#: One row a value that a notebook run returned: the last one of its name.
recorded_values = Table(
    "recorded_values",
    metadata,
    Column("run_id", AnyText, primary_key=True),
    Column("name", AnyText, primary_key=True),
    Column("type", AnyText, nullable=False),
    Column("recorded_at", UtcTime, nullable=False),
    Column("serializer", AnyText, nullable=False),
    Column("data", AnyText),
    Column("reference", JsonText),
    Column("size_bytes", BigInteger, nullable=False),
    Column("summary", AnyText, nullable=False),
    Column("readable_json", AnyText),
    Column("cell_index", Integer),
    Column("unreadable", AnyText, nullable=False),
)

#: One row a log line; ``sequence`` grows in commit order.
log_lines = Table(
    "log_lines",
    metadata,
    Column("sequence", Counter, primary_key=True, autoincrement=True),
    Column("run_id", AnyText, nullable=False),
    Column("task_run_id", AnyText),
    Column("at", UtcTime, nullable=False),
    Column("level", Integer, nullable=False),
    Column("logger", AnyText, nullable=False),
    Column("message", AnyText, nullable=False),
    Index(None, "run_id", "sequence"),
    Index(None, "task_run_id", "sequence"),
    sqlite_autoincrement=True,
)

#: What changed, in commit order: the history of states (rows with ``to_state``) and, for the live stream, that a run,
#: a cell, a log, an artifact or an input has news. ``subject`` is "run", "task", "cell", "logs", "artifact" or "input";
#: "deleted" where retention has deleted runs.
changes = Table(
    "changes",
    metadata,
    Column("sequence", Counter, primary_key=True, autoincrement=True),
    Column("subject", AnyText, nullable=False),
    Column("run_id", AnyText, nullable=False),
    Column("task_run_id", AnyText),
    Column("cell_index", Integer),
    Column("from_state", AnyText),
    Column("to_state", AnyText),
    Column("epoch", Integer),
    Column("attempt", Integer),
    Column("at", UtcTime),
    Column("actor", AnyText),
    Column("message", AnyText),
    Index(None, "run_id", "sequence"),
    sqlite_autoincrement=True,
)

#: One row a process that drives runs, with its lease.
drivers = Table(
    "drivers",
    metadata,
    Column("driver_id", AnyText, primary_key=True),
    Column("kind", AnyText, nullable=False),
    Column("host", AnyText, nullable=False),
    Column("boot_id", AnyText, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("process_started_at", Float(53), nullable=False),
    Column("heartbeat_at", UtcTime, nullable=False),
    Column("lease_until", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Index(None, "ended_at"),
)

#: Requests to stop a run or one of its tasks, or to suspend a run, addressed to the run's driver.
cancel_requests = Table(
    "cancel_requests",
    metadata,
    Column("sequence", Counter, primary_key=True, autoincrement=True),
    Column("run_id", AnyText, nullable=False),
    Column("task_run_id", AnyText),
    Column("driver_id", AnyText),
    Column("actor", AnyText, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("kind", AnyText, nullable=False, server_default="cancel"),
    Index(None, "driver_id", "sequence"),
    Index(None, "run_id"),
    sqlite_autoincrement=True,
)

#: Facts of the store itself. ``orchestra_version`` is the version that last changed the tables. Every version must be
#: able to read this table of every later one, so its form never changes.
store_facts = Table(
    "store_facts",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("value", AnyText, nullable=False),
)

#: The stored result of each cache key.
cached_results = Table(
    "cached_results",
    metadata,
    Column("cache_key", AnyText, primary_key=True),
    Column("task_name", AnyText, nullable=False),
    Column("reference", JsonText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Index(None, "expires_at"),
)

#: Who is computing the result of a cache key, and until when the others wait for it.
cache_claims = Table(
    "cache_claims",
    metadata,
    Column("cache_key", AnyText, primary_key=True),
    Column("holder", AnyText, nullable=False),
    Column("lease_until", UtcTime, nullable=False),
    Index(None, "lease_until"),
)

#: Results that wait for the commit of their transaction.
staged_results = Table(
    "staged_results",
    metadata,
    Column("staging_id", AnyText, primary_key=True),
    Column("cache_key", AnyText, primary_key=True),
    Column("result", JsonText, nullable=False),
    Column("holder", AnyText),
    Column("staged_at", UtcTime, nullable=False),
)
