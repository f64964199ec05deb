"""A certificate that its own server has signed, as platforms give them."""

import ssl
import subprocess
from pathlib import Path


class Certificate:
    """A self-signed certificate for some names, and what servers and clients make of it."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.file, key = folder / "certificate.pem", folder / "key.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        subprocess.run(
            [
                *(*command, "-days", "2", "-subj", f"/CN={names[0]}", "-keyout", str(key), "-out", str(self.file)),
                *("-addext", f"subjectAltName={','.join(names)}"),
            ],
            check=True,
            capture_output=True,
        )
        self.for_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.for_server.load_cert_chain(self.file, key)

    @property
    def for_client(self) -> ssl.SSLContext:
        """What trusts this certificate and no other."""
        return ssl.create_default_context(cafile=str(self.file))
