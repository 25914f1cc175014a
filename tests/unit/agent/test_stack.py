"""stack.agent.yml: its variables are settings, and its user is one that NATS knows."""

from pathlib import Path

import yaml

from services.settings import PREFIX, Settings
from testbed.passwords import USERS

ROOT = Path(__file__).parents[3]
AGENT = yaml.safe_load((ROOT / "stack.agent.yml").read_text(encoding="utf-8"))["services"]["agent"]


def test_its_variables_are_settings():
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert set() == {name.removesuffix("_FILE") for name in AGENT["environment"]} - known


def test_its_user_is_one_of_nats():
    assert AGENT["environment"]["FUNSWARM_NATS_USER"] in USERS


def test_it_runs_once_on_each_node():
    assert "global" == AGENT["deploy"]["mode"]
