"""Numbers for policies: how far a consumer of JetStream is behind, and what is published on subjects. I/O: NATS."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from funswarm.errors import FunswarmError, PermanentError
from funswarm.gauges import Usage
from services.bus.connection import Bus
from services.bus.jetstream import ApiError, call
from services.bus.serving import CODE_HEADER, ERROR_HEADER

_NAME: Final = re.compile(r"[^\s.*>/\\]{1,255}")
TASKS_AT_ONCE: Final = 1000
OTHERS_MAX: Final = 8  # times as many consumers are listed as are wanted: a request for each costs about as much

Take = Callable[[str, bytes], None]


async def consumer_lag(bus: Bus, stream: str, consumer: str) -> int:
    """The messages that a consumer has not finished: those it has not got, and those it has not acknowledged.

    Raises:
        PermanentError: there is no such consumer; a missing one is not one without lag.
        Unavailable: NATS does not answer.
    """
    for name in (stream, consumer):
        if not _NAME.fullmatch(name):
            raise PermanentError(f"{name!r} cannot be the name of a stream or consumer")
    try:
        return _lag(await call(bus.link, f"CONSUMER.INFO.{stream}.{consumer}"))
    except ApiError as error:
        raise error.told(f"read the consumer {consumer} of stream {stream}") from error


async def consumer_lags(bus: Bus, stream: str, consumers: Collection[str]) -> dict[str, int]:
    """As `consumer_lag`, of several at once: one request for some hundreds. Those that are not found are left out; so
    are all of them where the stream has so many others that each by itself is read sooner.

    Raises:
        FunswarmError: as consumer_lag.
    """
    if not _NAME.fullmatch(stream):
        raise PermanentError(f"{stream!r} cannot be the name of a stream")
    lags: dict[str, int] = {}
    seen, total = 0, 1
    while seen < total:
        try:
            page = await call(bus.link, f"CONSUMER.LIST.{stream}", {"offset": seen})
        except ApiError as error:
            raise error.told(f"list the consumers of stream {stream}") from error
        listed = page.get("consumers") or []
        lags.update({one["name"]: _lag(one) for one in listed if one["name"] in consumers})
        seen, total = seen + len(listed), int(page.get("total", 0)) if listed else 0
        if total > OTHERS_MAX * len(consumers):
            return {}
    return lags


def _lag(info: Mapping[str, Any]) -> int:
    return int(info.get("num_pending", 0)) + int(info.get("num_ack_pending", 0))


class Heard:
    """What is heard on a subject, until `stop`."""

    def __init__(self, bus: Bus, subscription: Subscription) -> None:
        self._bus = bus
        self._subscription = subscription

    async def stop(self) -> None:
        await self._bus.link.unsubscribe(self._subscription)


async def tell_usage(bus: Bus, node_id: str, usage: Usage) -> None:
    """Say what tasks of a node use, in messages of TASKS_AT_ONCE; nothing keeps them.

    Raises:
        Unavailable: not connected.
    """
    tasks = list(usage.tasks.items())
    for start in range(0, len(tasks), TASKS_AT_ONCE):
        part = Usage(tasks=dict(tasks[start : start + TASKS_AT_ONCE]))
        await bus.link.send(bus.subjects.usage(node_id), part.model_dump_json().encode())


async def hear(bus: Bus, subject: str, take: Take) -> Heard:
    """Hand each message, subject and body, to `take`; who asks for an answer gets one: empty, or what `take` raised.

    Raises:
        Unavailable, PermanentError: as Link.subscribe.
    """

    async def arrived(message: Msg) -> None:
        headers = {}
        try:
            take(message.subject, message.data)
        except FunswarmError as error:
            headers = {ERROR_HEADER: " ".join(str(error).split()), CODE_HEADER: error.code.value}
        if message.reply:
            await bus.link.send(message.reply, b"", headers=headers)

    return Heard(bus, await bus.link.subscribe(subject, arrived))
