"""`python -m chat`: the one-command start."""

import argparse
import asyncio
import gc
import logging
import os
import secrets
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import asyncpg
import uvicorn
from starlette.applications import Starlette

from chat import logs
from chat.accounts.set_up import invitation_at_start
from chat.app import create_app
from chat.command_line import make_parser
from chat.database import embedded, schema
from chat.database.poolers import pooling_of
from chat.errors import CannotRun, DatabaseUnavailable
from chat.installed import COMMAND, has_extra, how_to_install
from chat.live.brokers.broker import create_broadcast
from chat.live.brokers.postgres import POOLED
from chat.live.wire import LiveProtocol
from chat.metrics.shared import shared_folder
from chat.reporting import Reporting
from chat.secret_key import SECRET_KEY_BYTES
from chat.serving.files import backlog, raise_file_limit
from chat.serving.protocol import BoundedProtocol
from chat.settings import METRICS_FOLDER, PRIVATE_DATABASE, Settings, SettingsError
from chat.sqlstates import MISSING_DATABASE

# The part of a shutdown beyond the requests in progress: closing sockets, and last messages to broker and database.
FAREWELL_SECONDS = 6


def main(arguments: list[str] | None = None) -> None:
    """Run a subcommand; exits with one clear line when it cannot run, as when a setting is wrong."""
    chosen = make_parser().parse_args(arguments)
    # uvicorn raises the signal again after its shutdown; unhandled, SIGTERM would leave the database running.
    signal.signal(signal.SIGTERM, _exit)
    try:
        environment = dict(os.environ)
        if chosen.command in ("migrate", "backup", "restore"):
            # These commands sign nothing.
            environment["SECRET_KEY"] = secrets.token_hex(SECRET_KEY_BYTES)
        settings = Settings.from_environment(environment)
        logs.set_up(settings.log_format)
        with ExitStack() as stack:
            _run(chosen, settings, stack)
    except CannotRun as error:
        sys.exit(f"simplechat: {error}")
    except (DatabaseUnavailable, asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError) as error:
        sys.exit(f"simplechat: the database cannot be reached: {error}")
    except KeyboardInterrupt:
        pass


def _run(chosen: argparse.Namespace, settings: Settings, stack: ExitStack) -> None:
    match chosen.command:
        case "migrate":
            _migrate(_use_running_database(settings, stack), chosen.to, chosen.wait)
        case "backup":
            database_url = _use_running_database(settings, stack)
            schema.check(database_url)
            _back_up(database_url, chosen.file, None if chosen.without_files else settings.files_url)
        case "restore":
            database_url = _use_running_database(settings, stack)
            _restore(database_url, chosen.file, settings.files_url, replace=chosen.replace, any_size=chosen.any_size)
        case _:
            serve(settings, stack)


def serve(settings: Settings, stack: ExitStack) -> None:
    """Serve until interrupted."""
    _check_broker(settings.broadcast_url)
    _check_store(settings.files_url)
    if settings.sentry_dsn is not None and not has_extra("sentry"):
        raise CannotRun(f"SENTRY_DSN is set, but its library is not installed. Run: {how_to_install('sentry')}")
    database_url = _use_database(settings, stack)
    if settings.database_url is None and schema.present_tables(database_url).are_older:
        _migrate(database_url)
    else:
        _check_tables(database_url)
    _check_pooler(database_url, settings.broadcast_url)
    _warn_about_address(settings.public_url)
    print(f"simplechat is at {settings.public_url or f'http://localhost:{settings.port}'}", flush=True)  # noqa: T201
    _invite_to_set_up(database_url, settings)
    if settings.exports_traces and not has_extra("traces"):
        logging.getLogger("chat").warning(
            "OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, whose library is not installed. Run: %s",
            how_to_install("traces"),
        )
    if settings.web_concurrency > 1:
        _share_figures(stack)
    _run_server(settings)


def _share_figures(stack: ExitStack) -> None:
    """Make the folder in which the server processes share their figures, so that any can answer `/metrics`."""
    try:
        os.environ[METRICS_FOLDER] = str(stack.enter_context(shared_folder()))
    except OSError as error:
        logging.getLogger("chat").warning("Each process answers /metrics for itself: %s", error)


def _run_server(settings: Settings) -> None:
    uvicorn.run(
        "chat.__main__:application",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.web_concurrency,
        # web/middleware/client.py takes the last address that is no proxy's; uvicorn takes the first one for `*`.
        proxy_headers=False,
        http=BoundedProtocol,
        backlog=backlog(raise_file_limit()),
        # Loading all modules can take this long on a busy machine.
        timeout_worker_healthcheck=30,
        ws=LiveProtocol,
        ws_per_message_deflate=False,
        ws_max_size=4096,
        ws_ping_interval=None,  # live/pulse.py pings
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=settings.grace - FAREWELL_SECONDS,
        server_header=False,
        date_header=False,  # serving/headers.py
    )


