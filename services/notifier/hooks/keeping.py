"""Which webhooks there are: those that were put, in a bucket of NATS, and those of a file. I/O by the bus and files.

Only the active notifier reads and writes the bucket, so that nobody else at NATS can read the hooks' secrets.
"""

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import structlog
from pydantic import Field, ValidationError

from funswarm.errors import PermanentError
from funswarm.explain import explain
from funswarm.hooks import HIDDEN, HOOKS_MAX, Hook
from funswarm.messages import MSG_ID_HEADER
from funswarm.state import Value
from funswarm.strict_yaml import load_yaml
from services.bus.connection import Bus
from services.bus.jetstream import ApiError, call
from services.bus.state import load_bucket
from services.bus.streams import bucket_stream, bucket_subject
from services.files import Unreadable, WatchedFile

log = structlog.get_logger(__name__)


class Kept(Value):
    """A hook as it is kept.

    `incarnation`: tells it from a later one of its name. `after`: the sequence of the last event before it was made;
    None: whatever is the last when the notifier meets it. `since`: when it was put or resumed last; how old an event is
    counts from there at the earliest. `why_paused`: where it was not a person who paused it.
    """

    hook: Hook
    source: Literal["put", "file"]
    incarnation: str
    after: int | None = None
    since: datetime
    why_paused: str | None = None

    @property
    def consumer(self) -> str:
        """The name of its durable consumer."""
        return f"hook-{self.hook.name}-{self.incarnation}"

    def paused(self, why: str | None = None) -> "Kept":
        return self.model_copy(update={"hook": self.hook.model_copy(update={"paused": True}), "why_paused": why})

    def resumed(self) -> "Kept":
        hook = self.hook.model_copy(update={"paused": False})
        return self.model_copy(update={"hook": hook, "why_paused": None, "since": datetime.now(UTC)})


def new(hook: Hook, after: int) -> Kept:
    """A hook that was put just now."""
    return Kept(hook=hook, source="put", incarnation=secrets.token_hex(4), after=after, since=datetime.now(UTC))


class HookBucket:
    """The hooks that were put. Everything raises Unavailable or PermanentError where NATS does not do it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._bucket = bus.subjects.hooks_bucket

    async def load(self) -> dict[str, Kept]:
        """By name; one of another version that is not understood is left out, and said."""
        found: dict[str, Kept] = {}
        for name, value in (await load_bucket(self._bus, self._bucket)).items():
            if name.startswith("_"):  # no hook
                continue
            try:
                found[name] = Kept.model_validate_json(value.body)
            except ValidationError as error:
                reason = explain(error)  # without what is in it
                log.error("a webhook is not understood: put it again", hook=name, reason=reason)  # noqa: TRY400
        return found

    async def write(self, kept: Kept) -> None:
        subject = bucket_subject(self._bucket, kept.hook.name)
        body = kept.model_dump_json().encode()
        await self._bus.publish(subject, body, {MSG_ID_HEADER: secrets.token_hex(8)}, bucket_stream(self._bucket))

    async def remove(self, name: str) -> None:
        """Leaves nothing of it."""
        try:
            await call(
                self._bus.link,
                f"STREAM.PURGE.{bucket_stream(self._bucket)}",
                {"filter": bucket_subject(self._bucket, name)},
            )
        except ApiError as error:
            raise error.told(f"remove the webhook {name}") from error


class HookList(Value):
    """The file."""

    hooks: tuple[Hook, ...] = Field(max_length=HOOKS_MAX)


class HookFile:
    """The hooks of a file, read again when it changes; a version that is broken changes nothing but `why_not`."""

    def __init__(self, path: Path | None, now: Callable[[], float] = time.monotonic) -> None:
        self._file = None if path is None else WatchedFile(path, now=now)
        self._is_known = path is None
        self.hooks: dict[str, Hook] = {}
        self.why_not: str | None = None

    @property
    def settled(self) -> bool:
        """Whether `hooks` are all that the file wants; else it may have others, as it is not understood yet."""
        return self._is_known and self.why_not is None

    def begin(self) -> None:
        """Another copy was active meanwhile: whether the hooks still hold is not known before the file is read."""
        if self._file is not None:
            self._is_known = False
            self._file.forget()

    def look(self) -> bool:
        """Whether `hooks` hold from now on: they were read, or cannot be, and those of before hold on."""
        if self._file is None:
            return False
        was_known = self._is_known
        try:
            text = self._file.look()
            if text is None:
                return False
            self.hooks = parse(text)
        except (Unreadable, PermanentError) as error:
            why_not = f"FUNSWARM_HOOKS_FILE={self._file.path}: {error}"
            if why_not != self.why_not:
                log.error("the webhooks of the file stay as they were", reason=why_not)  # noqa: TRY400
            self._is_known, self.why_not = True, why_not
            return not was_known
        self._is_known, self.why_not = True, None
        log.info("webhooks read", file=str(self._file.path), hooks=len(self.hooks))
        return True


def parse(text: str) -> dict[str, Hook]:
    """The hooks of a file's text, YAML or JSON, by name. Pure.

    Raises:
        PermanentError: it is no list of hooks; says where.
    """
    try:
        raw = load_yaml(text)
        if raw is None:
            raise PermanentError("it is empty: write `hooks: []` where none are wanted")
        found = HookList.model_validate(raw)
    except ValidationError as error:
        raise PermanentError(explain(error, Hook)) from error
    except ValueError as error:
        raise PermanentError(str(error)) from error
    hooks = {hook.name: hook for hook in found.hooks}
    if len(hooks) < len(found.hooks):
        raise PermanentError("two hooks have the same name")
    if hidden := [hook.name for hook in found.hooks if HIDDEN in (hook.secret, *hook.headers.values())]:
        raise PermanentError(f"hook {hidden[0]}: {HIDDEN} is no secret and no header's value")
    return hooks
