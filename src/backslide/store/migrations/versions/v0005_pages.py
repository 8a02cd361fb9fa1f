"""What pages show at once: cards of models, incidents in full, streams by period, whole diagnoses."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the tables; the next look of each model fills them."""
    op.create_table(
        "looks",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("book", sa.String(64), nullable=False),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("card", sa.JSON, nullable=False),
        sa.Column("brief", sa.JSON, nullable=False),
        sa.Column("changed", sa.DateTime, nullable=False),
    )
    op.create_table(
        "incident_details",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("incident", sa.String(64), primary_key=True),
        sa.Column("book", sa.String(64), nullable=False),
        sa.Column("level", sa.String(8), nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("began", sa.String(32), nullable=False),
        sa.Column("known_on", sa.String(32), nullable=False),
        sa.Column("closed", sa.String(32)),
        sa.Column("sentence", sa.Text, nullable=False),
        sa.Column("kind", sa.String(32)),
        sa.Column("features", sa.JSON, nullable=False),
        sa.Column("muted", sa.Text),
        sa.Column("loss", sa.JSON),
        sa.Column("data", sa.JSON, nullable=False),
    )
    op.create_table(
        "series",
        sa.Column("book", sa.String(64), primary_key=True),
        sa.Column("stream", sa.String(255), primary_key=True),
        sa.Column("part", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String(16), nullable=False),
        sa.Column("points", sa.JSON, nullable=False),
    )
    op.create_table(
        "diagnoses",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("incident", sa.String(64), primary_key=True),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("brief", sa.JSON, nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
    )
    op.create_table(
        "renderings",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
    )
    op.create_index("incidents_by_time", "incident_details", ["known_on"])
    op.create_index("incidents_by_state", "incident_details", ["open", "level", "known_on"])
    op.create_index("incidents_by_kind", "incident_details", ["kind"])


def downgrade() -> None:
    """Drop them."""
    for table in ("renderings", "diagnoses", "series", "incident_details", "looks"):
        op.drop_table(table)
