"""Messages can be edited and deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("edited_at", sa.DateTime(timezone=True)))
    op.add_column("messages", sa.Column("deleted_at", sa.DateTime(timezone=True)))
    op.create_check_constraint(op.f("messages_deleted_body_check"), "messages", "deleted_at IS NULL OR body = ''")


def downgrade() -> None:
    op.drop_constraint(op.f("messages_deleted_body_check"), "messages")
    op.drop_column("messages", "deleted_at")
    op.drop_column("messages", "edited_at")
