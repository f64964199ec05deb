"""Ask for known vulnerabilities in the pinned dependencies: `make audit`.

Fails if there are some. If the advisory service cannot be reached, or knows none of the packages, it says so in one
line and does not fail: `make test` must also work without that network.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 300
# The errors of `requests` when the service cannot be reached.
UNREACHABLE = (
    "ConnectionError",
    "ConnectTimeout",
    "ReadTimeout",
    "ProxyError",
    "SSLError",
    "ServiceError",
    "NameResolutionError",
    "timed out",
)


def verdict(output: str, errors: str) -> tuple[bool, str]:
    """Return whether the dependencies are acceptable, and the lines that say why."""
    try:
        dependencies = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        if any(word in errors for word in UNREACHABLE):
            return True, "pip-audit: the advisory service cannot be reached; nothing was checked."
        return False, f"pip-audit failed:\n{errors.strip()}"
    found = [
        f"{each['name']} {each['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no version'}"
        for each in dependencies
        for flaw in each.get("vulns", ())
    ]
    skipped = [each["name"] for each in dependencies if "skip_reason" in each]
    if found:
        return False, "\n".join(["pip-audit found known vulnerabilities:", *found])
    if skipped and len(skipped) == len(dependencies):
        return True, "pip-audit: the advisory service cannot be reached; it knows none of the packages."
    checked = f"pip-audit: no known vulnerabilities in {len(dependencies) - len(skipped)} packages"
    return True, f"{checked}; not checked: {', '.join(skipped)}." if skipped else f"{checked}."


def ask(requirements: Path) -> tuple[bool, str]:
    """Ask the advisory service about a lock file."""
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            [*command, "--format", "json", "--requirement", str(requirements)],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return verdict("", "timed out")
    return verdict(done.stdout, done.stderr)


def main() -> None:
    """Audit both lock files; exits with 1 if a package has a known vulnerability."""
    verdicts = [ask(ROOT / name) for name in ("requirements.txt", "requirements-dev.txt")]
    for name, (_, words) in zip(("to run", "to test"), verdicts, strict=True):
        print(f"{name}: {words}")
    sys.exit(not all(is_good for is_good, _ in verdicts))


if __name__ == "__main__":
    main()
