"""Remember which pictures move."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    column = sa.Column("is_animated", sa.Boolean, server_default=sa.text("false"), nullable=False)
    op.add_column("files", column)


def downgrade() -> None:
    op.drop_column("files", "is_animated")
