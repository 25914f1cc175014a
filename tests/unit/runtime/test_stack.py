"""stack.yml: what its services must agree on."""

from pathlib import Path

import yaml

from services.settings import Settings

STACK = yaml.safe_load((Path(__file__).parents[3] / "stack.yml").read_text(encoding="utf-8"))
STREAMS = ("FUNSWARM_EVENTS_MAX_AGE_S", "FUNSWARM_EVENTS_MAX_BYTES", "FUNSWARM_STREAM_REPLICAS")


def test_poller_and_scheduler_declare_the_same_streams():
    poller, scheduler = (
        [STACK["services"][part]["environment"].get(name, "missing") for name in STREAMS]
        for part in ("poller", "scheduler")
    )
    assert poller == scheduler
    assert "missing" not in poller


def test_their_defaults_are_those_of_the_settings():
    settings, environment = Settings(), STACK["services"]["poller"]["environment"]
    defaults = [float(environment[name].rpartition(":-")[2].removesuffix("}")) for name in STREAMS]
    assert [settings.events_max_age_s, settings.events_max_bytes, settings.stream_replicas] == defaults
