"""Tell people of the same name apart: a number follows the names of all but the first.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # Other names may end in a number already, so a name may be numbered more than once.
    op.execute("""
        DO $$
        BEGIN
            LOOP
                UPDATE users SET name = left(name, 50) || ' ' || place
                FROM (SELECT id, row_number() OVER (PARTITION BY folded(name) ORDER BY id) AS place FROM users) AS alike
                WHERE alike.id = users.id AND place > 1;
                EXIT WHEN NOT FOUND;
            END LOOP;
        END $$
    """)


def downgrade() -> None:
    """Keep the names: nothing tells who had the same."""
