"""Remember each person's skin tone and recently used emoji."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("users", sa.Column("recent_emoji", ARRAY(sa.Text), server_default="{}", nullable=False))
    op.add_column("users", sa.Column("skin_tone", sa.Integer, server_default="0", nullable=False))
    op.create_check_constraint(op.f("users_skin_tone_check"), "users", "skin_tone BETWEEN 0 AND 5")


def downgrade() -> None:
    op.drop_column("users", "skin_tone")
    op.drop_column("users", "recent_emoji")
