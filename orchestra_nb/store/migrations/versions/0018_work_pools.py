"""Work pools and who serves them; which pool a run is of, and which limits a run that waits will count for."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_ENDED = ("COMPLETED", "FAILED", "CRASHED", "TIMED_OUT", "CANCELLED", "SKIPPED", "UPSTREAM_FAILED", "MISSED")


def upgrade() -> None:
    """Create the tables, and a pool for each name that a deployment or a run that waits has for its own."""
    op.create_table(
        "work_pools",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("concurrency", sa.Integer),
        sa.Column("is_paused", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "pool_workers",
        sa.Column("driver_id", sa.Text, primary_key=True),
        sa.Column("pool", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("room", sa.Integer, nullable=False),
    )
    op.create_index("ix_pool_workers_pool", "pool_workers", ["pool"])
    op.add_column("runs", sa.Column("pool", sa.Text))
    op.add_column("queued_runs", sa.Column("limits", sa.Text, nullable=False, server_default=""))
    op.drop_index("ix_queued_runs_pool_priority_due_at", "queued_runs")
    op.add_column("queued_runs", sa.Column("turn", sa.Integer, nullable=False, server_default="0"))
    op.execute("UPDATE queued_runs SET turn = -priority")
    op.create_index("ix_queued_runs_pool_turn_due_at_run_id", "queued_runs", ["pool", "turn", "due_at", "run_id"])
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    now = datetime.now(UTC).replace(tzinfo=None) if connection.dialect.name == "sqlite" else datetime.now(UTC)
    specs = connection.execute(
        sa.text(
            "SELECT v.spec FROM deployments d JOIN deployment_versions v "
            "ON v.deployment = d.name AND v.version = d.version"
        )
    ).scalars()
    names = {json.loads(spec).get("pool", "default") for spec in specs}
    names |= set(connection.execute(sa.text("SELECT DISTINCT pool FROM queued_runs")).scalars())
    pools = sa.table(
        "work_pools",
        sa.column("name", sa.Text),
        sa.column("place", sa.Text),
        sa.column("description", sa.Text),
        sa.column("concurrency", sa.Integer),
        sa.column("is_paused", sa.Boolean),
        sa.column("created_at", sa.DateTime(timezone=True)),
        sa.column("updated_at", sa.DateTime(timezone=True)),
    )
    rows = [
        {
            "name": name,
            "place": '{"kind":"local"}',
            "description": "",
            "concurrency": None,
            "is_paused": False,
            "created_at": now,
            "updated_at": now,
        }
        for name in sorted(names - {"default"})
    ]
    if rows:
        connection.execute(sa.insert(pools), rows)
    _fill_runs(connection)


def _fill_runs(connection: sa.Connection) -> None:
    """Tell of each run that has not ended its pool, and of each that waits by which tags it may be limited."""
    is_open = sa.text(
        "SELECT r.run_id, v.spec FROM runs r JOIN deployment_versions v "
        "ON v.deployment = r.deployment AND v.version = r.deployment_version WHERE r.state NOT IN :ended"
    ).bindparams(sa.bindparam("ended", expanding=True))
    for run_id, spec in connection.execute(is_open, {"ended": _ENDED}).all():
        connection.execute(
            sa.text("UPDATE runs SET pool = :pool WHERE run_id = :run_id"),
            {"pool": json.loads(spec).get("pool", "default"), "run_id": run_id},
        )
    waiting = sa.text("SELECT q.run_id, r.tags FROM queued_runs q JOIN runs r ON r.run_id = q.run_id")
    for run_id, tags in connection.execute(waiting).all():
        names = [f"tag:{key}" for key in json.loads(tags)]
        names += [f"tag:{key}={value}" for key, value in json.loads(tags).items() if value]
        if names:
            connection.execute(
                sa.text("UPDATE queued_runs SET limits = :limits WHERE run_id = :run_id"),
                {"limits": json.dumps(sorted(names)), "run_id": run_id},
            )
