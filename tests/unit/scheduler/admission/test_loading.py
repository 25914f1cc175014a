"""The policy's file: what it may say, what is wrong with it, and when a new version holds."""

import asyncio
import re
from itertools import count
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from services.scheduler.admission.loading import PLACE, PolicyError, PolicyFile, parse
from services.scheduler.admission.policy import Policy, Quota, Rule, matches
from tests.waiting import until

ROOT = Path(__file__).parents[4]
PAGE, STACK = ROOT / "docs" / "admission.md", ROOT / "stack.yml"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "admission.yml"


@pytest.fixture
def troubles():
    return {}


def _file(path: Path, text: str | None, troubles: dict[str, str]) -> PolicyFile:
    if text is not None:
        path.write_text(text)
    return PolicyFile(path, troubles, count().__next__)


def _write(path: Path, text: str) -> None:
    other = path.with_suffix(".new")
    other.write_text(text)
    other.rename(path)


# What it may say.
def test_yaml_and_toml_say_the_same():
    yaml = parse("capabilities: [cap_net_admin]\nquotas: {a: {services: 3}}")
    toml = parse('capabilities = ["NET_ADMIN"]\n[quotas.a]\nservices = 3\n', toml=True)
    assert yaml == toml == Policy(capabilities=("NET_ADMIN",), quotas={"a": Quota(services=3)})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("# nothing\n", "it is empty"),
        ("- a", "it is no mapping"),
        ("a: [", "it is no YAML"),
        ("host_network: true\nhost_network: false", "'host_network' is there twice"),
        ("mounts: {host_paths: [/a], host_paths: []}", "'host_paths' is there twice"),
        ("mouns: {}", "mouns: Extra inputs are not permitted"),
        ("mounts: {host_path: [/a]}", "mounts.host_path: Extra inputs"),
        ("mounts: {host_paths: [/a, srv]}", "mounts.host_paths.1: 'srv' is no path of a node"),
        ("mounts: {host_paths: [/a/../b]}", "mounts.host_paths.0"),
        ("mounts: {host_paths: ['/a*']}", "mounts.host_paths.0"),
        ("images: {allowed: ['nginx:1']}", "images.allowed.0: 'nginx:1' has a tag"),
        ("resources: {memory_max: lots}", "resources.memory_max"),
        ("exemptions: [{services: [a], rules: [mount]}]", "exemptions.0.rules.0"),
        ("quotas: {a: {service: 1}}", "quotas.a.service"),
        ("? [a]\n: b", "it is no YAML"),
        ("a: !!python/object/apply:os.system [id]", "it is no YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text, said):
    with pytest.raises(PolicyError) as caught:
        parse(text)
    assert said in str(caught.value)


def test_broken_toml_is_said():
    with pytest.raises(PolicyError, match="it is no TOML"):
        parse("a = ", toml=True)


def _example() -> str:
    (example,) = re.finditer(r"```yaml\n(?P<yaml>.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(example["yaml"])


def test_the_page_shows_every_field_and_is_a_policy():
    shown = parse(_example())
    assert list(Policy.model_fields) == [name for name in Policy.model_fields if name in shown.model_fields_set]
    for name, part in shown:
        if isinstance(part, BaseModel):
            assert set(type(part).model_fields) == part.model_fields_set, name


def test_the_page_tells_of_every_rule():
    told = set(re.findall(r"`([a-z-]+)`", PAGE.read_text(encoding="utf-8").partition("## Rules")[2]))
    assert set(get_args(Rule)) <= told


def test_the_stack_is_protected_without_a_file():
    stack, protected = yaml.safe_load(STACK.read_text(encoding="utf-8")), Policy().protected
    assert set(protected.services) == {f"funswarm_{name}" for name in stack["services"]}
    assert ["true"] * 5 == [one["deploy"]["labels"]["funswarm.protected"] for one in stack["services"].values()]


@pytest.mark.parametrize("file", ["stack.yml", "stack.agent.yml", "stack.traefik.yml", "services/stack-tls.yml"])
@pytest.mark.parametrize("policy", ["none", "of the page"])
def test_the_secrets_of_the_stacks_are_protected(file, policy):
    secrets = yaml.safe_load((STACK.parent / file).read_text(encoding="utf-8"))["secrets"].values()
    names = [one["name"].replace("${FUNSWARM_SECRETS:-funswarm}", "funswarm") for one in secrets]
    protected = (Policy() if policy == "none" else parse(_example())).protected
    assert [] == [name for name in names if not matches(name, protected.secrets)]


# When it holds.
def test_without_a_file_the_default_holds():
    assert Policy() == PolicyFile().look()


@pytest.mark.parametrize("text", [None, "", "mouns: {}"])
def test_a_file_that_is_missing_or_broken_at_the_start_is_no_policy(path, troubles, text):
    file = _file(path, text, troubles)
    assert file.look() is None
    assert "so nothing is admitted" in troubles[PLACE]


def test_a_file_that_comes_later_holds(path, troubles):
    file = _file(path, None, troubles)
    file.look()
    _write(path, "host_network: true")
    assert (Policy(host_network=True), {}) == (file.look(), troubles)


def test_a_changed_file_holds_once_it_stays_the_same(path, troubles):
    file = _file(path, "host_network: true", troubles)
    file.look()
    _write(path, "privileges: true")
    assert [Policy(host_network=True), Policy(privileges=True)] == [file.look(), file.look()]


def test_half_a_file_never_holds(path, troubles):
    file = _file(path, "non_root: true\nhost_ports: false", troubles)
    whole = file.look()
    _write(path, "non_root: true")
    file.look()
    _write(path, "non_root: true\nhost_ports: false\n")
    assert [whole, whole] == [file.look(), file.look()]


def test_a_broken_version_leaves_the_one_before_and_is_told(path, troubles):
    file = _file(path, "host_network: true", troubles)
    file.look()
    _write(path, "host_network: perhaps")
    assert [Policy(host_network=True)] * 3 == [file.look(), file.look(), file.look()]
    assert "host_network: Input should be a valid boolean" in troubles[PLACE]
    assert "the version before holds on" in troubles[PLACE]


def test_a_repaired_version_ends_the_trouble(path, troubles):
    file = _file(path, "host_network: true", troubles)
    for text in ("", "host_network: false"):
        file.look()
        _write(path, text)
        file.look()
    assert (Policy(), {}) == (file.look(), troubles)


def test_a_file_that_went_leaves_its_policy_and_is_told(path, troubles):
    file = _file(path, "host_network: true", troubles)
    file.look()
    path.unlink()
    assert Policy(host_network=True) == file.look()
    assert "cannot be read" in troubles[PLACE]


def test_a_file_that_came_back_as_it_was_ends_the_trouble(path, troubles):
    file = _file(path, "host_network: true", troubles)
    file.look()
    away = path.rename(path.with_suffix(".away"))
    file.look()
    away.rename(path)
    file.look()
    assert (Policy(host_network=True), {}) == (file.look(), troubles)


def test_a_file_that_is_too_large_is_told(path, troubles):
    file = _file(path, "#" * 2_000_000, troubles)
    assert file.look() is None
    assert "admission.yml: it is larger than 262144 bytes: so nothing is admitted" in troubles[PLACE]


async def test_it_is_followed_while_nobody_asks(path, troubles, monkeypatch):
    monkeypatch.setattr("services.scheduler.admission.loading.LOOK_S", 0.01)
    file = _file(path, None, troubles)
    following = asyncio.create_task(file.follow())
    await until(lambda: troubles, "the trouble", 60)
    _write(path, "host_network: true")
    await until(lambda: not troubles, "its end", 60)
    following.cancel()
