"""The api's document, followed by a real Traefik: what is told on NATS decides which requests go where."""

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest

from funswarm.client import Client
from funswarm.state import Address
from services.bus.jetstream import call
from tests.builders import a_node, a_service, a_task
from tests.nats.api_scene import serving
from tests.nats.client_scene import publish_both, publish_event, publish_state
from tests.servers import free_port
from tests.traefik import traefik
from tests.waiting import until

NET = "n1"


class Scene:
    """Tasks are little servers on addresses of the loopback, all on one port; each says its name."""

    def __init__(self, bus, http, proxy, stack):
        self.bus, self.http, self.proxy = bus, http, proxy
        self.port = free_port()
        self._stack = stack
        self._number = 1

    async def serve(self, name, labels=None, *, replicas=1, **others):
        """A service with a rule for its own name, told of by the poller; its state."""
        own = {
            f"traefik.http.routers.{name}.rule": f"Host(`{name}.test`)",
            f"traefik.http.services.{name}.loadbalancer.server.port": str(self.port),
        }
        spec = {"Name": name, "TaskTemplate": {"Networks": [{"Target": NET}]}}
        service = a_service(name, replicas=replicas, labels=own | (labels or {}), spec=spec, **others)
        await publish_both(self.bus, None, service, "created")
        return service

    async def run(self, service, slot=1, **others):
        """A ready task of a service: its state."""
        self._number += 1
        address = f"127.0.0.{self._number}"
        await self._listen(address, f"{service}.{slot}")
        on = Address(network_id=NET, network="net", addresses=(f"{address}/8",))
        task = a_task(service, slot, addresses=(on,), **others)
        await publish_both(self.bus, None, task, "running")
        return task

    async def change(self, before, **others):
        """Something of a state is another one from now on."""
        after = before.model_copy(update={"revision": before.revision + 1, **others})
        await publish_both(self.bus, before, after)
        return after

    async def gone(self, state):
        sequence = await publish_event(self.bus, state, None, "removed")
        await publish_state(self.bus, state, sequence, gone=True)

    async def reached(self, name, times=12):
        """Which tasks answer for a service."""
        return {(await self.proxy.answers(f"{name}.test", 200)).text for _ in range(times)}

    async def document(self):
        return await self.http.get("/v1/traefik")

    async def _listen(self, address, text):
        async def answer(reader, writer):
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while await reader.readuntil(b"\r\n\r\n"):
                    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
                    await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, address, self.port)
        self._stack.callback(server.close)


@pytest.fixture
async def scene(bus, shared_nats, prefix, tmp_path):
    await publish_both(bus, None, a_node(), "created")
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(serving(shared_nats.url, prefix))
        proxy = await stack.enter_async_context(traefik(f"{http.base_url}/v1/traefik", tmp_path))
        yield Scene(bus, http, proxy, stack)


async def test_the_ready_tasks_of_a_service_are_reached(scene):
    await scene.serve("web", replicas=3)
    for slot in (1, 2):
        await scene.run("web", slot)
    await scene.run("web", 3, state="starting")

    async def both():
        return {"web.1", "web.2"} == await scene.reached("web")

    await until(both, "both tasks")
    assert {"web.1", "web.2"} == await scene.reached("web")


async def test_a_task_that_is_to_stop_is_not_reached_any_more(scene):
    await scene.serve("web", replicas=2)
    first, _ = await scene.run("web", 1), await scene.run("web", 2)
    await scene.proxy.answers("web.test", 200)
    await scene.change(first, desired_state="shutdown")

    async def without_first():
        return {"web.2"} == await scene.reached("web")

    await until(without_first, "the other task alone")


async def test_a_service_without_tasks_answers_503_and_one_that_is_gone_404(scene):
    service, task = await scene.serve("web"), await scene.run("web")
    await scene.proxy.answers("web.test", 200)
    await scene.gone(task)
    await scene.proxy.answers("web.test", 503)
    await scene.gone(service)
    await scene.proxy.answers("web.test", 404)


async def test_a_bad_label_costs_its_own_router_only(scene):
    bad = {"traefik.http.routers.bad.rule": "Host(`bad.test`)", "traefik.http.routers.bad.tlss": "true"}
    await scene.serve("web", bad)
    await scene.run("web")

    await scene.proxy.answers("web.test", 200)
    assert 404 == (await scene.proxy.get("bad.test")).status_code


