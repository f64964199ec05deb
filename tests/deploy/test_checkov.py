"""checkov finds no fault in the Terraform configuration, the objects of Kubernetes and the Dockerfile."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import yaml

from tests.support.manifests import PRODUCTION, deploy_tool, kustomized, rendered
from tests.support.server import ROOT

CONFIGURATION = ROOT / "deploy/checkov.yaml"
TERRAFORM = ROOT / "deploy/terraform/aws"


def checked(*folders: Path) -> tuple[int, str]:
    """Return checkov's exit code and what it prints of failed checks."""
    command = [deploy_tool("checkov"), "--config-file", str(CONFIGURATION), "--quiet", "--compact", "--skip-download"]
    words = [word for folder in folders for word in ("--directory", str(folder))]
    words += ["--framework", "terraform", "kubernetes", "dockerfile"]
    # It asks its maker for nothing.
    environment = {**os.environ, "BC_SKIP_MAPPING": "TRUE", "LOG_LEVEL": "ERROR"}
    done = subprocess.run([*command, *words], env=environment, capture_output=True, text=True, timeout=200, check=False)
    return done.returncode, done.stdout + done.stderr


def test_checkov_finds_nothing_but_what_we_keep_for_a_reason(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Dockerfile", tmp_path)
    overlay, (_, chart) = kustomized(ROOT / "deploy/kubernetes/overlays/production"), rendered(PRODUCTION)
    for each in chart:
        assert isinstance(each["metadata"], dict)
        # As `helm install` does.
        each["metadata"]["namespace"] = "simplechat"
    for name, objects in (("overlay", overlay), ("chart", chart)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump_all(objects))
    code, told = checked(TERRAFORM, tmp_path)
    assert code == 0, told


def test_checkov_notices_a_public_bucket_and_a_pod_of_root(tmp_path: Path) -> None:
    (tmp_path / "bucket.tf").write_text('resource "aws_s3_bucket" "open" {\n  acl = "public-read"\n}\n')
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "chat"}, "spec": {"containers": [{"name": "chat"}]}}
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod))
    code, told = checked(tmp_path)
    assert code == 1
    assert {"CKV_AWS_20", "CKV_K8S_20"} <= set(re.findall(r"\bCKV_\w+", told))
