"""The checks of continuous integration beside the tests find their targets."""

import importlib.util
import json
import secrets
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


def script(name: str) -> ModuleType:
    """A script of `.ci/`, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "planted",
    [
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "key = 'AKIA" + secrets.token_hex(8).upper() + "'",
        "SECRET_KEY = '" + secrets.token_hex(32) + "'",
        "password = 'kX8" + secrets.token_hex(5) + "'",
        "postgresql://chat:kX8" + secrets.token_hex(5) + "@db.example.org/chat",
        "token = 'ghp_" + secrets.token_hex(18) + "'",
    ],
    ids=["private key", "AWS", "hexadecimal", "password", "URL", "GitHub"],
)
def test_a_planted_secret_is_found(tmp_path: Path, planted: str) -> None:
    file = tmp_path / "settings.py"
    file.write_text(f"first = 1\n{planted}\n")
    command = [sys.executable, str(ROOT / ".ci" / "find_secrets.py"), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{file}:2: " in done.stdout


def test_every_known_false_alarm_says_why_it_is_no_secret() -> None:
    known = json.loads((ROOT / ".ci" / "known_secrets.json").read_text())
    assert all(len(each["why"]) > 5 and (ROOT / each["file"]).is_file() for each in known)


GOOD = {"name": "jinja2", "version": "3.1.6", "vulns": []}
BAD = {"name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["1.1"], "aliases": []}]}
SKIPPED = {"name": "own", "skip_reason": "Dependency not found on PyPI and could not be audited: own (1)"}


@pytest.mark.parametrize(
    ("dependencies", "errors", "passes", "said"),
    [
        ([GOOD], "", True, "no known vulnerabilities in 1 packages."),
        ([GOOD, SKIPPED], "", True, "not checked: own"),
        ([GOOD, BAD], "Found 1 known vulnerability", False, "old 1.0: PYSEC-2026-1, mended in 1.1"),
        ([SKIPPED, BAD], "", False, "PYSEC-2026-1"),
        ([SKIPPED], "", True, "cannot be reached"),
        (None, "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='pypi.org')", True, "cannot be reached"),
        (None, "pip_audit._service.interface.ServiceError: 503", True, "cannot be reached"),
        (None, "requirements.txt: a package has no hash", False, "has no hash"),
        (None, "", False, "failed"),
    ],
)
def test_the_audit_tells_a_vulnerability_from_an_unavailable_service(
    dependencies: list[dict[str, object]] | None, errors: str, passes: bool, said: str
) -> None:
    output = "" if dependencies is None else json.dumps({"dependencies": dependencies, "fixes": []})
    is_good, words = script("audit").verdict(output, errors)
    assert is_good is passes
    assert said in words
    if passes:
        assert "\n" not in words


def test_the_audit_checks_the_lock_file_and_understands_the_answer() -> None:
    is_good, words = script("audit").ask(ROOT / "requirements.txt")
    assert is_good, words


def test_continuous_integration_runs_tests_audit_and_secret_scan() -> None:
    assert "make secrets audit test" in (ROOT / ".ci" / "run").read_text()
