"""Reading a broadcaster subscription."""

from collections.abc import AsyncIterator

from broadcaster._base import Subscriber, Unsubscribed


async def messages_of(subscriber: Subscriber) -> AsyncIterator[str]:
    """Yield the messages of a subscription until it ends."""
    while True:
        try:
            event = await subscriber.get()
        except Unsubscribed:
            return
        yield event.message
