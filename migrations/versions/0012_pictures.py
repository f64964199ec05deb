"""Give people, rooms and the chat a picture, and the chat a colour."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

OWNERS = ("users", "rooms", "installation")


def upgrade() -> None:
    for table in OWNERS:
        for column in ("small_picture", "large_picture"):
            op.add_column(table, sa.Column(column, sa.Uuid))
        both = "(small_picture IS NULL) = (large_picture IS NULL)"
        op.create_check_constraint(op.f(f"{table}_pictures_check"), table, both)
    op.add_column("installation", sa.Column("accent", sa.Text))
    op.create_check_constraint(op.f("installation_accent_check"), "installation", "accent ~ '^[0-9a-f]{6}$'")
    op.execute("""
        CREATE FUNCTION forget_pictures() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' OR NEW.small_picture IS DISTINCT FROM OLD.small_picture THEN
                INSERT INTO stray_objects (key)
                SELECT DISTINCT key FROM unnest(ARRAY[OLD.small_picture, OLD.large_picture]) AS key
                WHERE key IS NOT NULL
                ON CONFLICT (key) DO UPDATE SET due_at = now();
            END IF;
            RETURN NULL;
        END $$
    """)
    for table in OWNERS:
        op.execute(
            f"CREATE TRIGGER forget_pictures AFTER DELETE OR UPDATE OF small_picture ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION forget_pictures()"
        )


def downgrade() -> None:
    # The objects go with the rows' keys, as when each picture is removed.
    for table in OWNERS:
        op.execute(f"UPDATE {table} SET small_picture = NULL, large_picture = NULL WHERE small_picture IS NOT NULL")  # noqa: S608  of constants
        op.execute(f"DROP TRIGGER forget_pictures ON {table}")
        op.drop_constraint(op.f(f"{table}_pictures_check"), table)
        for column in ("small_picture", "large_picture"):
            op.drop_column(table, column)
    op.drop_constraint(op.f("installation_accent_check"), "installation")
    op.drop_column("installation", "accent")
    op.execute("DROP FUNCTION forget_pictures()")
