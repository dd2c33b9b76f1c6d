"""Where automations watch for files and what is known of them; the secret that a webhook had before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Create the tables, and add the columns."""
    op.create_table(
        "file_watches",
        sa.Column("automation", sa.Text, primary_key=True),
        sa.Column("url", sa.Text, primary_key=True),
        sa.Column("known_before", sa.DateTime(timezone=True)),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("next_look_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("problem_since", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_file_watches_next_look_at", "file_watches", ["next_look_at"])
    op.create_table(
        "watched_files",
        sa.Column("automation", sa.Text, primary_key=True),
        sa.Column("url", sa.Text, primary_key=True),
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("has_arrived", sa.Boolean, nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True)),
    )
    with op.batch_alter_table("webhooks") as webhooks:
        webhooks.add_column(sa.Column("previous_ciphertext", sa.Text))
        webhooks.add_column(sa.Column("previous_until", sa.DateTime(timezone=True)))
