"""A room may have a link by which people come in, for a time or for good."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rooms", sa.Column("invite_token", sa.Text, unique=True))
    op.add_column("rooms", sa.Column("invite_expires_at", sa.DateTime(timezone=True)))
    op.create_check_constraint(op.f("rooms_direct_invite_check"), "rooms", "kind <> 'direct' OR invite_token IS NULL")


def downgrade() -> None:
    op.drop_constraint(op.f("rooms_direct_invite_check"), "rooms")
    op.drop_column("rooms", "invite_expires_at")
    op.drop_column("rooms", "invite_token")
