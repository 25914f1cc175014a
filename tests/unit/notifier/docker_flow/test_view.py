"""What follows from the feed: swarmlistener_test.go, service- and nodecache_test.go, service- and nodepoller_test.go.

docker-flow-swarm-listener compares lists and events with caches; here the news before an item are compared with those
after it.
"""

from datetime import UTC, datetime

import pytest

from funswarm.changes import Changed, Relisted, SnapshotBegin, SnapshotEnd, Snapshotted
from funswarm.messages import Event
from funswarm.state import AnyState, Condition, ConditionStatus, UpdateStatus
from services.notifier.docker_flow.news import REMOVAL_MAX
from services.notifier.docker_flow.settings import DockerFlowSettings
from services.notifier.docker_flow.view import Key, View
from services.poller.condition import condition
from tests.builders import CLUSTER, a_node, a_service, a_task, an_engine
from tests.unit.notifier.docker_flow.scenes import labels, read, settings

WEB: Key = ("service", "web")


def opted(name: str = "web", *, service_id: str = "", condition: str = "converged", **others):
    others.setdefault("labels", labels())
    state = Condition(status=ConditionStatus(condition))
    return a_service(name, id=service_id or f"service-{name}", condition=state, **others)


DOWN = a_node("down", state="down")  # of which there are no news


def snapshot(*states: AnyState) -> list[SnapshotBegin | Snapshotted | SnapshotEnd]:
    return [SnapshotBegin(), *(Snapshotted(state) for state in (DOWN, *states)), SnapshotEnd(1)]


def event(action: str, before: AnyState | None, after: AnyState | None) -> Changed:
    state = after or before
    assert state is not None
    body = Event(
        id="x", time="", observed_at=datetime.now(UTC), cluster=CLUSTER, kind=state.kind, action=action,
        name=state.name, object_id=state.id, version=state.version, before=before, after=after,
    )  # fmt: skip
    return Changed(2, state.kind, action, body.model_dump_json().encode())


def view(*states: AnyState, environ: dict[str, str] | None = None) -> View:
    made = View(settings(**environ or {}))
    for item in snapshot(*states):
        made.take(item)
    return made


def told(made: View) -> dict[str, str] | None:
    news = made.news(WEB)
    return None if news is None else news.create


# What is known.


def test_all_services_of_a_snapshot_are_news():
    made = View(settings())
    *_, touched = [made.take(item) for item in snapshot(opted("web"), opted("api"), a_service("other"))]
    assert {WEB, ("service", "api")} == touched


def test_of_a_second_snapshot_what_is_gone_is_touched_too():
    made = view(opted("web"), opted("api"))
    *_, touched = [made.take(item) for item in snapshot(opted("web"))]
    assert ({WEB, ("service", "api")}, None) == (touched, made.news(("service", "api")))


def test_a_new_service_is_news():
    made = view()
    touched = made.take(event("created", None, opted(replicas=3)))
    assert ({WEB}, "3") == (touched, (told(made) or {})["replicas"])


def test_a_service_that_is_gone_has_no_news():
    made = view(opted())
    assert ({WEB}, None) == (made.take(event("removed", opted(), None)), made.news(WEB))


def test_a_service_that_did_not_opt_in_is_no_news():
    assert set() == view().take(event("created", None, a_service("web")))


def test_a_service_that_opts_out_is_gone():
    made = view(opted())
    touched = made.take(event("updated", opted(), opted(labels={})))
    assert ({WEB}, None) == (touched, made.news(WEB))


def test_a_service_under_another_name_is_gone_under_the_old_one():
    short, stack = labels(shortName="true"), {"com.docker.stack.namespace": "s"}
    made = view(opted("s_web", labels=labels() | stack))
    touched = made.take(event("updated", None, opted("s_web", labels=short | stack)))
    assert {("service", "s_web"), WEB} == touched
    assert made.news(("service", "s_web")) is None


def test_nodes_are_news():
    assert {("node", "node-a")} == view().take(event("created", None, a_node("a")))


