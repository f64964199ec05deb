"""Objects of Kubernetes, as the tools make them from deploy/."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.support import helm
from tests.support.server import ROOT

# The environment of `make deploy-check`.
DEPLOY = Path(sys.prefix) / "deploy" / "bin"
# What deploy/kubernetes/overlays/production sets.
PRODUCTION = {
    "image": {"tag": "0.1.0"},
    "ingress": {"annotations": {"cert-manager.io/cluster-issuer": "letsencrypt"}},
    "autoscaling": {"sockets": "4000"},
}


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


def rendered(values: Mapping[str, object]) -> tuple[list[str], list[dict[str, object]]]:
    """Return what Helm finds wrong with the chart, and the objects that it makes of it."""
    asked = json.dumps({"chart": str(ROOT / "deploy/helm/simplechat"), "values": values})
    command = [deploy_tool("python"), helm.__file__]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    wrong = [each["error"] for each in told["lint"]["messages"] if each["error"] != "icon is recommended"]
    files = [text for name, text in sorted(told["rendered"].items()) if name.endswith(".yaml")]
    return [*wrong, *told["lint"]["errors"]], [each for text in files for each in objects_in(text)]
