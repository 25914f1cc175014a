"""HEAD as HTTP has it (RFC 9110, 9.3.2): GET's status and headers, and no body. ASGI.

Of a stream, which has no end, the beginning is the answer.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


async def answer_head(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Ask `app` as if for GET, and stop it when it has begun to answer. The route is noted in `scope`, as of GET."""
    begun = asyncio.Event()
    asked = {**scope, "method": "GET"}

    async def begin(message: Message) -> None:
        if message["type"] == "http.response.start" and not begun.is_set():
            await send(message)
            await send({"type": "http.response.body"})
            begun.set()

    answering = asyncio.ensure_future(app(asked, receive, begin))
    waiting = asyncio.ensure_future(begun.wait())
    try:
        await asyncio.wait({answering, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            answering.result()
    finally:
        scope["route"] = asked.get("route")
        for task in (answering, waiting):
            task.cancel()
        await asyncio.wait({answering, waiting})
