"""stack.docker-flow.yml: what it names is there, and its values are those of the settings."""

import re
from pathlib import Path

import yaml

from services.notifier.docker_flow.settings import DockerFlowSettings
from services.settings import Settings

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "stack.docker-flow.yml").read_text(encoding="utf-8")
DEFAULTS = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", TEXT)
STACK, MAIN = yaml.safe_load(DEFAULTS), yaml.safe_load((ROOT / "stack.yml").read_text(encoding="utf-8"))
LISTENER = STACK["services"]["swarm-listener"]


def test_every_variable_has_a_default():
    assert "$" not in str(STACK)


def test_the_listener_tells_the_proxy_of_services():
    environment = {name: value for name, value in LISTENER["environment"].items() if name.startswith("DF_")}
    found = DockerFlowSettings.of(Settings(), {name: str(value) for name, value in environment.items()}, {})
    assert found is not None
    assert (["proxy:8080"], ()) == ([receiver.name for receiver in found.receivers], found.rejected)


def test_its_defaults_are_those_of_the_settings():
    environment, default = LISTENER["environment"], DockerFlowSettings()
    assert (default.label, default.retries, default.retry_interval_s) == (
        environment["DF_NOTIFY_LABEL"], environment["DF_RETRY"], environment["DF_RETRY_INTERVAL"],
    )  # fmt: skip


def test_its_module_is_there():
    module = LISTENER["command"][-1]
    assert (ROOT / module.replace(".", "/") / "__main__.py").is_file()


def test_it_is_who_the_main_stack_knows_as_the_notifier():
    main, own = MAIN["services"]["notifier"]["environment"], LISTENER["environment"]
    names = ("FUNSWARM_NATS_USER", "FUNSWARM_NATS_PASSWORD_FILE")
    assert [main[name] for name in names] == [own[name] for name in names]


def test_the_proxy_asks_the_listener():
    assert STACK["services"]["proxy"]["environment"]["LISTENER_ADDRESS"] in STACK["services"]
