"""Objects of Kubernetes, as the tools make them from deploy/."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

# The environment of `make deploy-check`.
DEPLOY = Path(sys.prefix) / "deploy" / "bin"


def kustomized(overlay: Path) -> list[dict[str, object]]:
    """Return everything that an overlay makes."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    made = subprocess.run(["kubectl", "kustomize", str(overlay)], check=True, capture_output=True, text=True).stdout
    return objects_in(made)


def objects_in(text: str) -> list[dict[str, object]]:
    """Return the objects of a file."""
    return [each for each in yaml.safe_load_all(text) if each]


def deploy_tool(name: str) -> str:
    """Return the path of a program that only `make deploy-check` installs."""
    if not (DEPLOY / name).exists():
        pytest.skip(f"{name} is not there: `make deploy-check` installs it")
    return str(DEPLOY / name)
