"""Short texts that open pages post over their websockets, without the cost of a request.

What is refused here the page sends once more, as a form with the same client id. So there is one place that says why
something is refused, and a text is posted once whichever way it comes.
"""

from dataclasses import dataclass

from chat.audit import RequestContext, request_context
from chat.errors import DatabaseUnavailable, InvalidInput
from chat.ids import SessionId, UserId
from chat.live.frames import upserted
from chat.live.page_frames import PagePost
from chat.live.reader import Reader
from chat.messages.commands import order_in
from chat.messages.markdown import SHORT
from chat.messages.post import Posting
from chat.messages.posted import NotPosted
from chat.throttling.rules import POST, TYPING, WRITE
from chat.throttling.throttling import Throttling
from chat.tracing.tracing import NO_SPAN, Tracing


@dataclass(frozen=True, slots=True)
class _Author:
    id: UserId
    session_id: SessionId


class PagePosts:
    """Posts the texts of pages."""

    def __init__(self, posting: Posting, throttling: Throttling, tracing: Tracing) -> None:
        self._posting = posting
        self._throttling = throttling
        self._tracing = tracing

    async def post(self, reader: Reader, post: PagePost) -> str:
        """Post a text as the person of a page, and return the answer to the page.

        Raises `TooManyRequests` for more texts than a person may send as forms, whatever is in them.
        """
        await self._throttling.check(WRITE, {"person": str(reader.user_id)})
        if len(post.body) >= SHORT or "@" in post.body or order_in(post.body) is not None:
            return post.refused
        span = self._tracing.begin("request", of="server") if self._tracing.is_on else NO_SPAN
        # For the audit log and the trace.
        request_context.set(RequestContext(user_id=reader.user_id, trace=span.trace))
        answer = post.refused
        try:
            answer = await self._answer(reader, post)
        except (InvalidInput, NotPosted, DatabaseUnavailable):
            pass
        finally:
            span.end("post of a page", attributes={"chat.posted": int(answer != post.refused)})
        return answer

    async def _answer(self, reader: Reader, post: PagePost) -> str:
        author = _Author(reader.user_id, reader.session_id)
        await self._throttling.check(POST, {"person": str(reader.user_id)})
        posted = await self._posting.post_by_itself(author, post.room_id, post.body, post.client_id)
        await self._throttling.forget(TYPING, {"room": f"{post.room_id}/{reader.user_id}"})
        return post.accepted(upserted(posted.html))
