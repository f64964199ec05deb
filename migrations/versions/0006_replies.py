"""Let a message answer another one of its room."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("reply_to_id", sa.BigInteger))
    op.create_foreign_key(
        "messages_reply_to_id_fkey", "messages", "messages", ["reply_to_id"], ["id"], ondelete="SET NULL"
    )
    op.create_index(
        "messages_reply_to_id_idx", "messages", ["reply_to_id"], postgresql_where=sa.text("reply_to_id IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("messages_reply_to_id_idx", "messages")
    op.drop_constraint("messages_reply_to_id_fkey", "messages", type_="foreignkey")
    op.drop_column("messages", "reply_to_id")
