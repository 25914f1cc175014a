"""Questions to the active notifier about webhooks. I/O by `Link`."""

from collections.abc import Callable
from typing import Final, TypeVar

from pydantic import ValidationError

from funswarm.errors import Failed, Unavailable, UnknownHook
from funswarm.hooks import TIMEOUT_MAX_S, Delivered, Hook, HookPage, HookQuestion, HookStatus
from funswarm.link import Link, NobodyAnswers
from funswarm.querying import raise_error
from funswarm.subjects import Subjects

ANSWER_TIMEOUT_S: Final = 15.0  # a hook that is changed may have some deliveries to end
SEND_TIMEOUT_S: Final = TIMEOUT_MAX_S + 5.0

T = TypeVar("T")


class Hooks:
    """What a Client asks; everything raises Unavailable where no notifier is active."""

    def __init__(self, link: Link, subjects: Subjects) -> None:
        self._link = link
        self._subjects = subjects

    async def all(self) -> tuple[HookStatus, ...]:
        return (await self._ask("list", HookQuestion(), HookPage.model_validate_json)).items

    async def one(self, name: str) -> HookStatus:
        found = [status for status in await self.all() if status.hook.name == name]
        if not found:
            raise UnknownHook(f"there is no webhook {name!r}: `funswarm hooks list` has all")
        return found[0]

    async def put(self, hook: Hook) -> HookStatus:
        return await self._ask("put", HookQuestion(hook=hook), HookStatus.model_validate_json)

    async def remove(self, name: str) -> None:
        await self._ask("remove", HookQuestion(name=name), HookQuestion.model_validate_json)

    async def pause(self, name: str, *, paused: bool) -> HookStatus:
        verb = "pause" if paused else "resume"
        return await self._ask(verb, HookQuestion(name=name), HookStatus.model_validate_json)

    async def test(self, name: str) -> Delivered:
        return await self._ask("test", HookQuestion(name=name), Delivered.model_validate_json, SEND_TIMEOUT_S)

    async def replay(self, sequence: int) -> Delivered:
        question = HookQuestion(sequence=sequence)
        return await self._ask("replay", question, Delivered.model_validate_json, SEND_TIMEOUT_S)

    async def _ask(
        self, verb: str, question: HookQuestion, understand: Callable[[bytes], T], timeout_s: float = ANSWER_TIMEOUT_S
    ) -> T:
        subject = self._subjects.hooks(verb)
        try:
            answer = await self._link.request(subject, question.model_dump_json().encode(), timeout_s)
        except NobodyAnswers as error:
            raise Unavailable(
                "no active notifier answers: start one (`python -m services.notifier`), or wait until one takes over"
            ) from error
        raise_error(answer)
        try:
            return understand(answer.data)
        except ValidationError as error:
            raise Failed(f"the answer on {subject} is not understood: is the notifier of another version?") from error
