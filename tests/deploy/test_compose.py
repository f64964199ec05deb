"""compose.yaml: its promises beside those of the image."""

import re
from pathlib import Path

import pytest
import yaml

from chat.__main__ import SETTINGS_HELP
from tests.support.server import ROOT

CHATS = ("chat-one", "chat-two")
SETTINGS = set(re.findall(r"\b[A-Z][A-Z_]{2,}\b", SETTINGS_HELP))


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, object]]:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert isinstance(services, dict)
    return services


@pytest.mark.parametrize("name", [*CHATS, "migrate"])
def test_every_chat_is_hardened_and_knows_its_settings(services: dict[str, dict[str, object]], name: str) -> None:
    chat = services[name]
    assert (chat["read_only"], chat["cap_drop"], chat["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    settings = chat["environment"]
    assert isinstance(settings, dict)
    assert set(settings) <= SETTINGS
    assert int(str(chat["stop_grace_period"]).removesuffix("s")) > int(settings["GRACE"])


def test_the_chats_wait_for_the_migration_and_only_the_proxy_is_reachable(
    services: dict[str, dict[str, object]],
) -> None:
    for name in CHATS:
        waits = services[name]["depends_on"]
        assert isinstance(waits, dict)
        assert waits["migrate"] == {"condition": "service_completed_successfully"}
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    proxy = services["proxy"]["environment"]
    assert isinstance(proxy, dict)
    assert proxy["CHAT_SERVERS"].split() == [f"{name}:8000" for name in CHATS]


def test_every_image_is_pinned(services: dict[str, dict[str, object]]) -> None:
    named = [str(service["image"]) for service in services.values() if not str(service["image"]).startswith("${")]
    named += re.findall(r"^ARG BASE=(.*)", (Path(ROOT) / "Dockerfile").read_text(), re.M)
    assert len(named) == 4
    assert all(re.search(r":\d+\.\d+", name) for name in named)
