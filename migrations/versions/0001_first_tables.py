"""The first tables: people, sessions, rooms, invites, memberships, messages, search and throttles."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer, server_default="1", nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("epoch", sa.Uuid, server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("sign_up_open", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column("rooms_admit_strangers", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("people_revision", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("installation_single_row_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("installation_pkey")),
    )
    op.create_table(
        "rooms",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("topic", sa.Text, server_default="", nullable=False),
        sa.Column("description", sa.Text, server_default="", nullable=False),
        sa.Column("posting", sa.Text, server_default="everybody", nullable=False),
        sa.Column("slow_seconds", sa.Integer, server_default="0", nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True)),
        sa.Column("direct_key", sa.LargeBinary),
        sa.Column("revision", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("message_count", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("newest_author_id", sa.BigInteger),
        sa.Column("newest_at", sa.DateTime(timezone=True)),
        sa.Column("newest_continues", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("newest_starts_day", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(kind = 'direct') = (direct_key IS NOT NULL)", name=op.f("rooms_direct_key_check")),
        sa.CheckConstraint("(kind = 'direct') = (name IS NULL)", name=op.f("rooms_name_check")),
        sa.CheckConstraint(
            "kind <> 'direct' OR (topic = '' AND description = '' AND posting = 'everybody' AND slow_seconds = 0 "
            "AND archived_at IS NULL)",
            name=op.f("rooms_plain_direct_check"),
        ),
        sa.CheckConstraint("kind IN ('open', 'closed', 'direct')", name=op.f("rooms_kind_check")),
        sa.CheckConstraint("posting IN ('everybody', 'managers')", name=op.f("rooms_posting_check")),
        sa.CheckConstraint("slow_seconds >= 0", name=op.f("rooms_slow_seconds_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("rooms_pkey")),
        sa.UniqueConstraint("direct_key", name=op.f("rooms_direct_key_key")),
    )
    op.create_index(
        "rooms_open_name_key",
        "rooms",
        [sa.literal_column("lower(name)")],
        unique=True,
        postgresql_where=sa.text("kind = 'open'"),
    )
    # A check constraint does not see the row's earlier values, so this takes a trigger.
    op.execute("""
        CREATE FUNCTION keep_direct() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'a direct room stays one, and no other becomes one' USING ERRCODE = 'check_violation';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER keep_direct BEFORE UPDATE OF kind, direct_key ON rooms FOR EACH ROW
        WHEN (OLD.kind <> NEW.kind AND 'direct' IN (OLD.kind, NEW.kind) OR OLD.direct_key <> NEW.direct_key)
        EXECUTE FUNCTION keep_direct()
    """)
    op.create_table(
        "throttles",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("throttles_pkey")),
        prefixes=["UNLOGGED"],
    )
    op.create_index(op.f("throttles_ends_at_idx"), "throttles", ["ends_at"])
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("rooms_by", sa.Text, server_default="name", nullable=False),
        sa.Column("unread_first", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("status_emoji", sa.Text, server_default="", nullable=False),
        sa.Column("status_text", sa.Text, server_default="", nullable=False),
        sa.Column("status_until", sa.DateTime(timezone=True)),
        sa.Column("recent_searches", ARRAY(sa.Text), server_default="{}", nullable=False),
        sa.Column("theme", sa.Text, server_default="system", nullable=False),
        sa.Column("time_zone", sa.Text),
        sa.Column("hours", sa.Integer),
        sa.Column("room_level", sa.Text, server_default="mentions", nullable=False),
        sa.Column("direct_level", sa.Text, server_default="everything", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("direct_level IN ('everything', 'nothing')", name=op.f("users_direct_level_check")),
        sa.CheckConstraint("role IN ('administrator', 'member')", name=op.f("users_role_check")),
        sa.CheckConstraint("room_level IN ('everything', 'mentions', 'nothing')", name=op.f("users_room_level_check")),
        sa.CheckConstraint("rooms_by IN ('name', 'activity')", name=op.f("users_rooms_by_check")),
        sa.CheckConstraint("theme IN ('system', 'light', 'dark')", name=op.f("users_theme_check")),
        sa.CheckConstraint("hours IN (12, 24)", name=op.f("users_hours_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("users_pkey")),
    )
    op.create_index("users_email_key", "users", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "invites",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("token", sa.Text, nullable=False),
        sa.Column("room_id", sa.BigInteger),
        sa.Column("made_by", sa.BigInteger),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("most_uses", sa.Integer),
        sa.Column("uses", sa.Integer, server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("uses BETWEEN 0 AND coalesce(most_uses, uses)", name=op.f("invites_uses_check")),
        sa.ForeignKeyConstraint(["made_by"], ["users.id"], name=op.f("invites_made_by_fkey"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("invites_room_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("invites_pkey")),
        sa.UniqueConstraint("room_id", name=op.f("invites_room_id_key")),
        sa.UniqueConstraint("token", name=op.f("invites_token_key")),
    )
    op.create_index(
        "invites_chat_key",
        "invites",
        [sa.literal_column("(room_id IS NULL)")],
        unique=True,
        postgresql_where=sa.text("room_id IS NULL"),
    )
    op.create_table(
        "memberships",
        sa.Column("room_id", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("read_position", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("level", sa.Text, server_default="mentions", nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "level IN ('everything', 'mentions', 'nothing', 'hidden')", name=op.f("memberships_level_check")
        ),
        sa.CheckConstraint("role IN ('owner', 'member')", name=op.f("memberships_role_check")),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("memberships_room_id_fkey"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("memberships_user_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("room_id", "user_id", name=op.f("memberships_pkey")),
    )
    op.create_index(op.f("memberships_user_id_idx"), "memberships", ["user_id"])
    op.create_table(
        "messages",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("room_id", sa.BigInteger, nullable=False),
        sa.Column("author_id", sa.BigInteger, nullable=False),
        sa.Column("client_id", sa.Uuid, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("body_html", sa.Text, nullable=False),
        sa.Column("reactions", JSONB, server_default="[]", nullable=False),
        sa.Column("continues", sa.Boolean, nullable=False),
        sa.Column("starts_day", sa.Boolean, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("posted_revision", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True)),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.Column("pinned_at", sa.DateTime(timezone=True)),
        sa.Column("pinned_by", sa.BigInteger),
        sa.CheckConstraint("deleted_at IS NULL OR body = ''", name=op.f("messages_deleted_body_check")),
        sa.CheckConstraint("char_length(body) <= 10000", name=op.f("messages_body_length_check")),
        sa.CheckConstraint("deleted_at IS NULL OR pinned_at IS NULL", name=op.f("messages_deleted_pin_check")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("messages_author_id_fkey")),
        sa.ForeignKeyConstraint(["pinned_by"], ["users.id"], name=op.f("messages_pinned_by_fkey"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("messages_room_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("messages_pkey")),
        sa.UniqueConstraint("author_id", "client_id", name=op.f("messages_author_id_client_id_key")),
        sa.UniqueConstraint("room_id", "position", name=op.f("messages_room_id_position_key")),
        sa.UniqueConstraint("room_id", "revision", name=op.f("messages_room_id_revision_key")),
    )
    op.create_index(
        "messages_pinned_idx", "messages", ["room_id", "pinned_at"], postgresql_where=sa.text("pinned_at IS NOT NULL")
    )
    op.create_table(
        "search_progress",
        sa.Column("room_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["room_id"], ["rooms.id"], name=op.f("search_progress_room_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("room_id", name=op.f("search_progress_pkey")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("refresh_hash", sa.LargeBinary, nullable=False),
        sa.Column("previous_refresh_hash", sa.LargeBinary),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.Column("user_agent", sa.Text, server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("sessions_user_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("sessions_pkey")),
    )
    op.create_index(op.f("sessions_user_id_idx"), "sessions", ["user_id"])
    op.create_table(
        "mentions",
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("message_id", sa.BigInteger, nullable=False),
        sa.Column("room_id", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("mentions_message_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("mentions_room_id_fkey"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("mentions_user_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "message_id", name=op.f("mentions_pkey")),
    )
    op.create_index(op.f("mentions_message_id_idx"), "mentions", ["message_id"])
    op.create_index("mentions_user_id_room_id_position_idx", "mentions", ["user_id", "room_id", "position"])
    op.create_table(
        "searchable",
        sa.Column("message_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("room_id", sa.BigInteger, nullable=False),
        sa.Column("author_id", sa.BigInteger, nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("has_link", sa.Boolean, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column(
            "words",
            TSVECTOR,
            sa.Computed(
                "to_tsvector('simple', regexp_replace(text, "
                r"'([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff])', ' \1 ', 'g'))",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("searchable_message_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("searchable_pkey")),
    )
    op.create_index("searchable_author_id_message_id_idx", "searchable", ["author_id", "message_id"])
    op.create_index("searchable_link_idx", "searchable", ["message_id"], postgresql_where=sa.text("has_link"))
    op.create_index("searchable_room_id_message_id_idx", "searchable", ["room_id", "message_id"])
    op.create_index(
        "searchable_text_idx", "searchable", ["text"], postgresql_using="gin", postgresql_ops={"text": "gin_trgm_ops"}
    )
    op.create_index("searchable_words_idx", "searchable", ["words"], postgresql_using="gin")
    op.create_table(
        "unsearchable",
        sa.Column("message_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, server_default="1", nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("unsearchable_message_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("unsearchable_pkey")),
    )


def downgrade() -> None:
    # The extension stays: it may have been there before, and other applications may use it.
    for table in (
        "unsearchable",
        "searchable",
        "search_progress",
        "mentions",
        "messages",
        "memberships",
        "invites",
        "sessions",
        "rooms",
        "users",
        "throttles",
        "installation",
    ):
        op.drop_table(table)
    op.execute("DROP FUNCTION keep_direct()")
