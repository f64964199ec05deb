"""Messages carry the emoji people answer them with, and who did."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("reactions", JSONB, nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("messages", "reactions")
