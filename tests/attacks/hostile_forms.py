"""Forms made to be slow to read."""

from collections.abc import Iterator

import httpx

from tests.support.server import ChatServer

BEFORE = "2 s of silence, 500"
BYTES = 250_000
CODECS = (
    "idna",
    "punycode",
    "utf-7",
    "unicode_escape",
    "raw_unicode_escape",
    "undefined",
    "rot13",
    "zlib",
    "bz2",
    "base64",
    "hex",
    "uu",
    "quopri",
    "mbcs",
    "utf-16",
    "utf-32",
    "cp037",
    "hz",
    "iso2022_jp_ext",
    "gb18030",
    "os",
    "latin-1",
    "ascii",
    "",
    "x" * 8_000,
)

Form = tuple[str, bytes]


def multipart(*parts: bytes, parameters: str = "boundary=x") -> Form:
    """A multipart form of parts with their headers."""
    body = b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + b"--x--\r\n"
    return f"multipart/form-data; {parameters}".rstrip("; "), body


def field(name: bytes, value: bytes, headers: bytes = b"") -> bytes:
    """A part of a form: a field with its value."""
    return b'Content-Disposition: form-data; name="' + name + b'"\r\n' + headers + b"\r\n" + value


def codecs(size: int = BYTES) -> Iterator[Form]:
    """Forms that name a codec other than UTF-8 for all fields, for a single field, or in a field."""
    for codec in CODECS:
        value = b"a" * size
        yield multipart(field(b"email", value), parameters=f'boundary=x; charset="{codec}"')
        header = b'Content-Type: text/plain; charset="' + codec.encode()[:2_000] + b'"\r\n'
        yield multipart(field(b"email", value, header))
        yield multipart(field(b"_charset_", codec.encode()), field(b"email", value))
        yield f'application/x-www-form-urlencoded; charset="{codec}"', b"email=" + value


def shapes() -> Iterator[Form]:
    """Forms with thousands of the same thing."""
    urlencoded = "application/x-www-form-urlencoded"
    for unit in (b"&", b"a&", b"a=&", b"=", b"%", b"%41", b"%C3%A9", b"+", b";", b"%00"):
        yield urlencoded, unit * (BYTES // len(unit))
        yield urlencoded, b"email=" + unit * ((BYTES - 6) // len(unit))
    for unit in (
        b"\r",
        b"\n",
        b"\r\n",
        b"-",
        b"\r\n-",
        b"\r\n--",
        b"\r\n--x-",
        b"\r\n--x \t",
        b"\0",
        b"\xff",
        "é".encode(),
    ):
        yield multipart(field(b"email", unit * (BYTES // len(unit))))
        yield "multipart/form-data; boundary=x", unit * (BYTES // len(unit))
    yield multipart(*[field(b"a", b"")] * (BYTES // 60))
    yield multipart(*[b""] * (BYTES // 8))
    yield multipart(b"".join(b"A: b\r\n" for _ in range(BYTES // 6)) + field(b"a", b""))
    yield multipart(b"A: " + b"b" * BYTES + b"\r\n" + field(b"a", b""))
    yield multipart(field(b"a", b"", b"A: " + b'; b="\\"' * 500 + b"\r\n"))
    yield multipart(b"Content-Disposition: form-data" + b"; name*0=a" * 380 + b"\r\n\r\n")
    inner = multipart(field(b"a", b"b" * BYTES))[1]
    yield multipart(field(b"a", inner, b"Content-Type: multipart/mixed; boundary=x\r\n"))
    for parameters in (
        "",
        "boundary=",
        "boundary=" + "x" * 8_000,
        ';="' * 2_600,
        'boundary="' + "\\" * 8_000,
        "a=b;" * 2_000,
    ):
        yield multipart(field(b"email", b"a"), parameters=parameters)


def attack(server: ChatServer) -> None:
    """Forms of 250 kB that choose a codec, or have thousands of parts, signs or broken boundaries."""
    headers = {"Origin": server.url}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        for kind, body in (*codecs(), *shapes()):
            answer = client.post("/sign-up", content=body, headers={"Content-Type": kind})
            assert answer.status_code < 500, (kind[:100], body[:100])
