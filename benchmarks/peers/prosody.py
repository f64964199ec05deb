"""A private prosody, with its archive in PostgreSQL."""

from pathlib import Path
from textwrap import dedent

from benchmarks.peers.installed import Installed
from benchmarks.peers.sizes import Sizes
from benchmarks.peers.xmpp import HOST, ROOMS, XmppPeer
from benchmarks.programs import NotHere, found
from chat.database import embedded
from tests.support.people import PASSWORD

CONFIGURATION = """
    run_as_root = true
    daemonize = false
    pidfile = "{folder}/pid"
    data_path = "{folder}/data"
    log = {{ warn = "{folder}/log" }}
    interfaces = {{ "127.0.0.1" }}
    c2s_ports = {{ {port} }}
    modules_enabled = {{ "saslauth", "disco" }}
    modules_disabled = {{ "s2s", "offline", "tls" }}
    authentication = "internal_plain"
    c2s_require_encryption = false
    allow_unencrypted_plain_auth = true
    sql = {{ driver = "PostgreSQL", host = "127.0.0.1", port = {database_port}, database = "{database}",
             username = "postgres" }}
    VirtualHost "{host}"
    Component "{rooms}" "muc"
        modules_enabled = {{ "muc_mam" }}
        storage = {{ muc_log = "sql" }}
        archive_expires_after = "never"
        muc_log_by_default = true
        muc_log_presences = false
        muc_room_locking = false
        muc_room_default_persistent = true
        muc_room_default_public = true
"""


class Prosody(Installed, XmppPeer):
    """prosody with few modules, without limits and encryption."""

    name = "prosody"

    def __init__(self, sizes: Sizes) -> None:
        self._program = found("prosody")
        if not list(Path("/usr/lib").glob("*/lua/5.4/dbd/postgresql.so")):
            raise NotHere("lua-dbi-postgresql is not installed")
        super().__init__()
        postgres = self.own_database()
        accounts = self.folder / "data" / HOST / "accounts"
        accounts.mkdir(parents=True)
        for number in range(1, sizes.people + 1):
            (accounts / f"person{number}.dat").write_text(f'return {{ ["password"] = "{PASSWORD}"; }};\n')
        text = CONFIGURATION.format(
            folder=self.folder,
            host=HOST,
            port=self.port,
            database_port=postgres.port,
            database=embedded.DATABASE,
            rooms=ROOMS,
        )
        self._configuration = self.folder / "prosody.cfg.lua"
        self._configuration.write_text(dedent(text))

    @property
    def version(self) -> str:
        # The program itself knows no --version: it starts.
        return Path("/usr/lib/prosody/prosody.version").read_text().strip()

    def _command(self) -> list[str]:
        return [self._program, "--config", str(self._configuration), "-F"]
