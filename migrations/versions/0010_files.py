"""Add files to messages."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("messages", sa.Column("file_count", sa.Integer, server_default="0", nullable=False))
    op.create_table(
        "stray_objects",
        sa.Column("key", sa.Uuid, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("attempts", sa.Integer, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("stray_objects_pkey")),
    )
    op.create_index(op.f("stray_objects_due_at_idx"), "stray_objects", ["due_at"])
    op.create_table(
        "files",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("client_id", sa.Uuid, nullable=False),
        sa.Column("author_id", sa.BigInteger, nullable=False),
        sa.Column("room_id", sa.BigInteger, nullable=False),
        sa.Column("message_id", sa.BigInteger),
        sa.Column("place", sa.Integer),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("received", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("pieces", ARRAY(sa.Uuid), server_default="{}", nullable=False),
        sa.Column("object", sa.Uuid),
        sa.Column("bytes", sa.BigInteger),
        sa.Column("kind", sa.Text),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("colour", sa.Text),
        sa.Column("thumbnail", sa.Uuid),
        sa.Column("sharp_thumbnail", sa.Uuid),
        sa.Column("alt", sa.Text, server_default="", nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("files_pkey")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("files_author_id_fkey")),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("files_room_id_fkey"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("files_message_id_fkey"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint("author_id", "client_id", name=op.f("files_author_id_client_id_key")),
        sa.CheckConstraint("received BETWEEN 0 AND size", name=op.f("files_received_check")),
        sa.CheckConstraint(
            "(finished_at IS NULL) = (object IS NULL) AND (object IS NULL OR (bytes IS NOT NULL AND kind IS NOT NULL))",
            name=op.f("files_finished_check"),
        ),
        sa.CheckConstraint(
            "message_id IS NULL OR (finished_at IS NOT NULL AND place IS NOT NULL)", name=op.f("files_attached_check")
        ),
        sa.CheckConstraint("(width IS NULL) = (height IS NULL)", name=op.f("files_dimensions_check")),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 200", name=op.f("files_name_check")),
        sa.CheckConstraint("char_length(alt) <= 1000", name=op.f("files_alt_check")),
    )
    attached, waiting = sa.text("message_id IS NOT NULL"), sa.text("message_id IS NULL")
    op.create_index("files_message_id_idx", "files", ["message_id", "place"], postgresql_where=attached)
    op.create_index("files_room_id_idx", "files", ["room_id", "message_id"], postgresql_where=attached)
    op.create_index("files_waiting_idx", "files", ["author_id", "created_at"], postgresql_where=waiting)
    op.execute("""
        CREATE FUNCTION forget_files() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO stray_objects (key)
            SELECT DISTINCT key FROM unnest(OLD.pieces || ARRAY[OLD.object, OLD.thumbnail, OLD.sharp_thumbnail]) AS key
            WHERE key IS NOT NULL
            ON CONFLICT (key) DO UPDATE SET due_at = now();
            RETURN NULL;
        END $$
    """)
    op.execute("CREATE TRIGGER forget_files AFTER DELETE ON files FOR EACH ROW EXECUTE FUNCTION forget_files()")


def downgrade() -> None:
    op.drop_table("files")
    op.execute("DROP FUNCTION forget_files()")
    op.drop_table("stray_objects")
    op.drop_column("messages", "file_count")