def test_a_node_that_is_down_has_no_news():
    made = view(a_node("a"))
    made.take(event("updated", a_node("a"), a_node("a", state="down")))
    assert made.news(("node", "node-a")) is None


def test_all_nodes_are_listed_also_those_that_are_down():
    made = view(a_node("b", state="down"), a_node("a"))
    assert [("a", "ready"), ("b", "down"), ("down", "down")] == [
        (node["hostname"], node["state"]) for node in made.nodes()
    ]


def test_a_task_with_another_address_is_news():
    def task(task_id: str, address: str):
        return a_task(id=task_id, addresses=({"network_id": "n", "network": "net", "addresses": (f"{address}/24",)},))

    old, new = task("one", "10.0.0.2"), task("two", "10.0.0.3")
    made = view(opted(labels=labels(scrapeNetwork="net")), old, environ={"DF_INCLUDE_NODE_IP_INFO": "true"})
    made.take(event("removed", old, None))
    assert {WEB} == made.take(event("running", None, new))
    assert '[["alpha","10.0.0.3","node-alpha"]]' == (told(made) or {})["nodeInfo"]


def test_tasks_are_not_followed_where_nobody_wants_their_addresses():
    assert "task" not in View(read()).feed_kinds


def test_node_info_wants_tasks():
    assert "task" in View(read(DF_INCLUDE_NODE_IP_INFO="true")).feed_kinds


# Whether all is known.


def test_before_a_snapshot_not_all_is_known():
    assert not View(settings()).complete


def test_a_swarm_that_the_poller_has_not_seen_is_not_known():
    made = View(settings())
    for item in (SnapshotBegin(), SnapshotEnd(0), event("created", None, an_engine())):  # it is told of before lists
        made.take(item)
    assert not made.complete


def test_after_a_snapshot_all_is_known():
    assert view().complete


def test_where_events_are_missing_not_all_is_known():
    made = view()
    made.take(Relisted("too slow"))
    assert not made.complete


def test_a_feed_that_ended_takes_nothing_away():
    made = view(opted())
    made.broken()
    assert (False, True) == (made.complete, made.news(WEB) is not None)


def test_a_service_whose_event_is_cut_stays_as_it_was():
    made = view(opted(replicas=3))
    made.take(event("updated", None, opted(labels={}, spec={})))
    assert "3" == (told(made) or {})["replicas"]


# Two of one name.


def test_of_two_services_with_one_name_the_older_has_it():
    two = [
        opted(f"{stack}_web", created_at=at, labels=labels(shortName="true") | {"com.docker.stack.namespace": stack})
        for stack, at in (("a", "2026-11-02"), ("b", "2026-11-01"))
    ]
    made = view(*two)
    news = made.news(WEB)
    assert news is not None
    assert "service-b_web" == news.object_id
    assert ["a_web"] == list(made.problems())


def test_a_service_that_is_created_anew_has_another_identity():
    made = view(opted(service_id="one"))
    before = made.news(WEB)
    made.take(event("created", None, opted(service_id="two", created_at="2030")))
    made.take(event("removed", opted(service_id="one"), None))
    after = made.news(WEB)
    assert before is not None
    assert after is not None
    assert before.identity != after.identity


def test_a_choice_that_is_no_receiver_is_a_problem():
    (problem,) = view(opted(labels=labels(notifyService="proxy, nobody"))).problems()["web"]
    assert ("com.df.notifyService", True) == (problem.label, "nobody" in problem.reason)


def test_labels_that_are_too_long_are_a_problem_and_not_told():
    made = view(opted(labels=labels(users="&" * REMOVAL_MAX)))
    news = made.news(WEB)
    assert news is not None
    assert (False, ["web"]) == (news.is_ready, list(made.problems()))


# When: only a service with a network waits until it has converged.

STATES = ["progressing", "converged", "stalled", "degraded", "rolled-back"]


@pytest.mark.parametrize("status", STATES)
def test_a_service_without_a_network_is_told_at_once(status):
    news = view(opted(condition=status)).news(WEB)
    assert news is not None
    assert news.is_ready


