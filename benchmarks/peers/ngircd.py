"""A private ngircd, and a client of IRC (RFC 2812). It stores nothing."""

import subprocess
from textwrap import dedent

from benchmarks.peers.installed import Installed
from benchmarks.peers.peer import Client, Peer
from benchmarks.peers.sizes import Sizes
from benchmarks.peers.wire import Crowd, Wire, shows
from benchmarks.programs import found

CONFIGURATION = """
    [Global]
    Name = irc.localhost
    Info = benchmark
    AdminInfo1 = benchmark
    MotdPhrase = hello
    Listen = 127.0.0.1
    Ports = {port}
    ServerUID = nobody
    ServerGID = nogroup
    [Limits]
    MaxConnections = 0
    MaxConnectionsIP = 0
    MaxJoins = 0
    MaxNickLength = 20
    MaxPenaltyTime = 0
    PingTimeout = 120
    [Options]
    Ident = no
    PAM = no
    DNS = no
"""


class IrcWire(Wire):
    """A wire that answers the server's pings."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if data.startswith(b"PING "):
            self.say(b"PONG " + data[5:].partition(b"\r\n")[0] + b"\r\n")


class IrcClient(Client):
    """A person with a nickname."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._room = 0

    async def enter(self, room: int, place: str) -> None:
        self._room = room
        await self._wire.ask(f"JOIN #room{room}\r\n".encode(), shows(b" 366 "))

    async def return_to(self, room: int, place: str, last: bytes) -> None:
        await self.enter(room, place)

    async def post(self, text: str) -> None:
        self._wire.say(f"PRIVMSG #room{self._room} :{text}\r\n".encode())

    async def newest(self) -> int:
        raise NotImplementedError("IRC has no history")

    def count_for(self, crowd: Crowd) -> None:
        self._wire.crowd = crowd

    def close(self) -> None:
        self._wire.close()


class Ngircd(Installed, Peer):
    """ngircd without limits and penalties."""

    name = "ngircd"
    at_once = 10  # its listener queues no more; who is dropped comes again after a second

    def __init__(self, _sizes: Sizes) -> None:
        self._program = found("ngircd")
        super().__init__()
        self.folder.chmod(0o755)  # its account is not root's
        self._configuration = self.folder / "ngircd.conf"
        self._configuration.write_text(dedent(CONFIGURATION.format(port=self.port)))

    @property
    def version(self) -> str:
        text = subprocess.run([self._program, "--version"], capture_output=True, text=True, check=True).stdout
        return text.split()[1].partition("-")[0]

    async def client(self, number: int) -> IrcClient:
        wire = await IrcWire.open(self.port)
        await wire.ask(f"NICK person{number}\r\nUSER person{number} 0 * :Person {number}\r\n".encode(), shows(b" 376 "))
        return IrcClient(wire)

    def _command(self) -> list[str]:
        return [self._program, "-n", "-f", str(self._configuration)]
