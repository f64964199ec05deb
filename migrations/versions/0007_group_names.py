"""Let group conversations have names."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.drop_constraint(op.f("rooms_name_check"), "rooms")
    op.create_check_constraint(op.f("rooms_name_check"), "rooms", "kind = 'direct' OR name IS NOT NULL")


def downgrade() -> None:
    op.execute("UPDATE rooms SET name = NULL WHERE kind = 'direct'")
    op.drop_constraint(op.f("rooms_name_check"), "rooms")
    op.create_check_constraint(op.f("rooms_name_check"), "rooms", "(kind = 'direct') = (name IS NULL)")
