"""The webhooks of one copy while it is active: wiring, and what is asked about them on `<p>.hooks.…`."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

from prometheus_client import CollectorRegistry
from pydantic import BaseModel, ValidationError

from funswarm.errors import InvalidRequest
from funswarm.explain import explain
from funswarm.hooks import Hook, HookPage, HookQuestion
from services.bus.connection import Bus
from services.bus.serving import Handler
from services.notifier.health import Standing
from services.notifier.hooks.keeping import HookFile
from services.notifier.hooks.manager import Manager
from services.notifier.hooks.metrics import HookMetrics
from services.notifier.hooks.posting import Poster
from services.notifier.settings import NotifierSettings

MICRO_NAME: Final = "funswarm-notifier"


class Webhooks:
    """`run_active` while the copy holds the lease."""

    def __init__(self, bus: Bus, settings: NotifierSettings, standing: Standing, registry: CollectorRegistry) -> None:
        self._bus, self._settings, self._standing = bus, settings, standing
        self._metrics = HookMetrics(registry)
        self._file = HookFile(settings.hooks_file)

    async def run_active(self, is_active: Callable[[], bool]) -> None:
        """Deliver and answer until cancelled; `is_active`: whether this copy may still act.

        Raises:
            Unavailable, PermanentError: NATS is away, has no streams yet, or refuses.
        """
        async with AsyncExitStack() as stack:
            poster = Poster(self._settings.hooks_allow)
            stack.push_async_callback(poster.close)
            manager = Manager(
                self._bus, poster, self._metrics, self._file, is_active=is_active, tell=self._standing.tell
            )
            stack.push_async_callback(manager.close)
            await manager.open()
            served = await self._bus.serve(MICRO_NAME, self._endpoints(manager), self._settings.version)
            stack.push_async_callback(_stop_both, served.stop, manager.close)
            await manager.run()

    def _endpoints(self, manager: Manager) -> dict[str, Handler]:
        async def page(_: HookQuestion) -> HookPage:
            return HookPage(items=manager.all())

        async def put(question: HookQuestion) -> BaseModel:
            if question.hook is None:
                raise InvalidRequest("hook: which one is to be put")
            return await manager.put(question.hook)

        async def remove(question: HookQuestion) -> BaseModel:
            await manager.remove(_name(question))
            return HookQuestion()

        async def replay(question: HookQuestion) -> BaseModel:
            if question.sequence is None:
                raise InvalidRequest("sequence: of which dead letter")
            return await manager.replay(question.sequence)

        answers: dict[str, Callable[[HookQuestion], Awaitable[BaseModel]]] = {
            "list": page,
            "put": put,
            "remove": remove,
            "pause": lambda question: manager.pause(_name(question)),
            "resume": lambda question: manager.resume(_name(question)),
            "test": lambda question: manager.test(_name(question)),
            "replay": replay,
        }
        return {self._bus.subjects.hooks(verb): _handler(answer) for verb, answer in answers.items()}


def _handler(answer: Callable[[HookQuestion], Awaitable[BaseModel]]) -> Handler:
    async def handle(body: bytes) -> bytes:
        try:
            question = HookQuestion.model_validate_json(body or b"{}")
        except ValidationError as error:
            raise InvalidRequest(explain(error, Hook)) from error
        return (await answer(question)).model_dump_json().encode()

    return handle


def _name(question: HookQuestion) -> str:
    if question.name is None:
        raise InvalidRequest("name: of which webhook")
    return question.name


async def _stop_both(*stops: Callable[[], Awaitable[None]]) -> None:
    await asyncio.gather(*(stop() for stop in stops))
