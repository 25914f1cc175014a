"""Routes to single tasks, followed by a real Traefik: exact, and the slot's own from task to task."""

from contextlib import AsyncExitStack

import pytest

from tests.builders import a_node
from tests.nats.api_scene import serving
from tests.nats.client_scene import publish_both
from tests.nats.test_traefik import Scene
from tests.traefik import traefik

ANY = "anything.test"


@pytest.fixture
async def scene(bus, shared_nats, prefix, tmp_path):
    await publish_both(bus, None, a_node(), "created")
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(serving(shared_nats.url, prefix, tasks_domain="tasks.test"))
        proxy = await stack.enter_async_context(traefik(f"{http.base_url}/v1/traefik", tmp_path))
        yield Scene(bus, http, proxy, stack)


def exposed(scene, **others):
    labels = {"funswarm.tasks.expose": "true", "funswarm.tasks.port": str(scene.port)}
    return scene.serve("web", labels | others, replicas=2)


async def test_each_route_leads_to_its_own_task(scene):
    await exposed(scene)
    first, _ = await scene.run("web", 1), await scene.run("web", 2)
    await scene.proxy.answers(ANY, 200, "/tasks/web.2/")

    for path in ("/tasks/web.1", "/tasks/web.1/below", f"/tasks/id/{first.id}/"):
        assert {"web.1"} == {(await scene.proxy.answers(ANY, 200, path)).text for _ in range(6)}


async def test_a_slot_has_a_host_of_its_own(scene):
    await exposed(scene)
    await scene.run("web", 2)

    assert "web.2" == (await scene.proxy.answers("2.web.tasks.test", 200)).text


async def test_what_only_begins_alike_is_404(scene):
    await exposed(scene)
    await scene.run("web", 1)
    await scene.proxy.answers(ANY, 200, "/tasks/web.1/")

    for path in ("/tasks/web.10/", "/tasks/web.1x", "/tasks/web./", "/tasks/id/"):
        assert (path, 404) == (path, (await scene.proxy.get(ANY, path)).status_code)


async def test_a_slot_answers_503_until_its_next_task_is_ready_and_its_last_tasks_own_route_ends(scene):
    await exposed(scene)
    first = await scene.run("web", 1)
    own = f"/tasks/id/{first.id}/"
    await scene.proxy.answers(ANY, 200, own)

    await scene.change(first, desired_state="shutdown")
    await scene.proxy.answers(ANY, 503, "/tasks/web.1/")
    await scene.run("web", 1, id="task-next")

    assert "web.1" == (await scene.proxy.answers(ANY, 200, "/tasks/web.1/")).text
    await scene.proxy.answers(ANY, 404, own)


async def test_the_middlewares_of_the_label_are_asked_first(scene):
    closed = {"traefik.http.middlewares.closed.ipallowlist.sourcerange": "192.0.2.0/24"}
    await exposed(scene, **closed, **{"funswarm.tasks.middlewares": "closed"})
    await scene.run("web", 1)

    await scene.proxy.answers(ANY, 403, "/tasks/web.1/")


async def test_no_route_leads_past_a_middleware_that_is_not_there(scene):
    await exposed(scene, **{"funswarm.tasks.middlewares": "nowhere"})
    await scene.run("web", 1)
    await scene.proxy.answers("web.test", 200)

    assert 404 == (await scene.proxy.get(ANY, "/tasks/web.1/")).status_code
