"""Messages can be pinned, by somebody, to be found again."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("pinned_at", sa.DateTime(timezone=True)))
    op.add_column("messages", sa.Column("pinned_by", sa.BigInteger, sa.ForeignKey("users.id", ondelete="SET NULL")))
    op.create_check_constraint(
        op.f("messages_deleted_pin_check"), "messages", "deleted_at IS NULL OR pinned_at IS NULL"
    )
    op.create_index(
        "messages_pinned_idx", "messages", ["room_id", "pinned_at"], postgresql_where=sa.text("pinned_at IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("messages_pinned_idx", "messages")
    op.drop_column("messages", "pinned_by")
    op.drop_column("messages", "pinned_at")
