"""Rooms are described, say who may post and how often, and can be put into the archive; a direct room stays one."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rooms", sa.Column("description", sa.Text, nullable=False, server_default=""))
    op.add_column("rooms", sa.Column("posting", sa.Text, nullable=False, server_default="everybody"))
    op.add_column("rooms", sa.Column("slow_seconds", sa.Integer, nullable=False, server_default="0"))
    op.add_column("rooms", sa.Column("archived_at", sa.DateTime(timezone=True)))
    op.add_column("memberships", sa.Column("posted_at", sa.DateTime(timezone=True)))
    op.create_check_constraint(op.f("rooms_posting_check"), "rooms", "posting IN ('everybody', 'managers')")
    op.create_check_constraint(op.f("rooms_slow_seconds_check"), "rooms", "slow_seconds >= 0")
    op.create_check_constraint(
        op.f("rooms_plain_direct_check"),
        "rooms",
        "kind <> 'direct' OR (topic = '' AND description = '' AND posting = 'everybody' AND slow_seconds = 0 "
        "AND archived_at IS NULL)",
    )
    # What a row is, a check can say; that it stays so, only a trigger.
    op.execute("""
        CREATE FUNCTION keep_direct() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'a direct room stays one, and no other becomes one' USING ERRCODE = 'check_violation';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER keep_direct BEFORE UPDATE OF kind, direct_key ON rooms FOR EACH ROW
        WHEN (OLD.kind <> NEW.kind AND 'direct' IN (OLD.kind, NEW.kind) OR OLD.direct_key <> NEW.direct_key)
        EXECUTE FUNCTION keep_direct()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER keep_direct ON rooms")
    op.execute("DROP FUNCTION keep_direct()")
    op.drop_column("memberships", "posted_at")
    for constraint in ("plain_direct", "slow_seconds", "posting"):
        op.drop_constraint(op.f(f"rooms_{constraint}_check"), "rooms")
    for column in ("archived_at", "slow_seconds", "posting", "description"):
        op.drop_column("rooms", column)
