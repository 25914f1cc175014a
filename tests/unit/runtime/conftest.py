"""Settings are tested without those of the machine."""

import os

import pytest


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in os.environ:
        if name.startswith(("FUNSWARM_", "DOCKER_", "NATS_")):
            monkeypatch.delenv(name)