async def test_what_is_wrong_is_told_on_nats_and_taken_back(scene, shared_nats, prefix):
    older = await scene.serve("older", {"traefik.http.routers.older.rule": "Host(`same.test`)"})
    await scene.serve(
        "newer", {"traefik.http.routers.newer.rule": "Host(`same.test`)"}, created_at="2026-12-01T00:00:00Z"
    )
    await scene.run("older")
    await scene.proxy.answers("same.test", 200)
    async with Client(shared_nats.url, prefix=prefix) as client:

        async def told():
            return (await client.health()).problems

        (problem,) = await until(told, "the problem")
        assert ("newer", "traefik.http.routers.newer.rule") == (problem.service, problem.label)
        assert "the router 'older' of older" in problem.reason
        await scene.gone(older)

        async def solved():
            return not await told()

        await until(solved, "no problem")


async def test_before_the_swarm_is_known_it_is_503_and_never_empty(shared_nats):
    async with serving(shared_nats.url, "nobody-has-this") as http:
        answer = await http.get("/v1/traefik")

    assert (503, "application/problem+json") == (answer.status_code, answer.headers["content-type"])
    assert "retry-after" in answer.headers


async def test_before_the_poller_has_told_of_the_swarm_it_is_503_and_never_empty(bus, shared_nats, prefix):
    async with serving(shared_nats.url, prefix) as http:

        async def read():
            answer = await http.get("/v1/traefik")
            return answer if "it is being read" not in answer.text else None

        answer = await until(read, "the empty feed")

    assert 503 == answer.status_code
    assert "the poller is yet to tell of it" in answer.json()["detail"]


async def test_a_swarm_without_services_is_an_empty_object(scene):
    async def served():
        answer = await scene.document()
        return answer if answer.status_code == 200 else None

    assert b"{}" == (await until(served, "the document")).content


async def test_traefik_keeps_its_routes_while_a_new_api_knows_nothing_yet(bus, shared_nats, prefix, tmp_path):
    port = free_port()
    await publish_both(bus, None, a_node(), "created")
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(traefik(f"http://127.0.0.1:{port}/v1/traefik", tmp_path))
        async with serving(shared_nats.url, prefix, port=port) as http:
            scene = Scene(bus, http, proxy, stack)
            await scene.serve("web")
            await scene.run("web")
            await proxy.answers("web.test", 200)
        async with serving("nats://127.0.0.1:1", prefix, port=port) as http:

            async def is_asked():
                return "/v1/traefik" in (await http.get("/metrics")).text

            await until(is_asked, "Traefik's question")
            assert 503 == (await http.get("/v1/traefik")).status_code
            assert 200 == (await proxy.get("web.test")).status_code


async def test_while_nats_is_away_the_last_is_served_with_its_age(nats, own_bus):
    await publish_both(own_bus, None, a_node(), "created")
    async with serving(nats.url) as http:
        await publish_both(
            own_bus, None, a_service("web", labels={"traefik.http.services.a.loadbalancer.server.port": "80"})
        )

        async def served():
            answer = await http.get("/v1/traefik")
            return answer.json() if answer.status_code == 200 else None

        known = await until(served, "the document")
        nats.kill()

        async def aged():
            answer = await http.get("/v1/traefik")
            return answer if "age" in answer.headers else None

        assert known == (await until(aged, "an age")).json()


async def test_the_same_document_has_the_same_etag_and_is_not_sent_again(scene):
    await scene.serve("web")

    async def served():
        answer = await scene.document()
        return answer if answer.status_code == 200 and answer.json() else None

    first, again = await until(served, "the document"), await scene.document()
    assert (first.content, first.headers["etag"]) == (again.content, again.headers["etag"])
    known = await scene.http.get("/v1/traefik", headers={"If-None-Match": first.headers["etag"]})
    assert (304, b"") == (known.status_code, known.content)


async def test_after_events_were_lost_the_document_is_whole_again(scene):
    await scene.serve("web")
    await scene.run("web")
    await scene.proxy.answers("web.test", 200)
    for number in range(3):
        await scene.serve(f"other{number}")
    await call(scene.bus.link, f"STREAM.PURGE.{scene.bus.subjects.events_stream}")
    await scene.serve("last")
    await scene.run("last")

    await scene.proxy.answers("last.test", 200)
    assert 200 == (await scene.proxy.get("web.test")).status_code


async def test_without_nats_it_says_why():
    async with serving("nats://127.0.0.1:1") as http:
        answer = await http.get("/v1/traefik")

    assert 503 == answer.status_code
    assert "NATS" in answer.json()["detail"]
