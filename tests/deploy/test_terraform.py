"""The Terraform configuration: formatted, valid, and planned with a mocked AWS."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from chat.command_line import SETTINGS_HELP
from tests.support.server import ROOT

FOLDER = ROOT / "deploy" / "terraform" / "aws"
PROVIDER = "registry.terraform.io/hashicorp/aws"
# Where Terraform itself looks, and folders of programs that no package manager installed.
MIRRORS = (Path.home() / ".terraform.d/plugins", Path("/usr/local/share/terraform/plugins"), *Path("/opt").glob("*/"))


def plugins() -> Path | None:
    """Return a folder with the AWS provider, so that nothing is fetched; TERRAFORM_PLUGINS names one."""
    named = os.environ.get("TERRAFORM_PLUGINS")
    folders = (Path(named),) if named else MIRRORS
    return next((folder for folder in folders if (folder / PROVIDER).is_dir()), None)


def terraform(*words: str, folder: Path = FOLDER) -> str:
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not installed")
    # The machine's own configuration of Terraform must not matter.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    command = ["terraform", f"-chdir={folder}", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the configuration with the provider installed."""
    found = plugins()
    if found is None:
        pytest.skip("there is no local AWS provider: `terraform providers mirror FOLDER`, then set TERRAFORM_PLUGINS")
    copy = tmp_path_factory.mktemp("terraform") / "aws"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns(".terraform*"))
    terraform("init", "-no-color", "-backend=false", f"-plugin-dir={found}", folder=copy)
    return copy


def test_the_configuration_is_formatted() -> None:
    terraform("fmt", "-check", "-recursive", "-diff", "-no-color")


def test_the_configuration_is_valid_and_plans_what_we_promise(initialised: Path) -> None:
    """`terraform test` validates first; the promises stand in deploy/terraform/aws/tests."""
    assert "5 passed, 0 failed" in terraform("test", "-no-color", folder=initialised)


def test_the_task_knows_only_settings_that_the_chat_has() -> None:
    service, secrets = (FOLDER / "service.tf").read_text(), (FOLDER / "secrets.tf").read_text()
    settings = service.partition("settings = {")[2].partition("}\n")[0]
    named = set(re.findall(r"^    ([A-Z_]+) +=", settings, re.M)) | set(re.findall(r'"([A-Z]{2,}_[A-Z]+)"', secrets))
    assert {"PUBLIC_URL", "REDIS_URL", "DATABASE_URL", "SECRET_KEY", "FILES_URL", "GRACE"} <= named
    assert named <= set(re.findall(r"\b[A-Z][A-Z_]{2,}\b", SETTINGS_HELP))
