"""Lint and render a chart with Helm's own library, in the environment of `make deploy-check`.

Reads `{"chart": folder, "values": …}`, and prints the findings and the rendered files.
"""

import json
import sys


def main() -> None:
    import helm_python  # type: ignore[import-not-found, unused-ignore]  # it is in the other environment only

    asked = json.load(sys.stdin)
    with helm_python.Chart.load(asked["chart"]) as chart:
        rendered = chart.render(asked["values"], name="simplechat", namespace="simplechat")
    lint = helm_python.lint(asked["chart"], asked["values"], strict=True, kube_version="v1.31.0")
    json.dump({"lint": lint, "rendered": rendered}, sys.stdout)


if __name__ == "__main__":
    main()
