"""systemd's units, the workflows and app.json, checked by the tools of their kind."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import ROOT

UNITS = ROOT / "deploy" / "systemd"
# systemd-analyze's score, from 0 for the safest to 10; docs/deploy/systemd.md states it.
MOST_EXPOSED = 1.2
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they are installed, with programs that exist here."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/simplechat/bin/simplechat", shutil.which("true") or "/bin/true")
        (tmp_path / unit.name.replace("@", "@8001")).write_text(text)
    return tmp_path


def test_systemd_understands_every_line_of_the_units(units: Path) -> None:
    names = sorted(f"./{unit.name}" for unit in units.iterdir())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names], cwd=units, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_units_are_as_hardened_as_the_documentation_says(units: Path) -> None:
    for unit in units.iterdir():
        command = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"./{unit.name}"]
        told = subprocess.run(command, cwd=units, capture_output=True, text=True, check=True).stdout
        (score,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", told)
        assert float(score) <= MOST_EXPOSED, told
    assert f"exposure of {MOST_EXPOSED}" in (ROOT / "docs/deploy/systemd.md").read_text()


def test_systemd_waits_longer_than_grace() -> None:
    (waits,) = re.findall(r"^TimeoutStopSec=(\d+)$", (UNITS / "simplechat@.service").read_text(), re.M)
    (default,) = re.findall(r"^\| `GRACE` \|.*\| `(\d+)` \|$", (ROOT / "README.md").read_text(), re.M)
    assert int(waits) > int(default)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_actionlint_finds_no_fault_in_the_workflow(workflow: Path) -> None:
    program = Path(sys.executable).with_name("actionlint")
    if not program.exists():
        pytest.skip("actionlint is not installed")
    done = subprocess.run([program, workflow], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflows_run_targets_that_the_makefile_has() -> None:
    named = {name for workflow in WORKFLOWS for name in re.findall(r"run: make ([a-z-]+)", workflow.read_text())}
    assert named
    assert all(re.search(rf"^{name}:", (ROOT / "Makefile").read_text(), re.M) for name in named)


def test_app_json_names_settings_that_the_chat_has() -> None:
    app = json.loads((ROOT / "app.json").read_text())
    readme = (ROOT / "README.md").read_text()
    assert all(f"| `{name}` |" in readme for name in app["env"])
    assert all(settings.get("value", "") != "" or "value" not in settings for settings in app["env"].values())
    assert app["healthchecks"]["web"][0]["path"] == "/readyz"
