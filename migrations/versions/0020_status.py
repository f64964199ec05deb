"""People say what they are about: an emoji, some words, and until when."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("status_emoji", sa.Text, nullable=False, server_default=""))
    op.add_column("users", sa.Column("status_text", sa.Text, nullable=False, server_default=""))
    op.add_column("users", sa.Column("status_until", sa.DateTime(timezone=True)))


def downgrade() -> None:
    for column in ("status_until", "status_text", "status_emoji"):
        op.drop_column("users", column)
