"""The installation counts the changes of people's names, so that what is kept rendered can be told to be old."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("installation", sa.Column("people_revision", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("installation", "people_revision")
