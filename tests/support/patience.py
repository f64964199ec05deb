"""Brokers with long timeouts, for a machine that stands still."""

import pytest

from chat.live.brokers import outgoing, postgres, remote


def be_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let brokers drop no message, and take no server for dead, because of a pause of some seconds."""
    monkeypatch.setattr(outgoing, "FRESH_SECONDS", 60)
    monkeypatch.setattr(outgoing, "SEND_SECONDS", 60)
    monkeypatch.setattr(remote, "ANSWER_SECONDS", 60)
    monkeypatch.setattr(remote, "CONFIRM_SECONDS", 60)
    monkeypatch.setattr(remote, "LAST_WORDS_SECONDS", 60)
    monkeypatch.setattr(postgres, "ANSWER_SECONDS", 60)
