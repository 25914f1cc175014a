"""The scheduler's writes on engines of any age: the API version is agreed on, what a later one knows survives."""

from dataclasses import replace

import pytest

from services import simulator
from services.engine.client import Engine
from services.engine.settings import EngineSettings
from services.scheduler.fold import Services
from services.scheduler.safe_write import SafeWriter
from services.simulator import Cluster
from tests.unit.scheduler.fakes import FakeStore, command

WEB = {"name": "web", "image": "busybox:1", "replicas": 1}


@pytest.fixture(params=["20.10.24", "23.0.6", "25.0.5", "27.5.1", "28.3.0", "29.0.1"])
async def served(request, tmp_path):
    """A simulated engine of that version, the scheduler's way to it, and a writer."""
    with simulator.running(Cluster(2, engine_version=request.param), str(tmp_path / "engine.sock")) as sim:
        client = await Engine.connect(EngineSettings(host=sim.host))
        yield sim, client, SafeWriter(client, FakeStore(), lambda: True, Services())
        await client.close()


async def test_services_and_nodes_are_written(served):
    sim, _, writer = served
    await writer.attempt(command("create", service=WEB), None)
    await writer.attempt(command("scale", "c2", replicas=3), None)
    await writer.attempt(command("drain", "c3", target="node-2"), None)
    replicas, availability = sim.call(
        lambda cluster: (
            cluster.store.find_by_name("service", "web").spec["Mode"]["Replicated"]["Replicas"],
            next(node.availability for node in cluster.store.nodes.values() if node.hostname == "node-2"),
        )
    )
    assert (3, "drain") == (replicas, availability)


async def test_what_only_a_later_engine_knows_survives(served, monkeypatch):
    sim, client, writer = served
    await writer.attempt(command("create", service=WEB), None)
    later = {"Of": ["a", "later"], "Engine": None}

    def teach(cluster):
        service = cluster.store.find_by_name("service", "web")
        container = {**service.template["ContainerSpec"], "Later": later}
        template = {**service.template, "ContainerSpec": container, "Later": later}
        cluster.store.put(replace(service, spec={**service.spec, "TaskTemplate": template, "Later": later}))

    sim.call(teach)
    written = []
    real = client.update_service

    async def update(service_id, version, spec, **named):
        written.append(spec)
        return await real(service_id, version, spec, **named)

    monkeypatch.setattr(client, "update_service", update)
    await writer.attempt(
        command("update", "c2", changes={"image": "busybox:2", "replicas": 2, "env": {"A": "b"}}), None
    )
    (spec,) = written
    template = spec["TaskTemplate"]
    assert [later] * 3 == [place["Later"] for place in (spec, template, template["ContainerSpec"])]
