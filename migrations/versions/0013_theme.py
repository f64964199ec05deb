"""People choose between light, dark, and what their system says."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("theme", sa.Text, nullable=False, server_default="system"))
    op.create_check_constraint(op.f("users_theme_check"), "users", "theme IN ('system', 'light', 'dark')")


def downgrade() -> None:
    op.drop_column("users", "theme")
