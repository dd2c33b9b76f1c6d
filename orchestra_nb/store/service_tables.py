"""The tables of what runs by itself: deployments, schedules, queue, notifications, automations, webhooks, upkeep."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table

from orchestra_nb.store.column_types import AnyText, ExactJson, JsonText, UtcTime
from orchestra_nb.store.table_basics import Counter, metadata

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
    Column("owner", AnyText),
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

#: Named places to run. The pool "default" has a row when somebody has changed it.
work_pools = Table(
    "work_pools",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("place", ExactJson, nullable=False),
    Column("description", AnyText, nullable=False),
    Column("concurrency", Integer),
    Column("is_paused", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

#: Which pools a driver starts runs of. A row counts as long as its driver has not ended.
pool_workers = Table(
    "pool_workers",
    metadata,
    Column("driver_id", AnyText, primary_key=True),
    Column("pool", AnyText, primary_key=True),
    Column("name", AnyText, nullable=False),
    Column("room", Integer, nullable=False),
    Index(None, "pool"),
)

#: Runs that wait to be started by whoever serves their pool, with the limits that each will count for where there are
#: such: a list of names as JSON, empty where there is none. They start in the order of the first index; ``turn`` is the
#: negative of their priority, so that all of it ascends.
queued_runs = Table(
    "queued_runs",
    metadata,
    Column("run_id", AnyText, primary_key=True),
    Column("deployment", AnyText),
    Column("pool", AnyText, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("limits", AnyText, nullable=False, server_default=""),
    Column("turn", Integer, nullable=False, server_default="0"),
    Index(None, "pool", "turn", "due_at", "run_id"),
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

#: Who is told of which runs. A rule tells of what changes behind ``from_sequence``, and where it has an owner, of that
#: one's runs alone, which its definition says, too.
notification_rules = Table(
    "notification_rules",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("rule", ExactJson, nullable=False),
    Column("from_sequence", BigInteger, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("owner", AnyText),
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
    Column("number", Counter, primary_key=True, autoincrement=True),
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

#: What acts when something happens. An automation looks at the changes, and at the users' events, behind these numbers;
#: where it has an owner, at those of that one's runs. ``deployment`` is the one that it belongs to, empty for none.
#: ``hears_all`` is of triggers: whether of the runs of all, or of those of their deployment's owner alone; null, where
#: nobody has decided it, means all.
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
    Column("deployment", AnyText, nullable=False, server_default=""),
    Column("hears_all", Boolean),
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
    Column("number", Counter, primary_key=True, autoincrement=True),
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

#: Addresses that others send messages to. The secret is encrypted with the key of the secrets; the one before it is
#: accepted, too, until ``previous_until``. One that has an owner runs nothing but a deployment of that one.
webhooks = Table(
    "webhooks",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("definition", ExactJson, nullable=False),
    Column("ciphertext", AnyText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("secret_changed_at", UtcTime, nullable=False),
    Column("previous_ciphertext", AnyText),
    Column("previous_until", UtcTime),
    Column("owner", AnyText),
)

#: What came of each message of a webhook that was rightly signed. ``ciphertext`` is the message, kept for dead letters.
webhook_receipts = Table(
    "webhook_receipts",
    metadata,
    Column("number", Counter, primary_key=True, autoincrement=True),
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

#: Where automations watch for files. ``known_before`` is kept until the first look; ``revision`` is one higher after
#: each look that has brought something new.
file_watches = Table(
    "file_watches",
    metadata,
    Column("automation", AnyText, primary_key=True),
    Column("url", AnyText, primary_key=True),
    Column("known_before", UtcTime),
    Column("revision", Integer, nullable=False),
    Column("next_look_at", UtcTime, nullable=False),
    Column("problem", AnyText, nullable=False),
    Column("problem_since", UtcTime),
    Index(None, "next_look_at"),
)

#: What is known of the files there.
watched_files = Table(
    "watched_files",
    metadata,
    Column("automation", AnyText, primary_key=True),
    Column("url", AnyText, primary_key=True),
    Column("path", AnyText, primary_key=True),
    Column("version", AnyText, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("has_arrived", Boolean, nullable=False),
    Column("gone_at", UtcTime),
)

#: Tokens for the REST API: a hash of each, never its text. One that has an owner acts for that user.
api_tokens = Table(
    "api_tokens",
    metadata,
    Column("token_id", AnyText, primary_key=True),
    Column("name", AnyText, nullable=False),
    Column("token_hash", AnyText, nullable=False),
    Column("scopes", ExactJson, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("created_by", AnyText, nullable=False),
    Column("expires_at", UtcTime),
    Column("last_used_at", UtcTime),
    Column("revoked_at", UtcTime),
    Column("owner", AnyText),
    Index(None, "name"),
)

#: Workers that reach the store over the REST API alone. Up to ``received_until`` what they tell has been written: what
#: they send again since they did not hear so is not written twice.
remote_workers = Table(
    "remote_workers",
    metadata,
    Column("driver_id", AnyText, primary_key=True),
    Column("token_id", AnyText, nullable=False),
    Column("name", AnyText, nullable=False),
    Column("pools", ExactJson, nullable=False),
    Column("received_until", BigInteger, nullable=False),
)

#: In the store of a remote worker: what was written, as it was told, until it is passed on to the server.
spooled_events = Table(
    "spooled_events",
    metadata,
    Column("number", Counter, primary_key=True, autoincrement=True),
    Column("event", AnyText, nullable=False),
    sqlite_autoincrement=True,
)

#: Files to be deleted on each machine that has them: of a run, or of a value.
doomed_files = Table(
    "doomed_files",
    metadata,
    Column("number", Counter, primary_key=True, autoincrement=True),
    Column("run_id", AnyText),
    Column("output_path", AnyText),
    Column("reference", JsonText),
    Column("at", UtcTime, nullable=False),
    sqlite_autoincrement=True,
)

#: What a call of the REST API was answered that came with a key: the same call with the same key is answered so again.
#: ``key`` is a hash of the key, and the answer is encrypted with another one.
kept_answers = Table(
    "kept_answers",
    metadata,
    Column("number", Counter, primary_key=True, autoincrement=True),
    Column("caller", AnyText, nullable=False),
    Column("key", AnyText, nullable=False),
    Column("fingerprint", AnyText, nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", AnyText, nullable=False),
    Column("at", UtcTime, nullable=False),
    Index(None, "caller", "key", unique=True),
    sqlite_autoincrement=True,
)

#: Who changed what, when, from where, and how it ended. Rows are added, and deleted when they are old; none is changed.
audit_entries = Table(
    "audit_entries",
    metadata,
    Column("number", Counter, primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("actor", AnyText, nullable=False),
    Column("via", AnyText, nullable=False),
    Column("origin", AnyText, nullable=False),
    Column("action", AnyText, nullable=False),
    Column("area", AnyText, nullable=False),
    Column("target", AnyText, nullable=False),
    Column("outcome", AnyText, nullable=False),
    Column("code", AnyText, nullable=False),
    Column("run_id", AnyText),
    Index(None, "actor", "number"),
    Index(None, "target", "number"),
    sqlite_autoincrement=True,
)
