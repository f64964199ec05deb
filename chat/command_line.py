"""The command line: its subcommands and options, and its help, which lists every setting."""

import argparse
from pathlib import Path

from chat.database import schema
from chat.installed import COMMAND

DESCRIPTION = """\
simplechat: a chat for a small team, club or class, on your own server.

Without DATABASE_URL it starts a private PostgreSQL with its data under var/, migrates it, and serves on
http://localhost:8000. With DATABASE_URL (and perhaps REDIS_URL) it uses those servers.
"""

SETTINGS_HELP = """\
settings, all taken from the environment and all optional:
  DATABASE_URL         postgres://user:password@host/database?sslmode=require
  DATABASE_POOL        most connections a process opens to PostgreSQL (20)
  REDIS_URL            redis://host:6379/0 or rediss://…: the broker between processes
  REDIS_TLS_VERIFY     no: accept any certificate of a rediss:// server, such as Heroku's self-signed ones (yes)
  BROADCAST_URL        another broker: postgresql://…, nats://…, amqp://…, kafka://…, redis+sentinel://…,
                       redis+cluster://… (docs/brokers.md);
                       DATABASE_URL if WEB_CONCURRENCY is over 1 without REDIS_URL
  SECRET_KEY           signs the sign-in tokens, at least 32 bytes; required with DATABASE_URL
  PUBLIC_URL           the address people use, such as https://chat.example.org: cookies and links follow from it
  ALLOWED_HOSTS        other names the chat answers to, such as chat.lan,*.example.org; * for any
  HSTS_INCLUDE_SUBDOMAINS  yes: tell browsers to use https for all subdomains, too (no)
  HOST, PORT           where to listen (0.0.0.0, 8000)
  WEB_CONCURRENCY      how many processes serve (1)
  GRACE                seconds a process may take to shut down: 8 or more, less than the platform's limit (20)
  SETUP_CODE           code that opens the first run, at least 16 characters (a link in the log)
  METRICS_TOKEN        lets other machines read /metrics, at least 16 characters (this machine only)
  OTEL_EXPORTER_OTLP_ENDPOINT  a collector of OpenTelemetry traces, such as http://localhost:4318 (none)
  SENTRY_DSN           a Sentry that gets a report of each error: https://key@sentry.example.org/1 (none)
  SESSION_DAYS         days after which everybody must sign in again (90)
  LOG_FORMAT           text, or json for one JSON object a line (text)
  FORWARDED_ALLOW_IPS  proxies whose X-Forwarded-* to trust: addresses, networks or * (127.0.0.1,::1)
  CONNECTIONS_PER_ADDRESS  most connections from one address of people who are not signed in (500)
  PAGES_PER_PERSON     most open pages of one person in one process; the oldest is disconnected (50)
  RATE_LIMITS          multiplies all rate limits; above 1 only for load tests (1)
  FILES_URL            where files are kept: a folder, or s3://bucket/prefix?endpoint=https://… (var/files)
  MAX_FILE_SIZE        megabytes of a file (100)
  MAX_FILES            most files of a message (20)
  MAX_STORAGE          megabytes of all files together; 0 for as much as the store takes (0)
  MAX_UPLOADS          most files of one person that belong to no message yet (100)
  FILE_TYPES           the types of files that the chat takes, such as image/*,application/pdf (any)
  FILES_ACCEL          a path of nginx from which it sends files of the folder, such as /protected
  FILES_REDIRECT       yes: downloads come straight from the bucket, by signed addresses (no)
  LINK_PREVIEWS        no: the chat fetches no pages that members link to (yes)
  LINK_PREVIEW_ALLOW   private networks that the chat may fetch pages from, such as 10.0.0.0/8
  DATA_DIRECTORY       where the private PostgreSQL and the generated secret key are kept (var)
"""


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line: the subcommands, their options, and the help."""
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description=DESCRIPTION,
        epilog=SETTINGS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("serve", help="start the chat (the default)")
    migrating = commands.add_parser("migrate", help="bring the database to this version's tables, or to others")
    migrating.add_argument("--to", metavar="REVISION", help="another revision; a lower one deletes what it cannot hold")
    waiting = "how long to wait for another process that migrates (%(default)g)"
    migrating.add_argument("--wait", type=float, metavar="SECONDS", default=schema.TURN_SECONDS, help=waiting)
    backing_up = commands.add_parser("backup", help="write everything into one file; the chat may be running")
    backing_up.add_argument("--without-files", action="store_true", help="leave out files and pictures")
    restoring = commands.add_parser("restore", help="put everything back from such a file; the chat may be running")
    restoring.add_argument("--replace", action="store_true", help="discard what is in the database now")
    restoring.add_argument("--any-size", action="store_true", help="accept a file that unpacks to an unusual size")
    for command in (backing_up, restoring):
        command.add_argument("file", type=Path, help="or - for standard output or input")
    return parser
