"""What open pages are told when somebody is about something else."""

from starlette.datastructures import State

from chat.ids import UserId


async def announce_status(state: State, user_id: UserId) -> None:
    """Somebody's status is another."""
    await state.presence.announce_status()
    await state.notices.refresh_sidebars([user_id])
