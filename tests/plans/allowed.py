"""The statements that may read more than they return: the rows they may read in this chat, and why.

A search for an emoji is not visited. It reads all messages, because signs are in no index.
"""

# By module and function.
MAY_READ = {
    "accounts/look_alikes.py check_look_alikes": (5_100, "a new name is compared with all names"),
    "accounts/directory.py find_people": (5_100, "two letters are too few for the index of parts of names"),
    "accounts/sessions.py delete_ended_sessions": (21_000, "once an hour"),
    "files/room_files.py _largest": (36_000, "adds up all files for the administrator's page of the chat's state"),
    "files/room_files.py files_in": (6_000, "looks for those of a kind among the room's 2,000 files"),
    "files/uploads.py _check_room_for": (31_000, "adds up all files, where MAX_STORAGE limits them"),
    "messages/completions.py _people": (4_000, "expects one name, so it goes through the room's members for each"),
    "messages/link_queue.py take_due": (8_000, "sorts what waits, so that authors take turns"),
    "rooms/browse.py find_rooms": (20_000, "counts the members of each room that it lists"),
    "rooms/members.py candidates_for": (11_000, "everybody is in the lobby, so nobody is found"),
    "rooms/members.py count_members": (5_100, "counts the room's members"),
    "rooms/members.py member_ids": (5_100, "@room mentions everybody"),
    "rooms/members.py members_among": (5_100, "reads all 5,000 people about as fast as some by an index"),
    "rooms/members.py members_of": (6_100, "reads all 5,000 people about as fast as 50 by an index"),
    "rooms/quotes.py look_again_where_quoted": (270_000, "looks at all links, when a manager changes a room's kind"),
    "rooms/read_positions.py counts_above": (2_100, "asks for the reader's 400 rooms, by reading all 1,500"),
    "rooms/settings.py delete_room": (31_000, "a foreign key looks for the room in all files"),
    "rooms/room.py room_of_member_and_version": (6_100, "counts the room's members"),
    "rooms/room.py visible_room": (6_100, "counts the room's members"),
    "rooms/sidebar.py _my_rooms": (8_500, "counts the room's members, and sorts the reader's 400 rooms"),
    "rooms/sidebar.py room_to_open": (4_000, "sorts the reader's 400 rooms, by reading all 1,500"),
    "search/find.py _find": (1_010_000, "may expect frequent matches, and read back through all messages"),
    "search/index_steps.py find_work": (3_100, "compares all rooms with the index"),
    "search/index_steps.py has_work": (3_100, "compares all rooms with the index"),
    "search/lag.py lag_of": (3_200, "compares all rooms with the index, once a minute"),
}

# Statements that only a fault or a race calls for, the first start, or an interface that has more than the chat uses.
NOT_REACHED = {
    "accounts/installation.py create_installation",
    "files/tidying.py _put_off",
    "files/uploads.py begin_upload",
    "messages/link_queue.py put_off",
    "search/index_steps.py set_aside",
    "throttling/postgres.py check",
    "throttling/postgres.py get",
    "throttling/postgres.py get_expiry",
    "throttling/postgres.py reset",
}
