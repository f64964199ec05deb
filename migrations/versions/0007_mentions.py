"""Messages mention people; people choose what of a room they are told."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mentions",
        sa.Column(
            "user_id", sa.BigInteger, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, nullable=False
        ),
        sa.Column(
            "message_id",
            sa.BigInteger,
            sa.ForeignKey("messages.id", ondelete="CASCADE"),
            primary_key=True,
            nullable=False,
            index=True,
        ),
        sa.Column("room_id", sa.BigInteger, sa.ForeignKey("rooms.id", ondelete="CASCADE"), nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Index("mentions_user_id_room_id_position_idx", "user_id", "room_id", "position"),
    )
    op.add_column("memberships", sa.Column("level", sa.Text, nullable=False, server_default="mentions"))
    # In a conversation with somebody every message is meant for one.
    op.execute("UPDATE memberships SET level = 'everything' FROM rooms WHERE rooms.id = room_id AND kind = 'direct'")
    op.create_check_constraint(
        op.f("memberships_level_check"), "memberships", "level IN ('everything', 'mentions', 'nothing', 'hidden')"
    )


def downgrade() -> None:
    op.drop_column("memberships", "level")
    op.drop_table("mentions")
