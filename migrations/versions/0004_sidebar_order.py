"""People choose in which order their rooms stand."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("rooms_by", sa.Text, nullable=False, server_default="name"))
    op.add_column("users", sa.Column("unread_first", sa.Boolean, nullable=False, server_default=sa.text("false")))
    op.create_check_constraint(op.f("users_rooms_by_check"), "users", "rooms_by IN ('name', 'activity')")


def downgrade() -> None:
    op.drop_column("users", "unread_first")
    op.drop_column("users", "rooms_by")
