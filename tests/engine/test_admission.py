"""Admission against an engine: what it really keeps of a spec is judged, and what it keeps of old goes on."""

from typing import Any

import pytest

from funswarm.errors import Refused
from funswarm.messages import Code
from services.scheduler.admission.policy import Policy
from services.scheduler.admission.rules import Case, judge
from tests.engine.conftest import FOREVER, IMAGE

BIND = {"Type": "bind", "Source": "/tmp", "Target": "/x"}


def _spec(engine, **container: Any) -> dict[str, Any]:
    template = {"ContainerSpec": {"Image": IMAGE, "Command": FOREVER, **container}}
    spec: dict[str, Any] = engine.spec(replicas=0, template=template)
    return spec


async def _refused(attempt, *asked, **fields) -> str:
    with pytest.raises(Refused) as caught:
        await attempt(*asked, **fields)
    assert Code.ADMISSION is caught.value.code
    return str(caught.value)


@pytest.mark.parametrize(
    ("rule", "container"),
    [
        ("mounts", {"Mounts": [BIND]}),
        ("mounts", {"Mounts": [{**BIND, "Source": "/srv/../etc"}]}),
        ("engine-socket", {"Mounts": [{**BIND, "Source": "/var/run/../run/docker.sock"}]}),
        ("mounts", {"Mounts": [{"Type": "volume", "Source": '{{"/"}}etc', "Target": "/x"}]}),
        ("volume-drivers", {"Mounts": [{"Type": "volume", "Source": "v", "Target": "/x", "VolumeOptions": {
            "DriverConfig": {"Name": "local", "Options": {"type": "none", "o": "bind", "device": "/"}}}}]}),
        ("capabilities", {"CapabilityAdd": ["all"]}),
        ("privileges", {"Privileges": {"SELinuxContext": {"Disable": True}}}),
        ("sysctls", {"Sysctls": {"kernel.msgmax": "1"}}),
    ],
)  # fmt: skip
def test_what_the_engine_keeps_is_found(engine, rule, container):
    engine.create(_spec(engine, **container))
    kept = engine.service(engine.name)["Spec"]
    assert rule in [one.rule for one in judge(Policy(), Case("create", None, kept))]


def test_the_host_s_network_is_found_by_the_id_that_the_engine_makes_of_it(engine):
    spec = _spec(engine)
    spec["TaskTemplate"]["Networks"] = [{"Target": "host"}]
    engine.create(spec)
    kept = engine.service(engine.name)["Spec"]
    listed = {network["Id"]: network["Name"] for network in engine.get("/networks") if network["Scope"] == "swarm"}
    assert ["host-network"] == [one.rule for one in judge(Policy(), Case("create", None, kept, listed))]


async def test_nothing_is_created_of_what_is_refused(engine, attempt):
    service = {"name": engine.name, "image": IMAGE, "replicas": 0, "mounts": ["/:/x"]}
    assert "[engine-socket]" in await _refused(attempt, "create", service=service)
    assert [] == [one for one in engine.get("/services") if one["Spec"]["Name"] == engine.name]


async def test_an_update_that_adds_a_mount_changes_nothing(engine, attempt):
    engine.create(_spec(engine))
    before = engine.service(engine.name)
    assert "[mounts]" in await _refused(attempt, "update", changes={"mounts": ["/tmp:/x"]})
    assert before == engine.service(engine.name)


async def test_a_way_back_to_a_mount_is_refused(engine, attempt):
    engine.create(_spec(engine, Mounts=[BIND]))
    engine.change(engine.name, lambda spec: spec["TaskTemplate"]["ContainerSpec"].pop("Mounts"))
    before = engine.service(engine.name)
    assert "[mounts]" in await _refused(attempt, "rollback")
    assert before == engine.service(engine.name)


async def test_a_service_with_a_mount_of_old_is_scaled_updated_and_removed(engine, attempt):
    engine.create(_spec(engine, Mounts=[BIND]))
    await attempt("scale", "c1", replicas=1)
    await attempt("update", "c2", changes={"labels": {"a": "b"}, "mounts": ["/tmp:/x"]})
    assert "[kept-access]" in await _refused(attempt, "update", "c3", changes={"args": ["evil"]})
    assert (await attempt("remove", "c4")).changed
