"""People choose their time zone and a clock of 12 or 24 hours; with neither, their browser knows."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("time_zone", sa.Text))
    op.add_column("users", sa.Column("hours", sa.Integer))
    op.create_check_constraint(op.f("users_hours_check"), "users", "hours IN (12, 24)")


def downgrade() -> None:
    op.drop_column("users", "hours")
    op.drop_column("users", "time_zone")
