"""A message's markup is made once, when it is written, and kept; those written before have none until they change."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("body_html", sa.Text))


def downgrade() -> None:
    op.drop_column("messages", "body_html")
