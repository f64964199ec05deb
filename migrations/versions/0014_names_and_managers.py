"""Build indexes for names and parts of names, and for the few among many: managers, and people with a status."""

from chat.database.migrating import build_index, drop_index

revision = "0014"
down_revision = "0013"

WORDS = "' ' || translate(bare_name, '-_.''’(', '      ')"
INDEXES = {
    "users_name_idx": "users (lower(name), id)",
    "users_bare_name_idx": "users USING gin (bare_name gin_trgm_ops)",
    "users_words_idx": f"users USING gin (({WORDS}) gin_trgm_ops)",
    "users_start_idx": "users (left(bare_name, 3))",
    "users_administrators_idx": "users (id) WHERE role = 'administrator'",
    "users_status_idx": "users (id) WHERE status_emoji <> ''",
    "memberships_owners_idx": "memberships (room_id) WHERE role = 'owner'",
}


def upgrade() -> None:
    for name, on in INDEXES.items():
        build_index(name, on)


def downgrade() -> None:
    for name in INDEXES:
        drop_index(name)
