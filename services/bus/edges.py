"""What nats-py leaves to its user at the edges: a subscription that fails halfway, a message that it does not take, the
end of a connection, and why one cannot come about. I/O by nats-py; `useless` is pure.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from funswarm.errors import PermanentError, Unavailable
from funswarm.inbox import subscribe_straight
from services.bus.answers import Unfit

_log = logging.getLogger(__name__)


async def subscribed(
    client: Client, subject: str, handler: Callable[[Msg], Awaitable[None]], queue: str
) -> Subscription:
    """Calls `handler` with each message, one at a time; NATS may not know of it yet.

    Raises:
        Unavailable: the connection gets lost; nothing of it is left.
        PermanentError: nats-py does not take it.
    """

    async def guarded(message: Msg) -> None:
        try:
            await handler(message)
        except Exception:  # noqa: BLE001  one bad message does not end the subscription
            _log.exception("a message on %s could not be handled", subject)

    return await _begun(client, subject, client.subscribe(subject, queue=queue, cb=guarded), guarded)


async def subscribed_straight(client: Client, subject: str, take: Callable[[Msg], None]) -> Subscription:
    """Has each message handed to `take` as it is read, without nats-py's queue and task; raises as `subscribed`."""

    def guarded(message: Msg) -> None:
        try:
            take(message)
        except Exception:  # noqa: BLE001  else nats-py would read no more
            _log.exception("a message on %s could not be handled", subject)

    return await _begun(client, subject, subscribe_straight(client, subject, guarded), guarded)


async def _begun(
    client: Client, subject: str, beginning: Awaitable[Subscription], handler: Callable[[Msg], object]
) -> Subscription:
    try:
        return await beginning
    except OSError as error:
        left = [one for one in client._subs.values() if handler in (one._cb, getattr(one._future, "set_result", None))]  # noqa: SLF001
        await asyncio.gather(*map(unsubscribe, left))
        raise Unavailable(f"cannot subscribe to {subject}: {error}") from error
    except nats.errors.Error as error:
        raise PermanentError(f"cannot subscribe to {subject}: {error}") from error


async def published(client: Client, subject: str, body: bytes, reply: str, headers: Mapping[str, str] | None) -> None:
    """Hands a message to nats-py to be written.

    Raises:
        Unavailable: the connection gets lost.
        Unfit: too large, or a subject or header that NATS does not allow.
    """
    size = len(body) + sum(len(name) + len(value.encode()) + 4 for name, value in (headers or {}).items()) + 16
    if size > client.max_payload:  # NATS counts the headers too, and closes the connection
        raise Unfit(f"{subject}: {size} bytes are more than the {client.max_payload} that NATS takes")
    try:
        await client.publish(subject, body, reply=reply, headers=dict(headers) if headers else None)
    except (nats.errors.BadSubjectError, nats.errors.BadHeaderError) as error:
        raise Unfit(f"cannot send to {subject!r}: {error}") from error
    except (nats.errors.Error, OSError) as error:
        raise Unavailable(f"cannot send to {subject}: {error}") from error


async def unsubscribe(subscription: Subscription) -> None:
    """End a subscription; what it has queued is thrown away."""
    with suppress(nats.errors.Error, OSError):
        await subscription.unsubscribe()


async def end_client(client: Client, timeout_s: float) -> None:
    """Close it with all that nats-py has running for it, within twice `timeout_s`, also while NATS is away."""
    with suppress(Exception):  # whatever state it was in, it is left now
        async with asyncio.timeout(timeout_s):
            await client.close()
    tasks = (client._reconnection_task, client._reading_task, client._ping_interval_task, client._flusher_task)  # noqa: SLF001
    left = {task for task in tasks if task is not None and not task.done()}
    for task in left:  # it swallows a cancellation now and then, and would go on reconnecting for ever
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=timeout_s)


def useless(error: Exception, where: str, who: str) -> str | None:
    """Why trying again would not help after this error of connecting, where it would not."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"NATS at {where} is not trusted: {error}; FUNSWARM_NATS_TLS_CA says who signs for it"
    if "authorization" in str(error).lower():
        return f"NATS at {where} refuses {who}: check the user and password"
    return None