@pytest.mark.parametrize(("status", "is_ready"), list(zip(STATES, [False, True, False, True, True], strict=True)))
def test_a_service_with_a_network_is_told_when_it_runs(status, is_ready):
    news = view(opted(condition=status, labels=labels(scrapeNetwork="net"))).news(WEB)
    assert news is not None
    assert is_ready == news.is_ready


def test_a_service_with_a_network_is_told_at_once_where_the_settings_want_it():
    immediately = {"DF_NOTIFY_CREATE_SERVICE_IMMEDIATELY": "true"}
    news = view(opted(condition="progressing", labels=labels(scrapeNetwork="net")), environ=immediately).news(WEB)
    assert news is not None
    assert news.is_ready


def test_what_is_told_at_once_is_told_again_with_the_addresses():
    service = opted(condition="progressing", labels=labels(scrapeNetwork="net"))
    made = view(service, environ={"DF_NOTIFY_CREATE_SERVICE_IMMEDIATELY": "true", "DF_INCLUDE_NODE_IP_INFO": "true"})
    before = told(made)
    made.take(
        event("running", None, a_task(addresses=({"network_id": "n", "network": "net", "addresses": ("1.2.3.4",)},)))
    )
    after = told(made)
    assert before is not None
    assert after is not None
    assert {"nodeInfo"} == set(after) - set(before)


# task_test.go: whether a service runs, by the poller's condition, which the view takes.


def runs(mode: str, replicas: int | None, *tasks, rollout: str | None = None) -> bool:
    update = UpdateStatus(state=rollout) if rollout else None
    service = opted(mode=mode, replicas=replicas, labels=labels(scrapeNetwork="net"), update_status=update)
    nodes = {node.id: node for node in (a_node("a"), a_node("b"), *(a_node(str(number)) for number in range(50)))}
    news = view(service.model_copy(update={"condition": condition(service, tasks, nodes, None)})).news(WEB)
    assert news is not None
    return news.is_ready


def one(task_id: str, state: str, node: str = "a", slot: int | None = 1, **others):
    return a_task(id=task_id, slot=slot, state=state, node=node, **others)


GONE = {"desired_state": "shutdown"}
CASES = [  # what the case is, whether it runs, its tasks
    ("none", False, []),
    ("not wanted any more", False, [("1", "new", "a", GONE)]),
    ("new", False, [("1", "new", "a", {})]),
    ("running", True, [("1", "running", "a", {})]),
    ("failed", False, [("1", "failed", "a", {})]),
    ("replaced", True, [("1", "failed", "a", GONE), ("2", "running", "a", {})]),
]


@pytest.mark.parametrize(("is_running", "tasks"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize(("mode", "replicas", "slot"), [("replicated", 1, 1), ("global", None, None)])
def test_one_task(mode, replicas, slot, is_running, tasks):
    made = [one(task_id, state, node, slot, **others) for task_id, state, node, others in tasks]
    assert is_running == runs(mode, replicas, *made)


def test_a_second_task_that_prepares_while_the_first_runs():
    tasks = [one("2", "running", "b"), one("3", "preparing", "b")]
    assert not runs("replicated", 1, *tasks, rollout="updating")


@pytest.mark.parametrize("running", [0, 49, 50])
@pytest.mark.parametrize(("mode", "replicas"), [("replicated", 50), ("global", None)])
def test_fifty_tasks(mode, replicas, running):
    states = ["running"] * running + ["new"] * (50 - running)
    tasks = [
        one(str(number), state, str(number), number + 1 if replicas else None) for number, state in enumerate(states)
    ]
    assert (running == 50) == runs(mode, replicas, *tasks)


@pytest.mark.parametrize("rollout", ["updating", "paused", "rollback_started", "rollback_paused"])
def test_while_a_rollout_is_not_over_it_does_not_count_as_running(rollout):
    assert not runs("replicated", 1, one("1", "running"), rollout=rollout)


def test_it_takes_settings_without_receivers():
    assert View(DockerFlowSettings()).news(WEB) is None
