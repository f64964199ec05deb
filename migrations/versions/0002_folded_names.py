"""Compare names and addresses by one folding, which SQL and `chat/folding.py` share.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION folded(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN replace(replace(lower(normalize($1, NFKC)), U&'\\03c2', U&'\\03c3'), U&'i\\0307', 'i')
    """)
    op.execute("""
        CREATE FUNCTION bare(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN normalize(regexp_replace(normalize(folded($1), NFKD), '[\\u0300-\\u036f]', '', 'g'), NFKC)
    """)
    _make_names_distinct()
    for table, nullable in (("users", False), ("rooms", True)):
        op.add_column(
            table, sa.Column("bare_name", sa.Text, sa.Computed("bare(name)", persisted=True), nullable=nullable)
        )
    op.drop_index("users_email_key", "users")
    op.create_index("users_email_key", "users", [sa.text("folded(email)")], unique=True)
    op.drop_index("rooms_open_name_key", "rooms")
    open_only = sa.text("kind = 'open'")
    op.create_index("rooms_open_name_key", "rooms", [sa.text("folded(name)")], unique=True, postgresql_where=open_only)
    op.execute("UPDATE searchable SET text = replace(text, U&'\\03c2', U&'\\03c3') WHERE strpos(text, U&'\\03c2') > 0")


def _make_names_distinct() -> None:
    """Number what only looked distinct to the database, and compose letters, which changes nothing to see."""
    for table, column, where in (("rooms", "name", "kind = 'open'"), ("users", "email", "true")):
        op.execute(f"""
            UPDATE {table} SET {column} = {column} || ' ' || id WHERE {where} AND EXISTS (
                SELECT FROM {table} AS earlier
                WHERE earlier.id < {table}.id AND {where.replace("kind", "earlier.kind")}
                  AND folded(earlier.{column}) = folded({table}.{column})
            )
        """)  # noqa: S608  of constants
    for table in ("users", "rooms"):
        op.execute(f"UPDATE {table} SET name = normalize(name, NFC) WHERE name IS NOT NFC NORMALIZED")  # noqa: S608


def downgrade() -> None:
    op.drop_index("rooms_open_name_key", "rooms")
    open_only = sa.text("kind = 'open'")
    op.create_index("rooms_open_name_key", "rooms", [sa.text("lower(name)")], unique=True, postgresql_where=open_only)
    op.drop_index("users_email_key", "users")
    op.create_index("users_email_key", "users", [sa.text("lower(email)")], unique=True)
    for table in ("users", "rooms"):
        op.drop_column(table, "bare_name")
    op.execute("DROP FUNCTION bare(text)")
    op.execute("DROP FUNCTION folded(text)")
