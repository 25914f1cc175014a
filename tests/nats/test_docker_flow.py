"""Docker Flow's listener whole: a simulated Swarm, a real NATS, the notifier as a process, receivers on loopback."""

from funswarm.messages import Problem, Problems
from services.bus.problems import ProblemTeller
from tests.nats.docker_flow_scene import Notifier, Scene, has_told, labels, paths, told
from tests.receiver import OK, Asked, Receiver, Reply
from tests.waiting import until

# The Swarm.


async def test_a_service_is_told_from_its_creation_to_its_end(flow: Scene, proxy: Receiver):
    await flow.notifier(proxy)
    service_id = await flow.create("web", replicas=2, port="80", servicePath="/a")
    await has_told(proxy, "web", "/reconfigure")
    assert "/reconfigure?distribute=true&port=80&replicas=2&serviceName=web&servicePath=%2Fa" == proxy.asked[0].target
    await flow.swarm.scale(service_id, 3)
    await until(lambda: told(proxy, "web")[-1].parameters.get("replicas") == "3", "the new number")
    await flow.swarm.engine.remove_service(service_id)
    await until(lambda: paths(proxy, "web")[-1] == "/remove", "the removal")
    assert "/remove?distribute=true&port=80&serviceName=web&servicePath=%2Fa" == proxy.asked[-1].target


async def test_who_takes_its_label_away_is_told_as_gone(flow: Scene, proxy: Receiver):
    await flow.notifier(proxy)
    service_id = await flow.create("web")
    await has_told(proxy, "web", "/reconfigure")
    await flow.swarm.change(service_id, Labels={})
    await has_told(proxy, "web", "/reconfigure", "/remove")


async def test_a_service_that_waits_for_its_tasks_is_told_when_they_run(flow: Scene, proxy: Receiver):
    running: list[int] = []

    def answer(_: Asked) -> Reply:
        tasks = list(flow.swarm.cluster.store.tasks.values())
        running.append(sum(task.state.word == "running" for task in tasks))
        return OK

    proxy.answer = answer
    await flow.notifier(proxy)
    await flow.create("waits", scrapeNetwork="none", replicas=10)
    await has_told(proxy, "waits", "/reconfigure")
    assert {10} == set(running)


async def test_nodes_are_told(flow: Scene, proxy: Receiver):
    await flow.notifier(
        DF_NOTIFY_CREATE_NODE_URL=f"{proxy.url}/node/up", DF_NOTIFY_REMOVE_NODE_URL=f"{proxy.url}/node/down"
    )
    await until(lambda: len({asked.target for asked in proxy.asked}) == 3, "all nodes")
    assert {"/node/up"} == {asked.path for asked in proxy.asked}
    assert "ready" == proxy.asked[0].parameters["state"]


async def test_listeners_with_other_labels_stand_side_by_side(flow: Scene, proxy: Receiver, second: Receiver):
    await flow.notifier(proxy)
    await flow.notifier(second, DF_NOTIFY_LABEL="com.df.notifyDev")
    await flow.create("web")
    await flow.swarm.create("dev", 1, Labels={"com.df.notifyDev": "true"})
    await has_told(proxy, "web", "/reconfigure")
    await has_told(second, "dev", "/reconfigure")
    assert [{"web"}, {"dev"}] == [{asked.parameters["serviceName"] for asked in one.asked} for one in (proxy, second)]


async def test_two_services_of_one_short_name_are_a_problem(flow: Scene, proxy: Receiver):
    await flow.notifier(proxy)
    for stack in ("a", "b"):
        name, short = f"{stack}_web", labels(shortName="true") | {"com.docker.stack.namespace": stack}
        await flow.swarm.create(name, 1, Labels=short)
        await flow.swarm.seen("service", name, "created")
    bus = flow.swarm.bus

    async def said() -> bytes:
        return await bus.last(bus.subjects.reports_stream, bus.subjects.problem("docker-flow", "b_web")) or b""

    (problem,) = Problems.model_validate_json(await until(said, "the problem")).problems
    assert "the service a_web is older" in problem.reason
    await has_told(proxy, "web", "/reconfigure")


