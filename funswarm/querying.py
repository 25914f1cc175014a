"""Questions to the active poller, page by page. I/O by `Link`."""

import contextlib
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from nats.aio.msg import Msg
from pydantic import ValidationError

from funswarm.errors import (
    Failed,
    FunswarmError,
    InvalidRequest,
    Unavailable,
    UnknownDeadLetter,
    UnknownHook,
    UnknownObject,
)
from funswarm.link import Link, NobodyAnswers
from funswarm.messages import Code, Query

QUERY_TIMEOUT_S: Final = 5.0
PAGES_MAX: Final = 1000
ERROR_HEADER: Final = "Nats-Service-Error"  # ADR-32
ERROR_CODE_HEADER: Final = "Nats-Service-Error-Code"

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Page(Protocol[T_co]):
    """What all pages have."""

    @property
    def items(self) -> tuple[T_co, ...]: ...
    @property
    def next(self) -> str | None: ...


async def ask(link: Link, subject: str, query: Query, understand: Callable[[bytes], T]) -> T:
    """One page of the answer; `understand`: the page's `model_validate_json`.

    Raises:
        Unavailable: no poller answers, or it does not know yet.
        UnknownObject, InvalidRequest, Failed: as the poller says.
    """
    try:
        answer = await link.request(subject, query.model_dump_json().encode(), QUERY_TIMEOUT_S)
    except NobodyAnswers as error:
        raise Unavailable(f"no active poller answers on {subject}: start one, or wait until one takes over") from error
    raise_error(answer)
    try:
        return understand(answer.data)
    except ValidationError as error:
        raise Failed(f"the answer on {subject} is not understood: is the poller of another version?") from error


async def ask_pages(link: Link, subject: str, query: Query, understand: Callable[[bytes], Page[T]]) -> tuple[T, ...]:
    """All items of all pages; errors as `ask`."""
    items: list[T] = []
    for _ in range(PAGES_MAX):
        page = await ask(link, subject, query, understand)
        items += page.items
        if page.next is None:
            return tuple(items)
        query = query.model_copy(update={"after": page.next})
    raise Failed(f"the answer on {subject} has no end: more than {PAGES_MAX} pages")


def raise_error(answer: Msg) -> None:
    """As a part's answer says, where it is an error."""
    headers = answer.headers or {}
    text = headers.get(ERROR_HEADER)
    if text is None:
        return
    code = Code.INTERNAL
    with contextlib.suppress(ValueError):
        code = Code(headers.get(ERROR_CODE_HEADER, ""))
    errors: dict[Code, type[FunswarmError]] = {
        Code.UNKNOWN_SERVICE: UnknownObject, Code.INVALID: InvalidRequest, Code.MALFORMED: InvalidRequest,
        Code.UNAVAILABLE: Unavailable, Code.UNKNOWN_HOOK: UnknownHook, Code.UNKNOWN_DEAD_LETTER: UnknownDeadLetter,
    }  # fmt: skip
    raise errors[code](text) if code in errors else Failed(text, code)
