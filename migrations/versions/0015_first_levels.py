"""People choose what they are told of the rooms they come into."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("room_level", sa.Text, nullable=False, server_default="mentions"))
    op.add_column("users", sa.Column("direct_level", sa.Text, nullable=False, server_default="everything"))
    op.create_check_constraint(
        op.f("users_room_level_check"), "users", "room_level IN ('everything', 'mentions', 'nothing')"
    )
    op.create_check_constraint(op.f("users_direct_level_check"), "users", "direct_level IN ('everything', 'nothing')")


def downgrade() -> None:
    op.drop_column("users", "direct_level")
    op.drop_column("users", "room_level")
