"""Whose webhooks, secrets, rules of notifications and tokens are, and whose runs a trigger hears of."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Create the table, add the columns, and write down of which deployment each trigger is."""
    op.create_table(
        "own_secrets",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("ciphertext", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner", "name", name="pk_own_secrets"),
    )
    for table in ("webhooks", "notification_rules", "api_tokens"):
        op.add_column(table, sa.Column("owner", sa.Text))
    op.add_column("automations", sa.Column("deployment", sa.Text, nullable=False, server_default=""))
    op.add_column("automations", sa.Column("hears_all", sa.Boolean))
    automations = sa.table("automations", sa.column("name"), sa.column("automation"), sa.column("deployment"))
    connection = op.get_bind()
    for name, definition in connection.execute(sa.select(automations.c.name, automations.c.automation)).all():
        if deployment := json.loads(definition).get("deployment"):
            of_one = sa.update(automations).where(automations.c.name == name)
            connection.execute(of_one.values(deployment=deployment))
