"""The tables that the chat can rebuild, which backups leave out; and the metadata of all tables."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)


def _message_key() -> Column[int]:
    key = ForeignKey("messages.id", ondelete="CASCADE")
    return Column("message_id", BigInteger, key, primary_key=True, autoincrement=False)


# Keys in the store that no row holds: of deleted files and replaced pictures, and of objects that are being written.
# When a key is due, its object is deleted; if that fails, it is tried again later.
stray_objects = Table(
    "stray_objects",
    metadata,
    Column("key", Uuid, primary_key=True),
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=func.now(), index=True),
    Column("attempts", Integer, nullable=False, server_default="0"),
    info={"derived": True},
)

# The search index, filled after messages are posted: indexing a message costs as much as posting it, and at times half
# a second, too long to hold a room's lock. Chinese and Japanese are written without spaces, and Korean words carry
# their particles, so each of their letters is a word, and a search term is a phrase.
searchable = Table(
    "searchable",
    metadata,
    _message_key(),
    Column("room_id", BigInteger, nullable=False),
    Column("author_id", BigInteger, nullable=False),
    Column("posted_at", DateTime(timezone=True), nullable=False),
    Column("has_link", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column(
        "words",
        TSVECTOR,
        Computed(
            "to_tsvector('simple', regexp_replace(text, "
            r"'([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff])', ' \1 ', 'g'))",
            persisted=True,
        ),
        nullable=False,
    ),
    Index("searchable_room_id_message_id_idx", "room_id", "message_id"),
    Index("searchable_author_id_message_id_idx", "author_id", "message_id"),
    Index("searchable_link_idx", "message_id", postgresql_where=text("has_link")),
    Index("searchable_words_idx", "words", postgresql_using="gin"),
    Index("searchable_text_idx", "text", postgresql_using="gin", postgresql_ops={"text": "gin_trgm_ops"}),
    info={"derived": True},
)

# Messages that PostgreSQL cannot index, or not fast enough. They are retried from time to time.
unsearchable = Table(
    "unsearchable",
    metadata,
    _message_key(),
    Column("reason", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="1"),
    Column("tried_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    info={"derived": True},
)

# The revision of each room up to which `searchable` is complete.
search_progress = Table(
    "search_progress",
    metadata,
    Column("room_id", BigInteger, ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    info={"derived": True},
)

# Counters of the rate limits, for several processes without Redis (`chat/throttling/postgres.py`).
throttles = Table(
    "throttles",
    metadata,
    Column("key", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False, index=True),
    prefixes=["UNLOGGED"],
    info={"derived": True},
)
