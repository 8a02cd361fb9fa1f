"""Where the message of an incident stands at a receiver that can change it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "threads",
        sa.Column("book", sa.String(64), primary_key=True),
        sa.Column("incident", sa.String(64), primary_key=True),
        sa.Column("receiver", sa.String(32), primary_key=True),
        sa.Column("thread", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("threads")
