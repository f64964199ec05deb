"""The tables, and the constraints that the code relies on."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.schema import SchemaItem

import chat.link_tables  # noqa: F401  so that the metadata has its tables
from chat.derived_tables import metadata as metadata  # noqa: PLC0414  given on: here it has all tables


def _now() -> Column[object]:
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


def _pictures() -> tuple[SchemaItem, ...]:
    """Return the columns of a picture in two sizes: keys in the store.

    The trigger `forget_pictures` puts the keys of a replaced picture among the `stray_objects`.
    """
    both = CheckConstraint("(small_picture IS NULL) = (large_picture IS NULL)", name="pictures")
    return Column("small_picture", Uuid), Column("large_picture", Uuid), both


def columns_of(table: Table) -> str:
    """Return the columns of a table for a statement. Not `*`: a newer version may add others while we run."""
    return ", ".join(f"{table.name}.{column.name}" for column in table.columns)


# One row. `epoch` changes when the database is restored from a backup, so that pages opened before it reload.
# `people_revision` changes with a person's name or face, so that no page with the old one stays in a cache.
installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True, server_default="1"),
    Column("name", Text, nullable=False),
    Column("epoch", Uuid, nullable=False, server_default=func.gen_random_uuid()),
    Column("sign_up_open", Boolean, nullable=False, server_default=text("true")),
    Column("rooms_admit_strangers", Boolean, nullable=False, server_default=text("false")),
    Column("people_revision", BigInteger, nullable=False, server_default="0"),
    Column("accent", Text),  # six hexadecimal digits; NULL: the colour of the style sheet
    *_pictures(),  # the logo
    _now(),
    CheckConstraint("id = 1", name="single_row"),
    CheckConstraint("accent ~ '^[0-9a-f]{6}$'", name="accent"),
)

# A name with a space before each of its words.
SPACED_NAME = "' ' || translate(users.bare_name, '-_.''’(', '      ')"

users = Table(
    "users",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("bare_name", Text, Computed("bare(name)", persisted=True), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("rooms_by", Text, nullable=False, server_default="name"),
    Column("unread_first", Boolean, nullable=False, server_default=text("false")),
    Column("status_emoji", Text, nullable=False, server_default=""),
    Column("status_text", Text, nullable=False, server_default=""),
    Column("status_until", DateTime(timezone=True)),
    Column("recent_searches", ARRAY(Text), nullable=False, server_default="{}"),
    Column("recent_emoji", ARRAY(Text), nullable=False, server_default="{}"),
    Column("skin_tone", Integer, nullable=False, server_default="0"),  # 0: none, the yellow of emoji
    Column("theme", Text, nullable=False, server_default="system"),
    Column("time_zone", Text),  # NULL: the browser's
    Column("hours", Integer),
    Column("room_level", Text, nullable=False, server_default="mentions"),
    Column("direct_level", Text, nullable=False, server_default="everything"),
    *_pictures(),  # the face
    _now(),
    CheckConstraint("role IN ('administrator', 'member')", name="role"),
    CheckConstraint("rooms_by IN ('name', 'activity')", name="rooms_by"),
    CheckConstraint("theme IN ('system', 'light', 'dark')", name="theme"),
    CheckConstraint("hours IN (12, 24)", name="hours"),
    CheckConstraint("skin_tone BETWEEN 0 AND 5", name="skin_tone"),
    CheckConstraint("room_level IN ('everything', 'mentions', 'nothing')", name="room_level"),
    CheckConstraint("direct_level IN ('everything', 'nothing')", name="direct_level"),
    Index("users_email_key", func.folded(text("email")), unique=True),
    Index("users_name_idx", func.lower(text("name")), "id"),
    # For parts of names, words of names, and the beginnings of names in a text.
    Index("users_bare_name_idx", "bare_name", postgresql_using="gin", postgresql_ops={"bare_name": "gin_trgm_ops"}),
    Index("users_words_idx", text(f"({SPACED_NAME}) gin_trgm_ops"), postgresql_using="gin"),
    Index("users_start_idx", func.left(text("bare_name"), text("3"))),
    Index("users_administrators_idx", "id", postgresql_where=text("role = 'administrator'")),
    Index("users_status_idx", "id", postgresql_where=text("status_emoji <> ''")),
)

# One row for each sign-in. A token is valid only while its session's row is neither revoked nor expired.
sessions = Table(
    "sessions",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("refresh_hash", LargeBinary, nullable=False),
    Column("previous_refresh_hash", LargeBinary),
    Column("refreshed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
    Column("user_agent", Text, nullable=False, server_default=""),
    _now(),
)

# `newest_*` describe the last post. The next post reads them under its row lock, to know whether it continues that post
# or starts a day; a snapshot of `messages` from before the lock could be outdated. The trigger `keep_direct` keeps a
# direct room from becoming another kind of room.
rooms = Table(
    "rooms",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text),
    Column("bare_name", Text, Computed("bare(name)", persisted=True)),
    Column("topic", Text, nullable=False, server_default=""),
    Column("description", Text, nullable=False, server_default=""),
    Column("posting", Text, nullable=False, server_default="everybody"),
    Column("slow_seconds", Integer, nullable=False, server_default="0"),
    Column("archived_at", DateTime(timezone=True)),
    Column("direct_key", LargeBinary, unique=True),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    Column("message_count", BigInteger, nullable=False, server_default="0"),
    Column("newest_author_id", BigInteger),
    Column("newest_at", DateTime(timezone=True)),
    Column("newest_continues", Boolean, nullable=False, server_default=text("false")),
    Column("newest_starts_day", Boolean, nullable=False, server_default=text("false")),
    *_pictures(),
    Column("shows_previews", Boolean, nullable=False, server_default=text("true")),
    _now(),
    CheckConstraint("kind IN ('open', 'closed', 'direct')", name="kind"),
    CheckConstraint("(kind = 'direct') = (direct_key IS NOT NULL)", name="direct_key"),
    CheckConstraint("kind = 'direct' OR name IS NOT NULL", name="name"),
    CheckConstraint("posting IN ('everybody', 'managers')", name="posting"),
    CheckConstraint("slow_seconds >= 0", name="slow_seconds"),
    CheckConstraint(
        "kind <> 'direct' OR (topic = '' AND description = '' AND posting = 'everybody' AND slow_seconds = 0 "
        "AND archived_at IS NULL)",
        name="plain_direct",
    ),
    Index("rooms_open_name_key", func.folded(text("name")), unique=True, postgresql_where=text("kind = 'open'")),
)

# Invite links: one for the chat, without a room, and at most one for each room.
invites = Table(
    "invites",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("token", Text, nullable=False, unique=True),
    Column("room_id", BigInteger, ForeignKey("rooms.id", ondelete="CASCADE"), unique=True),
    Column("made_by", BigInteger, ForeignKey("users.id", ondelete="SET NULL")),
    Column("expires_at", DateTime(timezone=True)),
    Column("most_uses", Integer),
    Column("uses", Integer, nullable=False, server_default="0"),
    _now(),
    CheckConstraint("uses BETWEEN 0 AND coalesce(most_uses, uses)", name="uses"),
    Index("invites_chat_key", text("(room_id IS NULL)"), unique=True, postgresql_where=text("room_id IS NULL")),
)

memberships = Table(
    "memberships",
    metadata,
    Column("room_id", BigInteger, ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("role", Text, nullable=False),
    Column("read_position", BigInteger, nullable=False, server_default="0"),
    Column("level", Text, nullable=False, server_default="mentions"),
    Column("favourite", Boolean, nullable=False, server_default=text("false")),
    Column("posted_at", DateTime(timezone=True)),  # set only in rooms with slow mode
    _now(),
    CheckConstraint("role IN ('owner', 'member')", name="role"),
    CheckConstraint("level IN ('everything', 'mentions', 'nothing', 'hidden')", name="level"),
    Index("memberships_owners_idx", "room_id", postgresql_where=text("role = 'owner'")),
)

# People who left a group conversation. Together with its members they are the people its `direct_key` names.
departures = Table(
    "departures",
    metadata,
    Column("room_id", BigInteger, ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    _now(),
)

messages = Table(
    "messages",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("room_id", BigInteger, ForeignKey("rooms.id", ondelete="CASCADE"), nullable=False),
    Column("author_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("body", Text, nullable=False),
    Column("body_html", Text, nullable=False),  # rendered when the message is posted or edited
    Column("reactions", JSONB, nullable=False, server_default="[]"),  # [{"emoji": …, "by": [user ids]}]
    Column("continues", Boolean, nullable=False),
    Column("starts_day", Boolean, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("posted_revision", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("edited_at", DateTime(timezone=True)),
    Column("deleted_at", DateTime(timezone=True)),
    Column("pinned_at", DateTime(timezone=True)),
    Column("pinned_by", BigInteger, ForeignKey("users.id", ondelete="SET NULL")),
    Column("reply_to_id", BigInteger, ForeignKey("messages.id", ondelete="SET NULL")),
    Column("file_count", Integer, nullable=False, server_default="0"),
    Column("link_count", Integer, nullable=False, server_default="0"),  # of its previews
    CheckConstraint("deleted_at IS NULL OR body = ''", name="deleted_body"),
    CheckConstraint("deleted_at IS NULL OR pinned_at IS NULL", name="deleted_pin"),
    CheckConstraint("char_length(body) <= 10000", name="body_length"),
    UniqueConstraint("author_id", "client_id"),
    UniqueConstraint("room_id", "position"),
    UniqueConstraint("room_id", "revision"),
    Index("messages_deleted_idx", "room_id", "position", postgresql_where=text("deleted_at IS NOT NULL")),
    Index("messages_reply_to_id_idx", "reply_to_id", postgresql_where=text("reply_to_id IS NOT NULL")),
    Index("messages_pinned_idx", "room_id", "pinned_at", postgresql_where=text("pinned_at IS NOT NULL")),
)

# One row for each person a message mentions. A mention is unread while it is above the person's read position.
mentions = Table(
    "mentions",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("message_id", BigInteger, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("room_id", BigInteger, ForeignKey("rooms.id", ondelete="CASCADE"), nullable=False),
    Column("position", BigInteger, nullable=False),
    Index("mentions_user_id_room_id_position_idx", "user_id", "room_id", "position"),
)

# Uploads, and the files of messages: an upload with a `message_id` is its file. `object` and the thumbnails are keys in
# the store; an unfinished upload has `pieces` instead. The trigger `forget_files` puts the keys of a deleted row among
# the `stray_objects`, also when its message or room is deleted.
files = Table(
    "files",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("client_id", Uuid, nullable=False),
    Column("author_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("room_id", BigInteger, ForeignKey("rooms.id", ondelete="CASCADE"), nullable=False),
    Column("message_id", BigInteger, ForeignKey("messages.id", ondelete="CASCADE")),
    Column("place", Integer),  # in the message, from 1
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),  # as announced
    Column("received", BigInteger, nullable=False, server_default="0"),
    Column("pieces", ARRAY(Uuid), nullable=False, server_default="{}"),
    Column("object", Uuid),
    Column("bytes", BigInteger),  # of the object: a picture is stored without its metadata
    Column("kind", Text),  # its media type, decided from the content
    Column("width", Integer),
    Column("height", Integer),
    Column("colour", Text),  # shown until the picture has loaded
    Column("is_animated", Boolean, nullable=False, server_default=text("false")),
    Column("thumbnail", Uuid),
    Column("sharp_thumbnail", Uuid),  # for dense screens
    Column("alt", Text, nullable=False, server_default=""),
    Column("finished_at", DateTime(timezone=True)),
    _now(),
    CheckConstraint("received BETWEEN 0 AND size", name="received"),
    CheckConstraint(
        "(finished_at IS NULL) = (object IS NULL) AND (object IS NULL OR (bytes IS NOT NULL AND kind IS NOT NULL))",
        name="finished",
    ),
    CheckConstraint(
        "message_id IS NULL OR (finished_at IS NOT NULL AND place IS NOT NULL)",
        name="attached",
    ),
    CheckConstraint("(width IS NULL) = (height IS NULL)", name="dimensions"),
    CheckConstraint("char_length(name) BETWEEN 1 AND 200", name="name"),
    CheckConstraint("char_length(alt) <= 1000", name="alt"),
    UniqueConstraint("author_id", "client_id"),
    Index("files_message_id_idx", "message_id", "place", postgresql_where=text("message_id IS NOT NULL")),
    Index("files_room_id_idx", "room_id", "message_id", postgresql_where=text("message_id IS NOT NULL")),
    Index("files_waiting_idx", "author_id", "created_at", postgresql_where=text("message_id IS NULL")),
)
