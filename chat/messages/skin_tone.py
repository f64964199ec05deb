"""The skin tone that a person has chosen for their emoji."""

from sqlalchemy import update

from chat.change import Change
from chat.errors import InvalidInput
from chat.ids import UserId
from chat.live.events import PreferencesChanged
from chat.messages.emoji import TONES
from chat.messages.reactions import quick_reactions
from chat.models import users
from chat.templating import fragment


async def choose_skin_tone(change: Change, user_id: UserId, chosen: str) -> int:
    """Choose a skin tone by its place in `TONES`, which is returned; raises `InvalidInput`."""
    places = {str(place): place for place in range(len(TONES))}
    if chosen not in places:
        raise InvalidInput(tone="Choose a skin tone.")
    tone = places[chosen]
    await change.connection.execute(update(users).where(users.c.id == user_id).values(skin_tone=tone))
    toned = [each for each in quick_reactions() if each.toned(1) != each.character]
    change.tell(PreferencesChanged(user_id, fragment("messages/_tone_changed.html", quick=toned, tone=tone)))
    return tone
