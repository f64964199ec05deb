"""The tables of link previews (`chat.messages.previewing`)."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)

from chat.derived_tables import metadata

# The metadata of pages of the internet. A row never changes: until it expires, further messages with the same
# link refer to it, and later ones to another. A `failure` keeps them from asking again. `picture` is a key in the
# store; the trigger `forget_picture` puts it among the `stray_objects` when the row is deleted.
link_previews = Table(
    "link_previews",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("address", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("fetched_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("failure", Text),
    Column("site", Text, nullable=False, server_default=""),
    Column("title", Text, nullable=False, server_default=""),
    Column("description", Text, nullable=False, server_default=""),
    Column("picture", Uuid),
    Column("picture_kind", Text),
    Column("width", Integer),
    Column("height", Integer),
    CheckConstraint("(failure IS NULL) = (title <> '')", name="failure"),
    CheckConstraint(
        "char_length(address) <= 2000 AND char_length(site) <= 100 AND char_length(title) <= 200 "
        "AND char_length(description) <= 300",
        name="lengths",
    ),
    CheckConstraint(
        "(picture IS NULL) = (picture_kind IS NULL) AND (picture IS NULL) = (width IS NULL) "
        "AND (picture IS NULL) = (height IS NULL)",
        name="picture",
    ),
    Index("link_previews_address_idx", "address", "expires_at"),
    Index("link_previews_host_idx", "host", "fetched_at"),
    Index("link_previews_expires_at_idx", "expires_at"),
)

# The links with a preview: of a page of the internet, or of a message of this chat. The row of a removed preview stays,
# so that the preview does not come back.
message_links = Table(
    "message_links",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("message_id", BigInteger, ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("place", Integer, nullable=False),  # in the message, from 1
    Column("address", Text, nullable=False),
    Column("preview_id", BigInteger, ForeignKey("link_previews.id")),
    Column("quoted_id", BigInteger, ForeignKey("messages.id", ondelete="CASCADE")),
    Column("removed_at", DateTime(timezone=True)),
    CheckConstraint("num_nonnulls(preview_id, quoted_id) = 1", name="shown"),
    UniqueConstraint("message_id", "address"),
    Index("message_links_preview_id_idx", "preview_id", postgresql_where=text("preview_id IS NOT NULL")),
    Index("message_links_quoted_id_idx", "quoted_id", postgresql_where=text("quoted_id IS NOT NULL")),
)

# Messages whose links are to be looked at, by any process. The one that does so moves `due_at`, so that another takes
# over if it dies. `origin` is the chat's own, as the author's browser named it.
links_to_show = Table(
    "links_to_show",
    metadata,
    Column(
        "message_id", BigInteger, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("origin", Text, nullable=False, server_default=""),
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=func.now(), index=True),
    Column("attempts", Integer, nullable=False, server_default="0"),
    info={"derived": True},
)
