"""Events as NATS messages, and states that are too large for one."""

import json

from funswarm.messages import Event
from funswarm.state import TRACE_LABEL, Condition, ConditionStatus
from funswarm.subjects import Subjects
from services.poller.derive import published, slim, stub
from services.poller.diff import EventContext, diff
from services.poller.known import Known, key_of
from services.poller.outgoing import EVENT_BYTES_MAX, outgoing, traceparent_of
from services.poller.view import View
from tests.builders import CLUSTER, OBSERVED_AT, a_node, a_service, a_task

CONTEXT = EventContext(CLUSTER, OBSERVED_AT)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def a_view(*states) -> View:
    return View(lambda _: None, Known(states))


def messages(before, after, traceparent=None):
    return [outgoing(event, Subjects(), traceparent) for event in diff(before, after, CONTEXT)]


def test_a_service_s_event_is_named_after_it():
    (message,) = messages(None, a_service("a.b"))

    assert message.subject == "funswarm.event.service.created.a%2Eb"


def test_a_task_s_event_is_named_after_service_and_slot():
    message = messages(None, a_task("web", 3, state="pending"))[0]

    assert message.subject == "funswarm.event.task.created.web.3"


def test_a_removal_is_named_after_what_was():
    (message,) = messages(a_service("web"), None)

    assert message.subject == "funswarm.event.service.removed.web"


def test_the_id_is_the_message_id_and_the_cloudevent_s():
    (message,) = messages(None, a_service())
    event_id = json.loads(message.body)["id"]

    assert (message.headers["Nats-Msg-Id"], message.headers["ce-id"]) == (event_id, event_id)


def test_the_trace_is_carried_on():
    (message,) = messages(None, a_service(), TRACE)

    assert message.headers["traceparent"] == TRACE


def test_a_task_has_its_service_s_trace():
    view = a_view(a_service(labels={TRACE_LABEL: TRACE}))

    assert traceparent_of(a_task(), view) == TRACE
    assert traceparent_of(a_task("other"), view) is None


def test_a_label_that_is_no_trace_is_not_carried_on():
    view = a_view(a_service(labels={TRACE_LABEL: "x" * 900_000}))

    assert traceparent_of(a_service(labels={TRACE_LABEL: "a\nb"}), view) is None
    assert traceparent_of(a_task(), view) is None


def test_a_state_that_nobody_knows_splits_no_subject():
    message = messages(a_task("web", 3, state="pending"), a_task("web", 3, state="half. way", version=99))[0]

    assert message.subject == "funswarm.event.task.half%2E%20way.web.3"


def test_the_size_of_a_state_is_that_of_its_bytes():
    assert slim(a_service(labels={"a": "世" * 200_000})).labels == {}


def test_an_event_of_two_large_states_fits():
    before = slim(a_service(labels={"a": "x" * 300_000}))
    after = slim(a_service(version=11, labels={"a": "y" * 300_000}))
    (message,) = messages(before, after)

    assert len(message.body) < EVENT_BYTES_MAX
    assert json.loads(message.body)["changes"] == []


def test_a_cut_event_keeps_its_name_and_place():
    (event,) = diff(a_service(), a_service(version=11, labels={"a": "x"}), CONTEXT)
    message = outgoing(event, Subjects(), None, small=True)
    small = Event.model_validate_json(message.body)

    assert "funswarm.event.service.updated.web" == message.subject
    assert (event.id, True, None, ()) == (small.id, small.cut, small.before, small.changes)
    assert (1, {}, {}) == (small.after.revision, small.after.labels, small.after.spec)  # type: ignore[union-attr]


def test_a_cut_removal_is_named_after_what_was():
    (event,) = diff(a_task("web", 3), None, CONTEXT)

    assert "funswarm.event.task.removed.web.3" == outgoing(event, Subjects(), None, small=True).subject


def test_a_stub_has_short_texts_and_its_id():
    stalled = Condition(status=ConditionStatus.STALLED, reason="x" * 900)
    small = stub(a_service(id="y" * 900, condition=stalled, ports=({"target": 80},)))

    assert (900, 200, ()) == (len(small.id), len(small.condition.reason or ""), small.ports)
    assert small.condition.status is ConditionStatus.STALLED
    assert stub(small) == small


def test_a_state_that_fits_is_left_as_it_is():
    state = a_service()

    assert slim(state) is state


def test_a_state_that_is_too_large_gives_up_its_spec_first_and_its_labels_last():
    assert slim(a_service(spec={"x": "x" * 500_000})).spec == {}

    slimmed = slim(a_service(spec={}, labels={"a": "x" * 500_000}))
    assert slimmed.labels == {}


def test_a_node_that_drains_is_drained_when_its_last_task_ended():
    node = a_node(availability="drain")
    running, ended = a_view(node, a_task()), a_view(node, a_task(state="shutdown"))

    assert not published(key_of(node), running, Known()).drained  # type: ignore[union-attr]
    assert published(key_of(node), ended, Known()).drained  # type: ignore[union-attr]


def test_an_active_node_without_tasks_is_not_drained():
    node = a_node()

    assert not published(key_of(node), a_view(node), Known()).drained  # type: ignore[union-attr]


def test_what_is_gone_has_no_state():
    assert published(("service", "x"), a_view(), Known()) is None
