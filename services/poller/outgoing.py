"""An event as a NATS message: subject, headers, body. Pure.

Headers: `Nats-Msg-Id` is the event's id; CloudEvents 1.0 in binary mode; `traceparent` where the service carries one.
"""

from typing import Final

from funswarm.messages import MSG_ID_HEADER, TRACEPARENT_HEADER, Event
from funswarm.state import TRACE_LABEL, AnyState, ServiceState, TaskState, event_names
from funswarm.subjects import Subjects, token
from funswarm.tracing import valid_traceparent
from services.bus.journal import Outgoing
from services.poller.derive import stub
from services.poller.diff import went_back
from services.poller.view import View

EVENT_BYTES_MAX: Final = 1_000_000  # NATS takes 1 MiB with the headers


def cut(event: Event) -> Event:
    """The event as small as can be; readers are told by its `cut`."""
    after = None if event.after is None else stub(event.after)
    return event.model_copy(update={"before": None, "after": after, "changes": (), "cut": True})


def outgoing(event: Event, subjects: Subjects, traceparent: str | None, *, small: bool = False) -> Outgoing:
    """The message of an event; `small`: cut. One that would be too large goes without its `changes`."""
    state = event.after or event.before
    if state is None:
        raise ValueError(f"event {event.id} has no state")
    body = (cut(event) if small else event).model_dump_json().encode()
    if len(body) > EVENT_BYTES_MAX:
        body = event.model_copy(update={"changes": ()}).model_dump_json().encode()
    headers = {
        MSG_ID_HEADER: event.id,
        "ce-specversion": "1.0",
        "ce-id": event.id,
        "ce-type": f"funswarm.{event.kind}.{event.action}",
        "ce-source": f"/funswarm/{event.cluster}",
        "ce-time": event.time,
        "ce-subject": f"{event.kind}/{event.object_id}",
        "content-type": "application/json",
    }
    if traceparent:
        headers[TRACEPARENT_HEADER] = traceparent
    return Outgoing(subjects.event(event.kind, token(event.action), *event_names(state)), body, headers)


def traceparent_of(state: AnyState | None, view: View) -> str | None:
    """The trace context of the command that wrote the service last, for the service's and its tasks' events.

    None after a way back: the label that came back with the older spec is that of long ago. None too where the label is
    no trace: anyone can set it, and one that NATS does not take as a header would hold up all that comes after.
    """
    service = view.service(state.service_id) if isinstance(state, TaskState) else state
    if not isinstance(service, ServiceState) or went_back(service):
        return None
    return valid_traceparent(service.labels.get(TRACE_LABEL))