def _check_pooler(database_url: str, broadcast_url: str | None) -> None:
    """Refuse a broker behind a pooler in transaction mode; log a database behind one."""
    log = logging.getLogger("chat")
    try:
        is_postgres = broadcast_url is not None and broadcast_url.startswith("postgres")
        if is_postgres and asyncio.run(pooling_of(str(broadcast_url))) == "transaction":
            name = "BROADCAST_URL" if os.environ.get("BROADCAST_URL") else "DATABASE_URL"
            raise CannotRun(f"{name} cannot be the broker between processes: {POOLED}")
        if asyncio.run(pooling_of(database_url)) != "none":
            log.info("DATABASE_URL leads through a pooler, so no statements are prepared. Pages are faster without it")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        log.warning("Could not find out yet whether DATABASE_URL leads through a pooler: %s", error)


def _warn_about_address(public_url: str | None) -> None:
    if public_url is None:
        logging.getLogger("chat").warning(
            "PUBLIC_URL is not set: the chat answers to this machine's names and addresses and to ALLOWED_HOSTS only. "
            "Behind a proxy that adds https set PUBLIC_URL=https://…. Without https others on the network can listen"
        )
    elif public_url.startswith("http://"):
        logging.getLogger("chat").warning(
            "PUBLIC_URL is not https: others on the network can read passwords and messages. Set PUBLIC_URL=https://…"
        )


def application() -> Starlette:
    """Create the application of a server process, with settings from the environment."""
    settings = Settings.from_environment(os.environ)
    logs.set_up(settings.log_format)
    # At INFO, uvicorn logs every websocket with its full URL.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # Before anything else can fail.
    reporting = Reporting(settings.sentry_dsn) if settings.sentry_dsn is not None else None
    app = create_app(settings, reporting)
    # Ten thousand pages are millions of long-lived objects: scanning them as often as Python's default does takes a
    # sixth of the time in which they connect.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    return app


def _use_database(settings: Settings, stack: ExitStack) -> str:
    """Return the URL of the configured database, or start the private one and put its URL into the environment."""
    if settings.database_url is not None:
        return settings.database_url
    url = stack.enter_context(embedded.postgres(settings.data_directory))
    os.environ.update({"DATABASE_URL": url, PRIVATE_DATABASE: url, "SECRET_KEY": settings.secret_key})
    return url


def _use_running_database(settings: Settings, stack: ExitStack) -> str:
    """Return the URL of the configured database, or of the private one, which a running chat may have started."""
    if settings.database_url is not None:
        return settings.database_url
    return stack.enter_context(embedded.postgres_or_running(settings.data_directory))


def _check_tables(database_url: str) -> None:
    try:
        schema.check(database_url)
    except DatabaseUnavailable as error:
        # It may come up later; until then the pages say that it is away.
        if error.sqlstate == MISSING_DATABASE:
            logging.getLogger("chat").warning(
                "The database of DATABASE_URL does not exist: create it and run `%s migrate`. (%s)", COMMAND, error
            )
        else:
            logging.getLogger("chat").warning("The database cannot be reached yet: %s", error)


def _invite_to_set_up(database_url: str, settings: Settings) -> None:
    try:
        invitation = asyncio.run(invitation_at_start(database_url, settings))
    except DatabaseUnavailable:
        return  # the first visit logs the line
    if invitation is None:
        return
    if settings.database_url is None:
        elsewhere = (
            "" if settings.public_url else "\nOn another machine, put this machine's name in place of localhost."
        )
        print(f"{invitation}{elsewhere}", flush=True)  # noqa: T201
    else:
        logging.getLogger("chat").warning("%s", invitation)


# Alembic is imported only where it is used, because the import takes as long as the rest of a start.


def _migrate(database_url: str, to: str | None = None, wait: float = schema.TURN_SECONDS) -> None:
    from chat.database.migrate import migrate  # noqa: PLC0415

    migrate(database_url, to, patience=wait)


def _back_up(database_url: str, file: Path, files_url: str | None) -> None:
    from chat.backup.writing import write  # noqa: PLC0415
    from chat.files.opening import open_store  # noqa: PLC0415

    store = open_store(files_url) if files_url is not None else None
    asyncio.run(write(database_url, file, store))


def _restore(database_url: str, file: Path, files_url: str, *, replace: bool, any_size: bool) -> None:
    from chat.backup.restoring import restore  # noqa: PLC0415
    from chat.files.opening import open_store  # noqa: PLC0415

    store = open_store(files_url)
    asyncio.run(restore(database_url, file, store, replace=replace, any_size=any_size))


def _check_store(url: str) -> None:
    from chat.files.opening import open_store  # noqa: PLC0415

    open_store(url)


def _check_broker(url: str | None) -> None:
    try:
        create_broadcast(url)
    except ValueError as error:
        name = "BROADCAST_URL" if os.environ.get("BROADCAST_URL", "").strip() else "REDIS_URL"
        raise SettingsError(f"{name} is no address of a broker: {error}") from error


def _exit(signal_number: int, frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
