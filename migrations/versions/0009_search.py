"""What people search in, apart from the messages, so that no post waits for its words to be sorted."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.create_table(
        "searchable",
        sa.Column(
            "message_id",
            sa.BigInteger,
            sa.ForeignKey("messages.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
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
        sa.Index("searchable_room_id_message_id_idx", "room_id", "message_id"),
        sa.Index("searchable_author_id_message_id_idx", "author_id", "message_id"),
        sa.Index("searchable_link_idx", "message_id", postgresql_where=sa.text("has_link")),
        sa.Index("searchable_words_idx", "words", postgresql_using="gin"),
        sa.Index("searchable_text_idx", "text", postgresql_using="gin", postgresql_ops={"text": "gin_trgm_ops"}),
    )
    op.create_table(
        "search_progress",
        sa.Column(
            "room_id",
            sa.BigInteger,
            sa.ForeignKey("rooms.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.add_column("users", sa.Column("recent_searches", ARRAY(sa.Text), nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("users", "recent_searches")
    op.drop_table("search_progress")
    op.drop_table("searchable")
