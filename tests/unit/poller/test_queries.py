"""Answers in pages."""

import pytest

from funswarm.errors import InvalidRequest, Unavailable, UnknownObject
from funswarm.messages import Query, TaskPage
from funswarm.subjects import Subjects
from services.poller.known import Known
from services.poller.queries import PAGE_BYTES_MAX, Queries
from services.poller.view import View
from tests.builders import a_node, a_service, a_task


async def look_in_vain(_: str) -> None:
    pass


def queries(*states, ready: bool = True) -> Queries:
    known = Known(states)
    return Queries(known, View(lambda _: None, known), "cluster-1", lambda: ready, look_in_vain)


def test_pages_follow_each_other_without_gap_or_overlap():
    asked = queries(*(a_service(f"web{number}") for number in range(5)))
    first = asked.services(Query(limit=2))
    second = asked.services(Query(limit=2, after=first.next))
    third = asked.services(Query(limit=2, after=second.next))

    names = [service.name for page in (first, second, third) for service in page.items]
    assert names == [f"web{number}" for number in range(5)]
    assert third.next is None


def test_a_page_that_is_exactly_full_is_the_last():
    assert queries(a_service("a"), a_service("b")).services(Query(limit=2)).next is None


def test_a_page_fits_into_a_message():
    asked = queries(*(a_service(f"web{number}", spec={"x": "x" * 400_000}) for number in range(5)))
    page = asked.services(Query())

    assert len(page.items) == 2
    assert len(page.model_dump_json()) < PAGE_BYTES_MAX * 1.1


def test_tasks_are_selected_by_service_and_node():
    asked = queries(a_task("web", 1), a_task("web", 2, node="beta"), a_task("db", 1))

    assert [task.name for task in asked.tasks(Query(service="web", node="beta")).items] == ["web.2"]


def test_one_service_is_found_by_name_or_id():
    asked = queries(a_service("web"), a_service("db"))

    assert asked.service(Query(name="db")) == asked.service(Query(name="service-db")) == a_service("db")


def test_a_service_that_is_not_there_is_said():
    with pytest.raises(UnknownObject, match="web"):
        queries().service(Query(name="web"))


def test_nodes_are_listed():
    assert [node.name for node in queries(a_node("a"), a_node("b")).nodes(Query()).items] == ["a", "b"]


def test_the_summary_counts_what_runs():
    asked = queries(a_service("web", replicas=3), a_task("web", 1), a_task("web", 2, state="starting"))
    (summary,) = asked.summary(Query()).items

    assert (summary.running, summary.desired) == (1, 3)


def test_what_comes_later_is_in_later_answers():
    known = Known([a_service("a")])
    asked = Queries(known, View(lambda _: None), "cluster-1", lambda: True, look_in_vain)
    asked.services(Query())
    known.put(a_service("b"))
    known.drop(("service", "service-a"))

    assert [service.name for service in asked.services(Query()).items] == ["b"]


async def test_a_body_that_is_no_query_is_refused():
    handler = queries().endpoints(Subjects())["funswarm.query.tasks"]
    with pytest.raises(InvalidRequest):
        await handler(b'{"unknown": 1}')


async def test_nothing_is_answered_before_all_was_listed():
    handler = queries(ready=False).endpoints(Subjects())["funswarm.query.tasks"]
    with pytest.raises(Unavailable):
        await handler(b"")


async def test_an_empty_body_asks_for_all():
    handler = queries(a_task()).endpoints(Subjects())["funswarm.query.tasks"]

    assert TaskPage.model_validate_json(await handler(b"")).items == (a_task(),)
