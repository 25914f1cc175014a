"""Questions to the parts: pages, errors, health, metrics."""

import pytest

from funswarm.client import Client
from funswarm.errors import Failed, InvalidRequest, Unavailable, UnknownNode, UnknownObject
from funswarm.messages import NodePage, Query, ServicePage, SummaryPage
from tests.builders import a_node, a_service
from tests.nats.client_scene import a_part, answer_health
from tests.waiting import PATIENCE_S, until


async def serve(bus, name, answer):
    async def handle(body):
        found = answer(Query.model_validate_json(body))
        return found if isinstance(found, bytes) else found.model_dump_json().encode()

    await bus.serve("test", {bus.subjects.query(name): handle}, "1.0.0")


async def test_all_pages_are_collected(bus, client):
    pages = {None: ServicePage(items=(a_service("b"),), next="b"), "b": ServicePage(items=(a_service("a"),))}
    await serve(bus, "services", lambda query: pages[query.after])

    assert ["a", "b"] == [service.name for service in await client.services()]


async def test_what_the_poller_says_of_an_unknown_name_is_raised(bus, client):
    def unknown(query):
        raise UnknownObject(f"there is no service {query.name!r}")

    await serve(bus, "service", unknown)

    with pytest.raises(UnknownObject, match="'web'"):
        await client.service("web")


@pytest.mark.parametrize("error", [Unavailable("not yet"), InvalidRequest("no query")])
async def test_errors_keep_their_kind_over_nats(bus, client, error):
    def fail(_):
        raise error

    await serve(bus, "tasks", fail)

    with pytest.raises(type(error), match=str(error)):
        await client.tasks()


async def test_a_node_that_is_not_there_is_unknown(bus, client):
    nodes = {"alpha": a_node("alpha")}
    await serve(
        bus, "nodes", lambda query: NodePage(items=tuple(one for one in nodes.values() if one.name == query.name))
    )

    assert "alpha" == (await client.node("alpha")).name
    with pytest.raises(UnknownNode, match="'beta'"):
        await client.node("beta")


async def test_an_answer_of_another_version_is_said_to_be_that(bus, client):
    await serve(bus, "nodes", lambda _: b'{"things": []}')

    with pytest.raises(Failed, match="another version"):
        await client.nodes()


async def test_without_a_poller_it_says_so(client):
    with pytest.raises(Unavailable, match="no active poller"):
        await client.services()


async def test_health_is_of_all_parts_and_services(bus, client):
    for part in (a_part("poller"), a_part("scheduler"), a_part("scheduler", "2", active=False)):
        await answer_health(bus, part)
    await serve(bus, "summary", lambda _: SummaryPage(items=(), cluster="c"))

    async def of_three():
        health = await client.health()  # it waits a second for answers
        return health if len(health.parts) == 3 else None

    health = await until(of_three, "the health of three")

    assert (True, "c") == (health.ok, health.cluster)
    assert [("poller", "1"), ("scheduler", "1"), ("scheduler", "2")] == [
        (part.part, part.instance) for part in health.parts
    ]


async def test_health_names_what_does_not_answer(bus, client):
    await answer_health(bus, a_part("poller"))

    async def of_one():
        health = await client.health()
        return health if health.parts else None

    health = await until(of_one, "the health of one")

    assert not health.ok
    assert "no scheduler answers: start one" in health.reasons
    assert any("the services are not known" in reason for reason in health.reasons)


async def test_health_says_that_nats_is_away(nats):
    async with Client(nats.url) as client:
        nats.kill()
        health = await client.health()

    assert not health.ok


async def test_metrics_of_all_copies_are_one_page(bus, client):
    for number in range(3):

        async def answer(_, number=number):
            return f'# TYPE up gauge\nup{{instance="{number}"}} 1\n'.encode()

        await bus.answer_all(bus.subjects.part_metrics, answer)

    async def of_three():
        text = await client.metrics()
        return text if text.count("up{instance=") == 3 else None

    assert 1 == (await until(of_three, "the metrics of three")).count("# TYPE up gauge")


async def test_requests_after_a_restart_are_answered(nats, own_bus):
    await serve(own_bus, "nodes", lambda _: NodePage(items=(a_node("alpha"),)))
    async with Client(nats.url) as client:
        nats.kill()
        nats.start()

        async def asked():
            try:
                return await client.nodes()
            except Unavailable:
                return None

        assert "alpha" == (await until(asked, "an answer", PATIENCE_S))[0].name
