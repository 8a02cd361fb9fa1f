"""Incidents by number with what people said of them, and the answer of the last look."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "incidents",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("incident", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("mark", sa.String(16)),
        sa.Column("note", sa.Text),
        sa.Column("covers", sa.JSON),
        sa.Column("marked", sa.DateTime),
        sa.Column("created", sa.DateTime, nullable=False),
        sa.UniqueConstraint("model", "number", name="incident_number"),
    )
    op.create_table(
        "reports",
        sa.Column("book", sa.String(64), primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("report", sa.JSON, nullable=False),
        sa.Column("changed", sa.DateTime, nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("reports")
    op.drop_table("incidents")
