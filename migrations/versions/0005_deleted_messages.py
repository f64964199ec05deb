"""Find deleted messages, which do not count as unread.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    where = sa.text("deleted_at IS NOT NULL")
    op.create_index("messages_deleted_idx", "messages", ["room_id", "position"], postgresql_where=where)


def downgrade() -> None:
    op.drop_index("messages_deleted_idx", "messages")
