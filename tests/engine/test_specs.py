"""Descriptions of services, as real engines take them: accepted, kept as said, and said again they change nothing."""

from typing import Any

import pytest

from funswarm.spec import ServicePatch, ServiceSpec
from services.scheduler.names import Names
from services.scheduler.to_engine import create_spec, patched_spec
from tests.engine.conftest import FOREVER, IMAGE

WHOLE: dict[str, Any] = {
    "args": ["100000"],
    "env": {"A": "1", "EMPTY": ""},
    "container_labels": {"c": "1"},
    "ports": [{"target": 80, "mode": "host"}],
    "mounts": [
        {"target": "/data", "source": "data"},
        {"type": "tmpfs", "target": "/tmp", "size": "16M", "file_mode": "1777"},
        {"type": "bind", "target": "/etc/there", "source": "/etc", "read_only": True, "propagation": "rslave"},
    ],
    "constraints": ["node.role==manager"],
    "preferences": ["node.labels.zone"],
    "max_replicas_per_node": 3,
    "resources": {"limits": {"cpus": 0.5, "memory": "64M", "pids": 50}, "reservations": {"cpus": 0.01, "memory": "4M"}},
    "restart_policy": {"condition": "on-failure", "delay": "1s", "max_attempts": 2, "window": "1m"},
    "update_config": {"delay": "1s", "monitor": "1s", "failure_action": "pause", "order": "start-first"},
    "rollback_config": {"parallelism": 2, "max_failure_ratio": 0.5},
    "healthcheck": {"test": ["true"], "interval": "1m", "timeout": "5s", "retries": 2, "start_period": "1s"},
    "endpoint_mode": "dnsrr",
    "stop_grace_period": "10ms",
    "stop_signal": "SIGTERM",
    "user": "1000",
    "groups": ["100"],
    "workdir": "/tmp",
    "hostname": "{{.Node.Hostname}}",
    "hosts": {"db": "10.0.0.1"},
    "dns": {"nameservers": ["1.1.1.1"], "search": ["example"], "options": ["ndots:1"]},
    "tty": True,
    "open_stdin": True,
    "read_only": True,
    "init": True,
    "ulimits": {"nofile": 1024},
    "cap_add": ["CAP_NET_ADMIN"],
    "cap_drop": ["CAP_CHOWN"],
    "log": {"driver": "json-file", "options": {"max-size": "1m"}},
}


@pytest.fixture
def names(engine):
    def make(kind: str, body: dict[str, Any]) -> dict[str, str]:
        made = engine.post(f"/{kind}s/create", {"Name": f"{engine.name}-{kind}", **body})
        object_id = made.get("ID") or made["Id"]
        engine.undo_later(lambda: engine.api._delete(engine.api._url(f"/{kind}s/{object_id}")).raise_for_status())
        return {f"{engine.name}-{kind}": object_id}

    overlay = {"Driver": "overlay", "Attachable": False}
    return Names(make("network", overlay), make("secret", {"Data": "c2VjcmV0"}), make("config", {"Data": "eA=="}))


@pytest.fixture
def whole(engine):
    uses = {f"{kind}s": [f"{engine.name}-{kind}"] for kind in ("secret", "config")}
    return {**WHOLE, **uses, "networks": [{"name": f"{engine.name}-network", "aliases": ["alias"]}]}


def _create(engine, names: Names, **fields: Any) -> dict[str, Any]:
    spec = ServiceSpec.model_validate({"name": engine.name, "image": IMAGE, "replicas": 0, **fields})
    result: dict[str, Any] = engine.service(engine.create(create_spec(spec, names)))["Spec"]
    return result


def test_a_whole_description_is_taken(engine, names, whole):
    assert engine.name == _create(engine, names, command=FOREVER[:1], **whole)["Name"]


def test_what_is_said_again_changes_nothing(engine, names, whole):
    spec = _create(engine, names, command=FOREVER[:1], **whole)
    assert spec == patched_spec(spec, ServicePatch.model_validate({**whole, "replicas": 0}), names)


def test_what_was_not_said_is_not_kept(engine):
    spec = _create(engine, Names())
    assert {"ContainerSpec": {"Image": IMAGE}} == {
        key: value for key, value in spec["TaskTemplate"].items() if key not in ("ForceUpdate", "Runtime")
    } | {"ContainerSpec": {"Image": spec["TaskTemplate"]["ContainerSpec"]["Image"]}}


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "global", "replicas": None, "constraints": ["node.role==nothing"]},
        {"mode": "replicated-job", "replicas": None, "total": 0, "max_concurrent": 2},
        {"mode": "global-job", "replicas": None, "constraints": ["node.role==nothing"]},
    ],
    ids=lambda fields: fields["mode"],
)
def test_each_mode_is_taken(engine, fields):
    assert _create(engine, Names(), **fields)
