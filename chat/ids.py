"""Types of ids and other numbers, so that mypy finds those that are mixed up."""

from typing import NewType

UserId = NewType("UserId", int)
SessionId = NewType("SessionId", int)
RoomId = NewType("RoomId", int)
MessageId = NewType("MessageId", int)
InviteId = NewType("InviteId", int)
FileId = NewType("FileId", int)

# A room's change counter: posts, edits and deletions each add one, in commit order, without gaps.
Revision = NewType("Revision", int)

# A message's number within its room, 1 for the first one.
Position = NewType("Position", int)
