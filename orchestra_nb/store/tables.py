"""The tables of the store.

There are no foreign keys on purpose: events of several processes may arrive in any order, and a log line must not be
refused because its run comes a moment later. How the tables came to be stands in ``migrations``; a test holds both to
each other.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, Table

from orchestra_nb.store.column_types import AnyText, ExactJson, JsonText, UtcTime

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

#: SQLite counts rows up only in a column that is called INTEGER, which there has 64 bits.
_Counter = BigInteger().with_variant(Integer, "sqlite")

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
    Index(None, "name", "run_id"),
    Index(None, "state", "run_id"),
    Index(None, "flow_name", "run_id"),
    Index(None, "kind", "run_id"),
    Index(None, "driver_id"),
    Index(None, "parent_run_id"),
    Index(None, "deployment", "run_id"),
    Index(None, "deployment", "occurrence", unique=True),
)

#: One row a task run; ``number`` keeps the order of creation.
task_runs = Table(
    "task_runs",
    metadata,
    Column("number", _Counter, primary_key=True, autoincrement=True),
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
    Column("sequence", _Counter, primary_key=True, autoincrement=True),
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
    Column("sequence", _Counter, primary_key=True, autoincrement=True),
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

#: Requests to stop a run or one of its tasks, addressed to the run's driver.
cancel_requests = Table(
    "cancel_requests",
    metadata,
    Column("sequence", _Counter, primary_key=True, autoincrement=True),
    Column("run_id", AnyText, nullable=False),
    Column("task_run_id", AnyText),
    Column("driver_id", AnyText),
    Column("actor", AnyText, nullable=False),
    Column("at", UtcTime, nullable=False),
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

# --- what running code may ask of its driver and say to it

#: Named values that all runs share.
variables = Table(
    "variables",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("value", ExactJson, nullable=False),
    Column("tags", JsonText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

#: Named texts, encrypted with a key that is not in the store.
secrets = Table(
    "secrets",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("ciphertext", AnyText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

#: Concurrency limits. ``decaying`` is how many slots a rate limit had not got back at ``decaying_at``.
concurrency_limits = Table(
    "concurrency_limits",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("slot_limit", Integer, nullable=False),
    Column("slot_decay_per_second", Float(53), nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("decaying", Float(53), nullable=False),
    Column("decaying_at", UtcTime, nullable=False),
)

#: Slots that somebody holds, one row a holder and limit. A row may outlive its lease until somebody wants its room.
held_slots = Table(
    "held_slots",
    metadata,
    Column("limit_name", AnyText, primary_key=True),
    Column("holder", AnyText, primary_key=True),
    Column("occupied", Integer, nullable=False),
    Column("acquired_at", UtcTime, nullable=False),
    Column("until", UtcTime, nullable=False),
    Column("driver_id", AnyText),
    Column("run_id", AnyText),
    Column("task_run_id", AnyText),
    Index(None, "holder"),
    Index(None, "task_run_id"),
)

#: One row a version of an artifact; ``number`` keeps the order of creation.
artifacts = Table(
    "artifacts",
    metadata,
    Column("number", _Counter, primary_key=True, autoincrement=True),
    Column("artifact_id", AnyText, nullable=False),
    Column("key", AnyText),
    Column("version", Integer, nullable=False),
    Column("type", AnyText, nullable=False),
    Column("data", ExactJson, nullable=False),
    Column("description", AnyText),
    Column("run_id", AnyText),
    Column("task_run_id", AnyText),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Index(None, "artifact_id", unique=True),
    Index(None, "key", "version", unique=True),
    Index(None, "run_id", "number"),
    Index(None, "task_run_id", "number"),
    sqlite_autoincrement=True,
)

#: One row an asset that a task has made, or that one was made from.
assets = Table(
    "assets",
    metadata,
    Column("key", AnyText, primary_key=True),
    Column("properties", JsonText),
)

#: One row each time that a task made an asset.
materializations = Table(
    "materializations",
    metadata,
    Column("number", _Counter, primary_key=True, autoincrement=True),
    Column("asset_key", AnyText, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("upstream", JsonText, nullable=False),
    Column("metadata", ExactJson, nullable=False),
    Column("by", AnyText),
    Column("run_id", AnyText),
    Column("task_run_id", AnyText),
    Index(None, "asset_key", "number"),
    Index(None, "run_id", "number"),
    sqlite_autoincrement=True,
)

#: What each asset was made from the last time.
asset_dependencies = Table(
    "asset_dependencies",
    metadata,
    Column("asset_key", AnyText, primary_key=True),
    Column("upstream_key", AnyText, primary_key=True),
    Index(None, "upstream_key"),
)

#: Events that users emit; ``sequence`` grows in commit order.
custom_events = Table(
    "custom_events",
    metadata,
    Column("sequence", _Counter, primary_key=True, autoincrement=True),
    Column("event_id", AnyText, nullable=False),
    Column("event", AnyText, nullable=False),
    Column("resource", JsonText, nullable=False),
    Column("occurred_at", UtcTime, nullable=False),
    Column("related", JsonText, nullable=False),
    Column("payload", ExactJson, nullable=False),
    Column("follows", AnyText),
    Column("run_id", AnyText),
    Column("task_run_id", AnyText),
    Index(None, "event_id", unique=True),
    Index(None, "event", "sequence"),
    Index(None, "run_id", "sequence"),
    sqlite_autoincrement=True,
)

#: What runs ask people for, and what they answered.
run_inputs = Table(
    "run_inputs",
    metadata,
    Column("run_id", AnyText, primary_key=True),
    Column("key", AnyText, primary_key=True),
    Column("asked_at", UtcTime, nullable=False),
    Column("schema", ExactJson),
    Column("description", AnyText, nullable=False),
    Column("value", ExactJson),
    Column("answered_at", UtcTime),
    Column("answered_by", AnyText),
    Column("task_run_id", AnyText),
)

#: What each run executes, for the runs that can be run again.
run_codes = Table(
    "run_codes",
    metadata,
    Column("run_id", AnyText, primary_key=True),
    Column("entrypoint", AnyText),
    Column("parameters_json", AnyText),
    Column("pickle", JsonText),
    Column("working_folder", AnyText, nullable=False),
    Column("import_folder", AnyText),
    Column("missing", AnyText, nullable=False),
    Column("call", AnyText, nullable=False),
    Column("suspended_until", UtcTime),
    Index(None, "suspended_until"),
)

#: Task runs and runs that failed for good, with what was decided about them.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("number", _Counter, primary_key=True, autoincrement=True),
    Column("letter_id", AnyText, nullable=False),
    Column("run_id", AnyText, nullable=False),
    Column("task_run_id", AnyText),
    Column("epoch", Integer, nullable=False),
    Column("name", AnyText, nullable=False),
    Column("flow_name", AnyText, nullable=False),
    Column("ended_as", AnyText, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("message", AnyText, nullable=False),
    Column("error", JsonText),
    Column("inputs", JsonText, nullable=False),
    Column("code", AnyText),
    Column("created_at", UtcTime, nullable=False),
    Column("state", AnyText, nullable=False),
    Column("closed_at", UtcTime),
    Column("closed_by", AnyText),
    Column("note", AnyText, nullable=False),
    Index(None, "letter_id", unique=True),
    Index(None, "state", "number"),
    Index(None, "run_id", "number"),
    sqlite_autoincrement=True,
)

# --- what runs by itself

#: One row a deployment; what it says stands in its version, and here again what decides which runs may start.
deployments = Table(
    "deployments",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("is_paused", Boolean, nullable=False),
    Column("concurrency", Integer),
    Column("on_conflict", AnyText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

#: Each specification that a deployment has had, with the notebook that its runs execute.
deployment_versions = Table(
    "deployment_versions",
    metadata,
    Column("deployment", AnyText, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("spec", ExactJson, nullable=False),
    Column("notebook", AnyText),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", AnyText, nullable=False),
    Column("note", AnyText, nullable=False),
)

#: The schedules of each deployment. All occurrences up to ``done_until`` have their run; ``next_at`` is the one after
#: that, None where there is no more or the schedule rests.
schedules = Table(
    "schedules",
    metadata,
    Column("deployment", AnyText, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("schedule", ExactJson, nullable=False),
    Column("done_until", UtcTime, nullable=False),
    Column("next_at", UtcTime),
    Column("problem", AnyText, nullable=False),
    Index(None, "next_at"),
)

#: Up to which change of the store each service has worked off what happened.
service_marks = Table(
    "service_marks",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
)

#: What is wrong with loops of services that are up.
service_problems = Table(
    "service_problems",
    metadata,
    Column("driver_id", AnyText, primary_key=True),
    Column("service", AnyText, primary_key=True),
    Column("problem", AnyText, nullable=False),
    Column("since", UtcTime, nullable=False),
)

#: Runs that wait to be started by whoever serves their pool.
queued_runs = Table(
    "queued_runs",
    metadata,
    Column("run_id", AnyText, primary_key=True),
    Column("deployment", AnyText),
    Column("pool", AnyText, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Index(None, "pool", "priority", "due_at"),
    Index(None, "due_at"),
    Index(None, "deployment"),
)

#: Where notifications go. The address is encrypted with the key of the secrets; ``shown`` is what of it may be seen.
notification_channels = Table(
    "notification_channels",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("ciphertext", AnyText, nullable=False),
    Column("shown", AnyText, nullable=False),
    Column("may_be_private", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

#: Who is told of which runs. A rule tells of what changes behind ``from_sequence``.
notification_rules = Table(
    "notification_rules",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("rule", ExactJson, nullable=False),
    Column("from_sequence", BigInteger, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

#: How each deployment or flow stands in the eyes of each rule.
notification_standings = Table(
    "notification_standings",
    metadata,
    Column("rule", AnyText, primary_key=True),
    Column("subject", AnyText, primary_key=True),
    Column("health", AnyText, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("state", AnyText, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("run_name", AnyText, nullable=False),
)

#: The outbox of notifications: one row a message and channel. Whoever sends one holds it by ``claim`` until
#: ``lease_until``.
notifications = Table(
    "notifications",
    metadata,
    Column("number", _Counter, primary_key=True, autoincrement=True),
    Column("rule", AnyText, nullable=False),
    Column("channel", AnyText, nullable=False),
    Column("run_id", AnyText, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("moment", AnyText, nullable=False),
    Column("severity", AnyText, nullable=False),
    Column("title", AnyText, nullable=False),
    Column("body", AnyText, nullable=False),
    Column("state", AnyText, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_try_at", UtcTime, nullable=False),
    Column("claim", AnyText),
    Column("lease_until", UtcTime),
    Column("error", AnyText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("closed_at", UtcTime),
    Column("closed_by", AnyText),
    Index(None, "rule", "channel", "run_id", "epoch", "moment", unique=True),
    Index(None, "state", "next_try_at"),
    sqlite_autoincrement=True,
)

#: What acts when something happens. An automation looks at the changes, and at the users' events, behind these numbers.
automations = Table(
    "automations",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("automation", ExactJson, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("from_change", BigInteger, nullable=False),
    Column("from_event", BigInteger, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

#: What the trigger of each automation has counted, and when time alone changes that; no row before the first count.
automation_states = Table(
    "automation_states",
    metadata,
    Column("automation", AnyText, primary_key=True),
    Column("state", ExactJson, nullable=False),
    Column("next_at", UtcTime),
    Index(None, "next_at"),
)

#: One row each time that an automation acts, or says why it does not: once for each thing that happens, named by
#: ``key``. Whoever does what stands in it holds it by ``claim`` until ``lease_until``.
automation_firings = Table(
    "automation_firings",
    metadata,
    Column("number", _Counter, primary_key=True, autoincrement=True),
    Column("automation", AnyText, nullable=False),
    Column("key", AnyText, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("about", AnyText, nullable=False),
    Column("hops", Integer, nullable=False),
    Column("run_id", AnyText),
    Column("state", AnyText, nullable=False),
    Column("message", AnyText, nullable=False),
    Column("actions", ExactJson, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("decided_at", UtcTime, nullable=False),
    Column("closed_at", UtcTime),
    Column("claim", AnyText),
    Column("lease_until", UtcTime),
    Index(None, "automation", "key", unique=True),
    Index(None, "automation", "number"),
    Index(None, "state", "lease_until"),
    sqlite_autoincrement=True,
)

#: Addresses that others send messages to. The secret is encrypted with the key of the secrets.
webhooks = Table(
    "webhooks",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("definition", ExactJson, nullable=False),
    Column("ciphertext", AnyText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("secret_changed_at", UtcTime, nullable=False),
)

#: What came of each message of a webhook that was rightly signed. ``ciphertext`` is the message, kept for dead letters.
webhook_receipts = Table(
    "webhook_receipts",
    metadata,
    Column("number", _Counter, primary_key=True, autoincrement=True),
    Column("webhook", AnyText, nullable=False),
    Column("message_id", AnyText, nullable=False),
    Column("state", AnyText, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("run_id", AnyText),
    Column("run_name", AnyText),
    Column("event_id", AnyText),
    Column("reason", AnyText, nullable=False),
    Column("ciphertext", AnyText),
    Column("closed_at", UtcTime),
    Column("closed_by", AnyText),
    Index(None, "webhook", "message_id", unique=True),
    Index(None, "webhook", "number"),
    sqlite_autoincrement=True,
)
