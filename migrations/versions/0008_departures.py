"""Let members leave group conversations."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "departures",
        sa.Column("room_id", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("departures_room_id_fkey"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("departures_user_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("room_id", "user_id", name=op.f("departures_pkey")),
    )
    op.create_index(op.f("departures_user_id_idx"), "departures", ["user_id"])


def downgrade() -> None:
    # Who left comes back: a conversation's key names all its people.
    op.execute("""
        INSERT INTO memberships (room_id, user_id, role, read_position, level)
        SELECT room_id, user_id, 'member', message_count, 'nothing'
        FROM departures JOIN rooms ON rooms.id = departures.room_id
    """)
    op.drop_table("departures")
