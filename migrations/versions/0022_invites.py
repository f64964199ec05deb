"""Move invite links, also those of rooms, to their own table, with an end, a number of uses and their maker.

Links that are in use go on working. Those without an end get one, a month from now, and their uses are counted from
now on. Links of rooms no longer bring in people without an account where sign-up is closed, until an administrator
lets them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "invites",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("token", sa.Text, nullable=False, unique=True),
        sa.Column("room_id", sa.BigInteger, sa.ForeignKey("rooms.id", ondelete="CASCADE"), unique=True),
        sa.Column("made_by", sa.BigInteger, sa.ForeignKey("users.id", ondelete="SET NULL")),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("most_uses", sa.Integer),
        sa.Column("uses", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("uses BETWEEN 0 AND coalesce(most_uses, uses)", name=op.f("invites_uses_check")),
    )
    op.create_index(
        "invites_chat_key", "invites", [sa.text("(room_id IS NULL)")], unique=True, postgresql_where="room_id IS NULL"
    )
    op.execute("""
        INSERT INTO invites (token, room_id, expires_at)
        SELECT invite_token, id, coalesce(invite_expires_at, now() + interval '30 days') FROM rooms
        WHERE invite_token IS NOT NULL
        UNION ALL
        SELECT invite_token, NULL, now() + interval '30 days' FROM installation WHERE invite_token IS NOT NULL
    """)
    op.drop_constraint(op.f("rooms_direct_invite_check"), "rooms")
    op.drop_column("rooms", "invite_expires_at")
    op.drop_column("rooms", "invite_token")
    op.drop_column("installation", "invite_token")
    strangers = sa.Column("rooms_admit_strangers", sa.Boolean, nullable=False, server_default=sa.text("false"))
    op.add_column("installation", strangers)


def downgrade() -> None:
    op.drop_column("installation", "rooms_admit_strangers")
    op.add_column("installation", sa.Column("invite_token", sa.Text))
    op.add_column("rooms", sa.Column("invite_token", sa.Text, unique=True))
    op.add_column("rooms", sa.Column("invite_expires_at", sa.DateTime(timezone=True)))
    op.create_check_constraint(op.f("rooms_direct_invite_check"), "rooms", "kind <> 'direct' OR invite_token IS NULL")
    # The chat's own link had no end, and none had a number of uses; ended links must not work again.
    op.execute("DELETE FROM invites WHERE expires_at <= now() OR uses >= most_uses")
    op.execute("""
        UPDATE rooms SET invite_token = token, invite_expires_at = expires_at FROM invites WHERE room_id = rooms.id
    """)
    op.execute("UPDATE installation SET invite_token = token FROM invites WHERE room_id IS NULL")
    op.drop_table("invites")
