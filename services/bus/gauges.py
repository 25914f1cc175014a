"""Numbers for policies: how far a consumer of JetStream is behind, and what is published on subjects. I/O: NATS."""

import re
from collections.abc import Callable
from typing import Final

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from funswarm.errors import FunswarmError, PermanentError
from funswarm.gauges import Usage
from services.bus.connection import Bus
from services.bus.jetstream import ApiError, call
from services.bus.serving import CODE_HEADER, ERROR_HEADER

_NAME: Final = re.compile(r"[^\s.*>/\\]{1,255}")
TASKS_AT_ONCE: Final = 1000

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
        found = await call(bus.link, f"CONSUMER.INFO.{stream}.{consumer}")
    except ApiError as error:
        raise error.told(f"read the consumer {consumer} of stream {stream}") from error
    return int(found.get("num_pending", 0)) + int(found.get("num_ack_pending", 0))


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
