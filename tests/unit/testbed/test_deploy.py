"""What a deployment is made of: the passwords, and what stack.yml promises of every service."""

from pathlib import Path

import pytest
import yaml

from funswarm.tokens import Role, find, read_tokens
from testbed.passwords import HTTP, PROXY, USERS, http_tokens, new_passwords, passwords_conf

ROOT = Path(__file__).parents[3]
STACK = yaml.safe_load((ROOT / "stack.yml").read_text(encoding="utf-8"))
SERVICES = STACK["services"]
OURS = ("poller", "scheduler", "api")


def test_nats_reads_a_variable_for_each_user() -> None:
    lines = passwords_conf({user: f"p-{user}" for user in USERS}).splitlines()
    assert ['POLLER_PASSWORD: "p-poller"', len(USERS)] == [lines[0], len(lines)]


@pytest.mark.parametrize(("text", "role"), [("p-1", Role.ADMIN), ("p-2", Role.READ)])
def test_the_api_reads_the_tokens_of_an_admin_and_of_a_proxy(text: str, role: Role) -> None:
    token = find(read_tokens(http_tokens({HTTP: "p-1", PROXY: "p-2"})), text)
    assert token is not None
    assert role is token.role


def test_a_password_begins_with_a_letter_and_is_like_no_other() -> None:
    made = new_passwords()
    assert {*USERS, HTTP, PROXY} == set(made)
    assert all(password[0].isalpha() for password in made.values())
    assert len(USERS) + 2 == len(set(made.values()))


@pytest.mark.parametrize("name", SERVICES)
def test_swarm_starts_a_part_again_soon_and_always(name: str) -> None:
    assert {"condition": "any", "delay": "1s"} == SERVICES[name]["deploy"]["restart_policy"]


@pytest.mark.parametrize("name", OURS)
def test_a_part_has_its_own_user_and_password_at_nats(name: str) -> None:
    environment = SERVICES[name]["environment"]
    assert name == environment["FUNSWARM_NATS_USER"]
    assert f"/run/secrets/{name}-password" == environment["FUNSWARM_NATS_PASSWORD_FILE"]
    assert [f"{name}-password"] == SERVICES[name]["secrets"][:1]


def test_the_api_asks_for_tokens() -> None:
    assert "/run/secrets/http-tokens" == SERVICES["api"]["environment"]["FUNSWARM_HTTP_TOKENS_FILE"]
    assert "http-tokens" in SERVICES["api"]["secrets"]


def test_the_api_has_no_engine() -> None:
    sockets = {name: SERVICES[name].get("volumes", []) for name in OURS}
    assert {
        "poller": ["/var/run/docker.sock:/var/run/docker.sock:ro"],
        "scheduler": ["/var/run/docker.sock:/var/run/docker.sock"],
        "api": [],
    } == sockets


def test_traefik_needs_neither_the_engine_nor_a_manager() -> None:
    traefik = yaml.safe_load((ROOT / "stack.traefik.yml").read_text(encoding="utf-8"))["services"]["traefik"]
    assert ([], {}) == (traefik.get("volumes", []), traefik["deploy"].get("placement", {}))


def test_with_tls_every_part_knows_who_signed_nats_s_certificate() -> None:
    tls = yaml.safe_load((ROOT / "services" / "stack-tls.yml").read_text(encoding="utf-8"))
    for name in OURS:
        part = tls["services"][name]
        assert ("tls://nats:4222", "/run/secrets/nats-ca") == (
            part["environment"]["FUNSWARM_NATS_URL"], part["environment"]["FUNSWARM_NATS_TLS_CA"],
        )  # fmt: skip
        assert "nats-ca" in part["secrets"]
