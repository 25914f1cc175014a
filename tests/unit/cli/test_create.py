"""`funswarm create` and `update`: options become a description."""

import json

import pytest

from funswarm.cli import asked
from funswarm.errors import InvalidRequest


@pytest.fixture
def created(cli, done):
    """The description that these options give."""
    cli.answers |= {"create": done("create"), "update": done("update")}

    def created(*args, env=None):
        outcome = cli.run("create", "--name", "web", *args, env=env)
        assert outcome.exit_code == 0, outcome.output
        return cli.asked[-1][1].model_dump(exclude_unset=True, mode="json")

    return created


@pytest.fixture
def patched(cli, done):
    cli.answers["update"] = done("update")

    def patched(*args):
        outcome = cli.run("update", "web", *args)
        assert outcome.exit_code == 0, outcome.output
        return cli.asked[-1][2].model_dump(exclude_unset=True, mode="json")

    return patched


def test_the_smallest_service_is_a_name_and_an_image(created):
    assert created("nginx") == {"name": "web", "image": "nginx"}


def test_what_follows_the_image_are_its_arguments(created):
    assert created("nginx", "nginx", "-g", "daemon off;")["args"] == ["nginx", "-g", "daemon off;"]


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        (["--replicas", "3"], "replicas", 3),
        (["-e", "A=1", "--env", "B=x=y"], "env", {"A": "1", "B": "x=y"}),
        (["-l", "a=1", "-l", "flag"], "labels", {"a": "1", "flag": ""}),
        (["--constraint", "node.role==worker"], "constraints", ["node.role==worker"]),
        (["--placement-pref", "spread=node.labels.zone"], "preferences", ["node.labels.zone"]),
        (["--limit-memory", "64M"], "resources", {"limits": {"memory": 64 * 2**20}}),
        (["--update-parallelism", "0"], "update_config", {"parallelism": 0}),
        (["--restart-condition", "none"], "restart_policy", {"condition": "none"}),
        (["--entrypoint", "sh -c"], "command", ["sh", "-c"]),
        (["--network", "a"], "networks", [{"name": "a"}]),
        (["--network", "name=a,alias=db"], "networks", [{"name": "a", "aliases": ["db"]}]),
        (["--secret", "source=s,target=/run/s"], "secrets", [{"name": "s", "target": "/run/s"}]),
        (["-p", "8080:80/udp"], "ports", [{"published": 8080, "target": 80, "protocol": "udp"}]),
        (["-p", "target=80,mode=host"], "ports", [{"target": 80, "mode": "host"}]),
    ],
)
def test_an_option_becomes_a_field(created, options, field, value):
    assert created(*options, "nginx")[field] == value


def test_a_bind_mount_in_dockers_words(created):
    mount = {"type": "bind", "source": "/a", "target": "/b", "read_only": True}
    assert created("--mount", "type=bind,src=/a,dst=/b,readonly", "nginx")["mounts"] == [mount]


def test_the_replicas_of_a_job_are_its_completions(created):
    assert created("--mode", "replicated-job", "--replicas", "5", "nginx")["total"] == 5


def test_env_with_the_name_alone_takes_the_value_here(created):
    assert created("-e", "PLACE", "nginx", env={"PLACE": "here"})["env"] == {"PLACE": "here"}


def test_env_that_is_not_set_here_is_usage(cli):
    outcome = cli.run("create", "--name", "web", "-e", "FUNSWARM_TEST_UNSET", "nginx")
    assert (outcome.exit_code, "FUNSWARM_TEST_UNSET" in outcome.stderr) == (2, True)


def test_a_file_describes_and_options_win(created, tmp_path):
    file = tmp_path / "web.json"
    file.write_text(json.dumps({"image": "nginx:1", "replicas": 2, "resources": {"limits": {"cpus": 1}}}))
    wanted = created("--file", str(file), "--limit-memory", "8M", "nginx:2")
    assert (wanted["image"], wanted["replicas"]) == ("nginx:2", 2)
    assert wanted["resources"] == {"limits": {"cpus": 1.0, "memory": 8 * 2**20}}


def test_a_file_that_is_no_object_is_named(tmp_path):
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(InvalidRequest, match=r"a\.json: a JSON object is wanted"):
        asked.read(tmp_path / "a.json")


def test_a_description_that_is_wrong_is_usage_and_asks_nothing(cli):
    outcome = cli.run("create", "--name", "web", "--publish", "eighty", "nginx")
    assert (outcome.exit_code, cli.asked) == (2, [])


def test_without_a_name_it_is_usage(cli):
    outcome = cli.run("create", "nginx")
    assert (outcome.exit_code, "name" in outcome.stderr) == (2, True)


def test_an_update_names_only_what_changes(patched):
    assert patched("--image", "nginx:2") == {"image": "nginx:2"}


def test_an_update_adds_and_takes_away_by_key(patched):
    assert patched("--env-add", "A=1", "--env-rm", "B") == {"env": {"A": "1", "B": None}}


def test_an_update_of_nothing_is_usage(cli):
    assert (cli.run("update", "web").exit_code, cli.asked) == (2, [])


def test_a_null_in_the_file_of_an_update_is_kept(patched, tmp_path):
    (tmp_path / "a.json").write_text('{"labels": {"old": null}}')
    assert patched("--file", str(tmp_path / "a.json")) == {"labels": {"old": None}}
