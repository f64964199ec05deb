"""A private ejabberd, with its archive in PostgreSQL."""

from pathlib import Path
from textwrap import dedent

from benchmarks.peers.installed import Installed
from benchmarks.peers.sizes import Sizes
from benchmarks.peers.xmpp import HOST, ROOMS, XmppPeer
from benchmarks.programs import NotHere, found
from chat.database import embedded
from tests.support.databases import execute, run
from tests.support.people import PASSWORD

SCHEMA = Path("/usr/share/ejabberd/sql/pg.sql")
CONFIGURATION = """
    hosts: [{host}]
    loglevel: warning
    listen:
      - {{port: {port}, ip: "127.0.0.1", module: ejabberd_c2s, shaper: none, starttls: false, backlog: 1000}}
    auth_method: sql
    auth_password_format: plain
    sql_type: pgsql
    sql_server: "127.0.0.1"
    sql_port: {database_port}
    sql_database: {database}
    sql_username: postgres
    modules:
      mod_mam: {{db_type: sql, request_activates_archiving: false}}
      mod_muc:
        host: {rooms}
        max_users: 5000
        max_user_conferences: 100
        default_room_options: {{persistent: true, mam: true, max_users: 5000, allow_change_subj: false}}
"""


class Ejabberd(Installed, XmppPeer):
    """ejabberd without busy waiting, shapers and encryption."""

    name = "ejabberd"

    def __init__(self, sizes: Sizes) -> None:
        found("ejabberdctl")
        libraries = sorted(Path("/usr/lib").glob("*/ejabberd-*/ebin"))
        drivers = list(Path("/usr/lib/erlang/lib").glob("p1_pgsql-*"))
        if not (libraries and drivers and SCHEMA.exists()):
            raise NotHere("ejabberd or erlang-p1-pgsql is not installed as in Debian")
        super().__init__()
        self._ebin = libraries[0]
        postgres = self.own_database()
        run(execute(postgres.url, SCHEMA.read_text()))
        accounts = "INSERT INTO users (username, password) SELECT 'person' || n, $1 FROM generate_series(1, $2::int) n"
        run(execute(postgres.url, accounts, PASSWORD, sizes.people))
        text = CONFIGURATION.format(
            host=HOST, port=self.port, database_port=postgres.port, database=embedded.DATABASE, rooms=ROOMS
        )
        (self.folder / "ejabberd.yml").write_text(dedent(text))

    @property
    def version(self) -> str:
        # Debian's folder is ejabberd-23.01-1.
        return self._ebin.parent.name.split("-")[1]

    def _command(self) -> list[str]:
        folder = self.folder
        # Without a node name it needs no epmd, which would stay when it ends.
        return [
            *("env", f"HOME={folder}", f"EJABBERD_CONFIG_PATH={folder}/ejabberd.yml"),
            *(f"EJABBERD_LOG_PATH={folder}/ejabberd.log", f"SPOOL_DIR={folder}/database"),
            *(found("erl"), "+K", "true", "+P", "250000", "+Q", "65536"),
            *("+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"),
            *("-noinput", "-pa", str(self._ebin), "-mnesia", "dir", f'"{folder}/database"', "-s", "ejabberd"),
        ]
