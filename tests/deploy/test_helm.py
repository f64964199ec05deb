"""The Helm chart: clean, valid, and the same as the kustomize overlay for production."""

import json
from collections.abc import Mapping

import kubernetes_validate
import pytest

from tests.support.manifests import PRODUCTION, kustomized, rendered
from tests.support.server import ROOT

# Helm's own, and what it is told by: they differ from kustomize, which names settings by their content.
OF_THE_TOOL = {"app.kubernetes.io/instance", "annotations", "imagePullPolicy", "replicas"}


def plain(tree: object) -> object:
    """Return an object without what is the tool's."""
    if isinstance(tree, dict):
        kept = {name: plain(value) for name, value in tree.items() if name not in OF_THE_TOOL}
        return {name: value for name, value in kept.items() if value != {}}
    return [plain(each) for each in tree] if isinstance(tree, list) else tree


def promises(objects: list[dict[str, object]]) -> dict[str, object]:
    """Return the settings and the specifications, by kind."""
    text = json.dumps(objects)
    for each in objects:
        if each["kind"] == "ConfigMap":
            assert isinstance(each["metadata"], dict)
            text = text.replace(f'"{each["metadata"]["name"]}"', '"simplechat"')
    return {each["kind"]: plain(each.get("spec", each.get("data"))) for each in json.loads(text)}


@pytest.mark.parametrize(
    "values",
    [
        {},
        PRODUCTION,
        {"autoscaling": {"enabled": False}, "ingress": {"enabled": False}, "files": {"url": "s3://files?region=eu"}},
    ],
    ids=["defaults", "production", "bucket"],
)
def test_helm_and_kubernetes_accept_the_chart(values: Mapping[str, object]) -> None:
    wrong, objects = rendered(values)
    assert wrong == []
    assert len(objects) >= 7
    for version in ("1.31", "1.37"):
        for each in objects:
            kubernetes_validate.validate(each, version, strict=True)


def test_the_chart_promises_what_the_overlay_for_production_does() -> None:
    (_, chart), overlay = rendered(PRODUCTION), kustomized(ROOT / "deploy/kubernetes/overlays/production")
    from_chart, from_overlay = promises(chart), promises(overlay)
    # Before the first start there is nothing of the chart but the secret.
    for made in (from_chart, from_overlay):
        job = made["Job"]
        assert isinstance(job, dict)
        pod = job["template"]["spec"]
        pod.pop("serviceAccountName", None)
        container = pod["containers"][0]
        container.pop("env", None)
        container["envFrom"] = [each for each in container["envFrom"] if "secretRef" in each]
    assert from_chart.keys() == from_overlay.keys()
    for kind, promise in from_overlay.items():
        assert from_chart[kind] == promise, kind


def test_the_chart_leaves_the_number_of_pods_to_the_autoscaler() -> None:
    for enabled in (True, False):
        _, objects = rendered({"autoscaling": {"enabled": enabled}, "replicas": 5})
        by_kind = {str(each["kind"]): each["spec"] for each in objects if "spec" in each}
        deployment, autoscaler = by_kind["Deployment"], by_kind.get("HorizontalPodAutoscaler")
        assert isinstance(deployment, dict)
        assert deployment.get("replicas") == (None if enabled else 5)
        assert isinstance(autoscaler, dict) == enabled
        assert not isinstance(autoscaler, dict) or autoscaler["minReplicas"] == 5
