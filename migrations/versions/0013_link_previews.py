"""Add previews of links to messages."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("messages", sa.Column("link_count", sa.Integer, server_default="0", nullable=False))
    op.add_column("rooms", sa.Column("shows_previews", sa.Boolean, server_default=sa.text("true"), nullable=False))
    op.create_table(
        "link_previews",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failure", sa.Text),
        sa.Column("site", sa.Text, server_default="", nullable=False),
        sa.Column("title", sa.Text, server_default="", nullable=False),
        sa.Column("description", sa.Text, server_default="", nullable=False),
        sa.Column("picture", sa.Uuid),
        sa.Column("picture_kind", sa.Text),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.PrimaryKeyConstraint("id", name=op.f("link_previews_pkey")),
        sa.CheckConstraint("(failure IS NULL) = (title <> '')", name=op.f("link_previews_failure_check")),
        sa.CheckConstraint(
            "char_length(address) <= 2000 AND char_length(site) <= 100 AND char_length(title) <= 200 "
            "AND char_length(description) <= 300",
            name=op.f("link_previews_lengths_check"),
        ),
        sa.CheckConstraint(
            "(picture IS NULL) = (picture_kind IS NULL) AND (picture IS NULL) = (width IS NULL) "
            "AND (picture IS NULL) = (height IS NULL)",
            name=op.f("link_previews_picture_check"),
        ),
    )
    op.create_index("link_previews_address_idx", "link_previews", ["address", "expires_at"])
    op.create_index("link_previews_host_idx", "link_previews", ["host", "fetched_at"])
    op.create_index("link_previews_expires_at_idx", "link_previews", ["expires_at"])
    op.create_table(
        "message_links",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("message_id", sa.BigInteger, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("preview_id", sa.BigInteger),
        sa.Column("quoted_id", sa.BigInteger),
        sa.Column("removed_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("message_links_pkey")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("message_links_message_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["preview_id"], ["link_previews.id"], name=op.f("message_links_preview_id_fkey")),
        sa.ForeignKeyConstraint(
            ["quoted_id"], ["messages.id"], name=op.f("message_links_quoted_id_fkey"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint("message_id", "address", name=op.f("message_links_message_id_address_key")),
        sa.CheckConstraint("num_nonnulls(preview_id, quoted_id) = 1", name=op.f("message_links_shown_check")),
    )
    is_preview, is_quote = sa.text("preview_id IS NOT NULL"), sa.text("quoted_id IS NOT NULL")
    op.create_index("message_links_preview_id_idx", "message_links", ["preview_id"], postgresql_where=is_preview)
    op.create_index("message_links_quoted_id_idx", "message_links", ["quoted_id"], postgresql_where=is_quote)
    op.create_table(
        "links_to_show",
        sa.Column("message_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("origin", sa.Text, server_default="", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("attempts", sa.Integer, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("links_to_show_pkey")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("links_to_show_message_id_fkey"), ondelete="CASCADE"
        ),
    )
    op.create_index(op.f("links_to_show_due_at_idx"), "links_to_show", ["due_at"])
    op.execute("""
        CREATE FUNCTION forget_picture() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO stray_objects (key) VALUES (OLD.picture) ON CONFLICT (key) DO UPDATE SET due_at = now();
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER forget_picture AFTER DELETE ON link_previews
        FOR EACH ROW WHEN (OLD.picture IS NOT NULL) EXECUTE FUNCTION forget_picture()
    """)


def downgrade() -> None:
    op.drop_table("links_to_show")
    op.drop_table("message_links")
    op.execute("""
        INSERT INTO stray_objects (key) SELECT picture FROM link_previews WHERE picture IS NOT NULL
        ON CONFLICT (key) DO UPDATE SET due_at = now()
    """)
    op.drop_table("link_previews")
    op.execute("DROP FUNCTION forget_picture()")
    op.drop_column("rooms", "shows_previews")
    op.drop_column("messages", "link_count")
