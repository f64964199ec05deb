"""A client of XMPP (RFC 6120) that knows multi-user chat (XEP-0045) and its archive (XEP-0313), over plain TCP."""

import itertools
import re
from base64 import b64encode
from datetime import UTC, datetime

from benchmarks.peers.peer import Client, Peer
from benchmarks.peers.wire import Crowd, Wire, shows
from tests.support.people import PASSWORD

HOST, ROOMS = "localhost", "rooms.localhost"
STREAM = (
    f"<stream:stream to='{HOST}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
).encode()
MUC, SASL, BIND = (
    "http://jabber.org/protocol/muc",
    "urn:ietf:params:xml:ns:xmpp-sasl",
    "urn:ietf:params:xml:ns:xmpp-bind",
)
FEATURES = shows(b"</stream:features>")


class XmppClient(Client):
    """A member who is signed in."""

    def __init__(self, wire: Wire, number: int) -> None:
        self._wire, self._number = wire, number
        self._room = ""
        self._ids = itertools.count(1)

    async def enter(self, room: int, place: str) -> None:
        self._room = f"room{room}@{ROOMS}"
        join = (
            f"<presence to='{self._room}/person{self._number}'>"
            f"<x xmlns='{MUC}'><history maxstanzas='0'/></x></presence>"
        )
        # The subject is the last thing that a room sends to a newcomer.
        await self._wire.ask(join.encode(), shows(b"<subject"))

    async def return_to(self, room: int, place: str, last: bytes) -> None:
        await self.enter(room, place)
        form = (
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value>"
            f"</field><field var='start'><value>{place}</value></field></x>"
        )
        answer = await self._archive(form)
        if last not in answer:
            raise RuntimeError(f"{last!r} is missing: {answer[-500:]!r}")

    async def post(self, text: str) -> None:
        message = f"<message to='{self._room}' type='groupchat' id='m{next(self._ids)}'><body>{text}</body></message>"
        await self._wire.ask(message.encode(), shows(text.encode()))

    async def newest(self) -> int:
        rsm = "<set xmlns='http://jabber.org/protocol/rsm'><max>50</max><before/></set>"
        return (await self._archive(rsm)).count(b"<forwarded")

    def count_for(self, crowd: Crowd) -> None:
        self._wire.crowd = crowd

    def close(self) -> None:
        self._wire.close()

    async def _archive(self, what: str) -> bytes:
        number = next(self._ids)
        question = f"<iq to='{self._room}' type='set' id='q{number}'><query xmlns='urn:xmpp:mam:2'>{what}</query></iq>"
        return await self._wire.ask(question.encode(), shows(b"</fin>"))


class XmppPeer(Peer):
    """A server of XMPP."""

    port: int

    async def client(self, number: int) -> XmppClient:
        wire = await Wire.open(self.port)
        await wire.ask(STREAM, FEATURES)
        secret = b64encode(f"\0person{number}\0{PASSWORD}".encode()).decode()
        await wire.ask(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{secret}</auth>".encode(), shows(b"<success"))
        await wire.ask(STREAM, FEATURES)
        bound = await wire.ask(f"<iq type='set' id='b'><bind xmlns='{BIND}'/></iq>".encode(), shows(b"</iq>"))
        if not re.search(rb"<jid>person\d+@", bound):
            raise RuntimeError(f"not bound: {bound!r}")
        return XmppClient(wire, number)

    async def place(self, room: int) -> str:
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
