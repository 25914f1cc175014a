"""An event as an HTTP request: CloudEvents 1.0 over HTTP, signed as Standard Webhooks has it. Pure.

The event on NATS is a CloudEvent already, in binary mode: its headers say all but the data. The same event has the same
`ce-id` and `webhook-id` at each attempt.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from funswarm.hooks import Hook
from funswarm.messages import MSG_ID_HEADER, TRACEPARENT_HEADER
from funswarm.signature import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign

STRUCTURED: Final = "application/cloudevents+json; charset=utf-8"
DATA: Final = "application/json"
USER_AGENT: Final = "funswarm-webhooks/1"
_CE: Final = "ce-"
_PLAIN: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: an event's headers on NATS, and its body, which is JSON."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers.get("ce-id") or self.headers.get(MSG_ID_HEADER, "")


def request(hook: Hook, message: Message, now: datetime) -> tuple[dict[str, str], bytes]:
    """The headers and the body of one attempt."""
    headers = {"user-agent": USER_AGENT, **hook.headers}
    about = {name: value for name, value in message.headers.items() if name.startswith(_CE)}
    body = message.body
    if hook.format == "structured":
        headers["content-type"] = STRUCTURED
        attributes = {name.removeprefix(_CE): value for name, value in about.items()}
        head = json.dumps({**attributes, "datacontenttype": DATA}, ensure_ascii=False)
        body = head[:-1].encode() + b', "data": ' + body + b"}"
    else:
        headers["content-type"] = DATA
        headers |= {name: quote(value, safe=_PLAIN) for name, value in about.items()}
    if trace := message.headers.get(TRACEPARENT_HEADER):
        headers[TRACEPARENT_HEADER] = trace
    timestamp_s = int(now.timestamp())
    webhook_id = quote(message.id, safe=_PLAIN)
    headers |= {ID_HEADER: webhook_id, TIMESTAMP_HEADER: str(timestamp_s)}
    if hook.secret is not None:
        headers[SIGNATURE_HEADER] = sign(hook.secret, webhook_id, timestamp_s, body)
    return headers, body


def trial(cluster: str, hook: Hook, now: datetime) -> Message:
    """What `funswarm hooks test` sends: an event of a type of its own."""
    event_id = f"test/{hook.name}@{now.timestamp():.0f}"
    headers = {
        "ce-specversion": "1.0",
        "ce-id": event_id,
        "ce-type": "funswarm.test",
        "ce-source": f"/funswarm/{cluster}",
        "ce-time": now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "ce-subject": f"hook/{hook.name}",
    }
    return Message(headers, json.dumps({"hook": hook.name, "test": True}).encode())
