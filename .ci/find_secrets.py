"""Look for secrets in the tracked files, or in those named: `make secrets`.

`.ci/known_secrets.json` lists false alarms, and why they are. Tests contain passwords of made-up people, so there only
real-looking keys and tokens count.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings

ROOT = Path(__file__).resolve().parents[1]
KNOWN = ROOT / ".ci" / "known_secrets.json"
# Hashes of packages, vendored files, pictures.
LEFT_OUT = (
    "requirements",
    "static/vendor/",
    "tests/vendor/",
    "docs/screenshots/",
    ".ci/known_secrets.json",
)


def tracked() -> list[str]:
    """Return the tracked files of this working copy."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [name for name in names.split("\0") if name and not name.startswith(LEFT_OUT) and (ROOT / name).is_file()]


def found_in(name: str) -> list[tuple[str, int, str, str]]:
    """A possible secret: the file, the line, the kind, and the secret's hash."""
    with default_settings():
        return [
            (name, secret.line_number, secret.type, secret.secret_hash)
            for secret in scan_file(str(ROOT / name))
            if not (secret.type == "Secret Keyword" and name.startswith("tests/"))
        ]


def unknown(names: Iterable[str]) -> list[str]:
    """Return a line for each secret that is not a known false alarm."""
    known = {(each["file"], each["hash"]) for each in json.loads(KNOWN.read_text())}
    with ProcessPoolExecutor() as pool:
        found = [secret for secrets in pool.map(found_in, names, chunksize=20) for secret in secrets]
    return [f"{name}:{line}: {kind} ({digest})" for name, line, kind, digest in found if (name, digest) not in known]


def main() -> None:
    """Print the secrets found; exits with 1 if there are any."""
    lines = unknown(sys.argv[1:] or tracked())
    for line in lines:
        print(line)
    if lines:
        print("Take these out and renew them. False alarms belong in .ci/known_secrets.json.")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
