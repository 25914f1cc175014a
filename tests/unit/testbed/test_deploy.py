"""What a deployment is made of: the passwords, and what stack.yml promises of every service."""

from pathlib import Path

import pytest
import yaml

from testbed.deploy import USERS, new_passwords, passwords_conf

STACK = yaml.safe_load((Path(__file__).parents[3] / "stack.yml").read_text(encoding="utf-8"))
SERVICES = STACK["services"]
OURS = ("poller", "scheduler", "api")


def test_nats_reads_a_variable_for_each_user() -> None:
    assert 'API_PASSWORD: "a"\nPOLLER_PASSWORD: "b"\n' == passwords_conf({"poller": "b", "api": "a"})


def test_a_password_begins_with_a_letter_and_is_like_no_other() -> None:
    made = new_passwords()
    assert set(USERS) == set(made)
    assert all(password[0].isalpha() for password in made.values())
    assert len(USERS) == len(set(made.values()))


@pytest.mark.parametrize("name", SERVICES)
def test_swarm_starts_a_part_again_soon_and_always(name: str) -> None:
    assert {"condition": "any", "delay": "1s"} == SERVICES[name]["deploy"]["restart_policy"]


@pytest.mark.parametrize("name", OURS)
def test_a_part_has_its_own_user_and_password_at_nats(name: str) -> None:
    environment = SERVICES[name]["environment"]
    assert name == environment["FUNSWARM_NATS_USER"]
    assert f"/run/secrets/{name}-password" == environment["FUNSWARM_NATS_PASSWORD_FILE"]
    assert [f"{name}-password"] == SERVICES[name]["secrets"]


def test_the_api_has_no_engine() -> None:
    sockets = {name: SERVICES[name].get("volumes", []) for name in OURS}
    assert {
        "poller": ["/var/run/docker.sock:/var/run/docker.sock:ro"],
        "scheduler": ["/var/run/docker.sock:/var/run/docker.sock"],
        "api": [],
    } == sockets
