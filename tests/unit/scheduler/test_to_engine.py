"""Descriptions of services as Engine JSON: sparse in a create, by the smallest path in an update."""

from typing import Any

import pytest

from funswarm.errors import Refused
from funswarm.spec import ServicePatch, ServiceSpec
from services.scheduler.names import Names
from services.scheduler.to_engine import create_spec, patched_spec

NAMES = Names(network={"front": "n1"}, secret={"key": "s1"}, config={"conf": "c1"})


def _create(**fields: Any) -> Any:
    return create_spec(ServiceSpec.model_validate({"name": "web", "image": "nginx", **fields}), NAMES)


def _patched(current: dict[str, Any], **fields: Any) -> Any:
    return patched_spec(current, ServicePatch.model_validate(fields), NAMES)


def test_what_was_not_said_is_left_to_swarm():
    expected = {
        "Name": "web",
        "Labels": {},
        "TaskTemplate": {"ContainerSpec": {"Image": "nginx"}},
        "Mode": {"Replicated": {}},
    }
    assert expected == _create()


def test_a_whole_service_is_turned_into_engine_json():
    spec = _create(
        args=["-g", "x"], env={"A": 1}, labels={"l": "1"}, replicas=3, networks=[{"name": "front", "aliases": ["w"]}],
        ports=["8080:80"], mounts=["data:/data:ro"], constraints=["node.role==worker"], preferences=["node.labels.z"],
        resources={"limits": {"cpus": 0.5, "memory": "64M", "pids": 9}, "reservations": {"generic": {"gpu": 1}}},
        restart_policy={"condition": "on-failure", "delay": "2s"}, healthcheck={"test": "true", "interval": "5s"},
        stop_grace_period=1, hosts={"db": "10.0.0.1"}, init=False, ulimits={"nofile": 10}, max_replicas_per_node=2,
    )  # fmt: skip
    task = spec.pop("TaskTemplate")
    assert spec == {
        "Name": "web",
        "Labels": {"l": "1"},
        "Mode": {"Replicated": {"Replicas": 3}},
        "EndpointSpec": {
            "Ports": [{"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress"}]
        },
    }
    assert task == {
        "ContainerSpec": {
            "Image": "nginx",
            "Args": ["-g", "x"],
            "Env": ["A=1"],
            "Mounts": [{"Type": "volume", "Source": "data", "Target": "/data", "ReadOnly": True}],
            "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 5_000_000_000},
            "StopGracePeriod": 1_000_000_000,
            "Hosts": ["10.0.0.1 db"],
            "Init": False,
            "Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 10}],
        },
        "Resources": {
            "Limits": {"NanoCPUs": 500_000_000, "MemoryBytes": 64 << 20, "Pids": 9},
            "Reservations": {"GenericResources": [{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 1}}]},
        },
        "RestartPolicy": {"Condition": "on-failure", "Delay": 2_000_000_000},
        "Placement": {
            "Constraints": ["node.role==worker"],
            "Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.z"}}],
            "MaxReplicas": 2,
        },
        "Networks": [{"Target": "n1", "Aliases": ["w"]}],
    }


def test_a_job_has_its_counts():
    mode = _create(mode="replicated-job", total=5, max_concurrent=2)["Mode"]
    assert {"ReplicatedJob": {"MaxConcurrent": 2, "TotalCompletions": 5}} == mode


def test_a_secret_is_readable_under_its_own_name():
    secret = _create(secrets=["key"])["TaskTemplate"]["ContainerSpec"]["Secrets"]
    file = {"Name": "key", "UID": "0", "GID": "0", "Mode": 0o444}
    assert [{"File": file, "SecretID": "s1", "SecretName": "key"}] == secret


def test_a_config_is_found_by_its_id():
    config = _create(configs=[{"name": "c1", "target": "/etc/x"}])["TaskTemplate"]["ContainerSpec"]["Configs"][0]
    assert ("/etc/x", "c1", "conf") == (config["File"]["Name"], config["ConfigID"], config["ConfigName"])


def test_an_unknown_network_is_refused_with_the_nearest_name():
    with pytest.raises(Refused, match="there is no network 'fron' in the Swarm \\(did you mean 'front'\\?\\)"):
        _create(networks=["fron"])


def test_the_network_of_the_host_is_taken_by_name():
    assert [{"Target": "host"}] == _create(networks=["host"])["TaskTemplate"]["Networks"]


def test_an_update_config_never_means_all_at_once_by_omission():
    assert {"Parallelism": 1, "Delay": 10**10} == _create(update_config={"delay": "10s"})["UpdateConfig"]


def test_a_disabled_healthcheck_is_none():
    assert {"Test": ["NONE"]} == _create(healthcheck={"disable": True})["TaskTemplate"]["ContainerSpec"]["Healthcheck"]


CURRENT: dict[str, Any] = {
    "Name": "web",
    "Labels": {"a": "1", "b": "2"},
    "TaskTemplate": {"ContainerSpec": {"Image": "nginx:1", "Env": ["A=1", "B=2"], "New": 1}, "Future": {"x": 1}},
    "Mode": {"Replicated": {"Replicas": 2}},
    "UpdateConfig": {"Parallelism": 3, "Delay": 5},
}


def test_nothing_said_changes_nothing():
    assert CURRENT == _patched(CURRENT)


def test_what_we_do_not_know_survives():
    spec = _patched(CURRENT, image="nginx:2")
    assert ({"x": 1}, 1) == (spec["TaskTemplate"]["Future"], spec["TaskTemplate"]["ContainerSpec"]["New"])


def test_the_spec_at_hand_is_not_touched():
    _patched(CURRENT, env={"A": "9"}, labels={"a": None}, replicas=9, update_config={"delay": 1})
    assert (["A=1", "B=2"], 2) == (
        CURRENT["TaskTemplate"]["ContainerSpec"]["Env"],
        CURRENT["Mode"]["Replicated"]["Replicas"],
    )


def test_env_is_changed_by_key():
    spec = _patched(CURRENT, env={"A": None, "B": "9", "C": "3"})
    assert ["B=9", "C=3"] == spec["TaskTemplate"]["ContainerSpec"]["Env"]


def test_labels_are_changed_by_key():
    assert {"b": "2", "c": "3"} == _patched(CURRENT, labels={"a": None, "c": "3"})["Labels"]


def test_objects_are_changed_by_field():
    assert {"Parallelism": 3, "Delay": 10**9} == _patched(CURRENT, update_config={"delay": 1})["UpdateConfig"]


def test_lists_are_replaced():
    before = _patched(CURRENT, constraints=["node.role==worker"])
    assert ["node.id==x"] == _patched(before, constraints=["node.id==x"])["TaskTemplate"]["Placement"]["Constraints"]


def test_a_zero_laid_over_nothing_changes_nothing():
    same = _patched(CURRENT, tty=False, ports=[], env={"GONE": None}, resources={"limits": {"memory": 0}})
    assert CURRENT == same


def test_replicas_of_zero_are_zero():
    assert {"Replicated": {"Replicas": 0}} == _patched(CURRENT, replicas=0)["Mode"]


def test_a_plugin_service_gets_no_container():
    current = {"Name": "p", "Labels": {}, "TaskTemplate": {"Runtime": "plugin"}, "Mode": {"Global": {}}}
    assert current == _patched(current, labels={"gone": None})