async def test_a_service_that_went_while_no_notifier_ran_has_no_problems_any_more(flow: Scene, proxy: Receiver):
    bus = flow.swarm.bus
    await ProblemTeller(bus, "docker-flow").tell("gone", [Problem(source="docker-flow", service="gone", reason="why")])
    await flow.notifier(proxy)

    async def solved() -> bool:
        body = await bus.last(bus.subjects.reports_stream, bus.subjects.problem("docker-flow", "gone"))
        return body is not None and () == Problems.model_validate_json(body).problems

    await until(solved, "the problem to go")


# What is asked.


async def test_the_api_lists_services_and_nodes(flow: Scene):
    await flow.create("web", port="80")
    await flow.swarm.settled("web")
    notifier = await flow.notifier(FUNSWARM_DOCKER_FLOW="true")
    assert [{"distribute": "true", "port": "80", "replicas": "1", "serviceName": "web"}] == await notifier.listed(
        "services"
    )
    assert 3 == len(await notifier.listed("nodes"))


async def test_a_service_that_does_not_run_is_not_listed_and_told_again_when_it_does(flow: Scene, proxy: Receiver):
    service_id = await flow.create("web")
    await flow.swarm.settled("web")
    notifier = await flow.notifier(proxy)
    await has_told(proxy, "web", "/reconfigure")

    async def told_again() -> bool:
        """Once more, where no copy was active when the list was asked for."""
        await flow.swarm.change(service_id, TaskTemplate=nowhere(["node.labels.where==nowhere"]))
        await until_listed(notifier, [])
        await flow.swarm.change(service_id, TaskTemplate=nowhere([]))
        await until_listed(notifier, ["web"])
        return len(paths(proxy, "web")) > 1

    await until(told_again, "the second time", every_s=1.0)
    assert {"/reconfigure"} == set(paths(proxy, "web"))


def nowhere(constraints: list[str]) -> dict[str, object]:
    """Tasks that find a node, or not."""
    return {"ContainerSpec": {"Image": "busybox:1"}, "Placement": {"Constraints": constraints}}


async def until_listed(notifier: Notifier, names: list[str]) -> None:
    async def listed() -> bool:
        return names == [one["serviceName"] for one in await notifier.listed("services")]

    await until(listed, f"the list to have {names}", every_s=0.1)


async def test_all_services_are_told_again_if_asked(flow: Scene, proxy: Receiver):
    notifier = await flow.notifier(proxy)
    await flow.create("web")
    await has_told(proxy, "web", "/reconfigure")
    proxy.asked.clear()
    assert '{"Status":"OK"}' == (await notifier.told_all()).text
    await has_told(proxy, "web", "/reconfigure")


async def test_a_copy_on_standby_answers_and_has_the_active_one_tell(flow: Scene, proxy: Receiver):
    first = await flow.notifier(proxy)
    await flow.create("web")
    await has_told(proxy, "web", "/reconfigure")
    await flow.swarm.settled("web")
    standby = await flow.notifier(proxy)
    assert await first.listed("services") == await standby.listed("services")
    proxy.asked.clear()
    await standby.told_all()
    await has_told(proxy, "web", "/reconfigure")


async def test_the_old_metrics_are_there_under_their_names(flow: Scene, proxy: Receiver):
    notifier = await flow.notifier(proxy)
    await flow.create("web")
    await has_told(proxy, "web", "/reconfigure")

    async def counted() -> bool:
        text = (await notifier.get("/metrics")).text
        count = 'docker_flow_service_count{service="swarm_listener"} 1'
        return count in text and "funswarm_docker_flow_requests_total" in text

    await until(counted, "both metrics")
