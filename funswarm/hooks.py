"""Webhooks: who is told of which events, where and how; and how that goes. Pure models.

How a hook travels: Client or api -> `<p>.hooks.put` -> notifier -> bucket HOOKS. Secrets go in and never come out
again: in answers they are HIDDEN, and HIDDEN in a hook that is put stands for what is there already.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, StrictBool, field_validator

from funswarm.signature import key_of
from funswarm.state import KINDS, Published, Value
from funswarm.subjects import Subjects, token
from funswarm.units import Duration

NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"
HIDDEN: Final = "***"  # stands for a secret
HOOKS_MAX: Final = 100
TIMEOUT_MAX_S: Final = 60.0
_FILTERS_MAX: Final = 100
_ACTION: Final = re.compile(r"[a-z][a-z-]*")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE: Final = re.compile(r"[\t\x20-\x7e]{0,2000}")
_OWN_HEADERS: Final = frozenset(
    {"host", "content-type", "content-length", "transfer-encoding", "connection", "expect", "te", "trailer", "upgrade"}
)
_OWN_PREFIXES: Final = ("ce-", "webhook-")

Words = Annotated[tuple[str, ...], Field(max_length=50)]


class Retry(Value):
    """When an event is sent again that was not taken: after `first_s`, then twice as long each time, up to `max_s`.

    An event that is older than `give_up_after_s` is tried once more, and then is a dead letter.
    """

    first_s: Duration = Field(1.0, description="At least 0.1")
    max_s: Duration = Field(300.0, description="Not less than first_s")
    give_up_after_s: Duration = 86_400.0

    @field_validator("first_s")
    @classmethod
    def _is_some(cls, value: float) -> float:
        if value < 0.1:
            raise ValueError("at least 0.1 s: a receiver in trouble needs time")
        return value


class HookPlan(Value):
    """An URL that is told of events. Filters that are empty take all; of several, all must fit.

    `names`: patterns of the names of services (of a task: its service's), nodes …: `shop_*`. `labels`: `key` or
    `key=value`, of the service (of a task: its service's) or node. `secret`: deliveries are signed with it, `whsec_…`.
    """

    url: str = Field(max_length=2000)
    kinds: Words = ()
    actions: Words = ()
    names: Words = ()
    labels: Words = ()
    format: Literal["structured", "binary"] = Field("structured", description="How CloudEvents 1.0 are sent over HTTP")
    secret: str | None = Field(None, repr=False)
    headers: dict[str, str] = Field({}, max_length=20, repr=False)
    timeout_s: Duration = Field(10.0, gt=0, le=TIMEOUT_MAX_S)
    retry: Retry = Retry()
    paused: StrictBool = False

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        parts = urlsplit(value)
        if not re.fullmatch(r"[\x21-\x7e]+", value) or parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an address is needed, as https://example.com/events")
        if "@" in parts.netloc:
            raise ValueError("no user and password in the address, where all can read them: use headers or a secret")
        if parts.port == 0 or parts.fragment:
            raise ValueError("neither port 0 nor a fragment can be asked for")
        return value

    @field_validator("kinds")
    @classmethod
    def _known_kinds(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(values).difference(KINDS)):
            raise ValueError(f"{', '.join(unknown)}: choose from {', '.join(KINDS)}")
        return values

    @field_validator("actions")
    @classmethod
    def _words(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [value for value in values if not _ACTION.fullmatch(value)]:
            raise ValueError(f"{wrong[0]!r} is no action: write as created, removed, rolled-back")
        return values

    @field_validator("names", "labels")
    @classmethod
    def _not_empty(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if any(not value or value.startswith("=") or len(value) > 500 for value in values):
            raise ValueError("an empty one fits nothing: leave it out")
        return values

    @field_validator("secret")
    @classmethod
    def _is_secret(cls, value: str | None) -> str | None:
        if value is not None and value != HIDDEN:
            key_of(value)
        return value

    @field_validator("headers")
    @classmethod
    def _may_be_set(cls, values: dict[str, str]) -> dict[str, str]:
        for name, value in values.items():
            if not _HEADER.fullmatch(name) or not _VALUE.fullmatch(value):
                raise ValueError(f"{name!r} is no header that can be sent")
            if name.lower() in _OWN_HEADERS or name.lower().startswith(_OWN_PREFIXES):
                raise ValueError(f"{name}: Funswarm sends this one itself")
        return values


class Hook(HookPlan):
    """A webhook; its name is that of its dead letters, its figures and its consumer."""

    name: str = Field(pattern=NAME)

    def takes(self, kind: str, action: str, name: str) -> bool:
        """Whether an event fits, as far as its subject tells; `name`: of a task, its service's."""
        return (
            (not self.kinds or kind in self.kinds)
            and (not self.actions or action in self.actions)
            and (not self.names or any(fnmatchcase(name, pattern) for pattern in self.names))
        )

    def takes_labels(self, labels: Mapping[str, str]) -> bool:
        """Whether an event fits, as far as labels go."""
        wanted = [label.partition("=") for label in self.labels]
        return all(key in labels and (not equals or labels[key] == value) for key, equals, value in wanted)

    def filters(self, subjects: Subjects) -> list[str]:
        """The subjects of what may fit; they do not overlap."""
        kinds, actions = sorted(set(self.kinds)) or ["*"], sorted({token(one) for one in self.actions}) or ["*"]
        found = [subjects.events(kind, action) for kind in kinds for action in actions]
        return found if len(found) <= _FILTERS_MAX else [subjects.all_events]

    def shown(self) -> "Hook":
        """Without its secrets."""
        hidden = dict.fromkeys(self.headers, HIDDEN)
        return self.model_copy(update={"secret": None if self.secret is None else HIDDEN, "headers": hidden})

    def completed(self, before: "Hook | None") -> "Hook":
        """With the secrets of the hook before, where they are HIDDEN.

        Raises:
            ValueError: it had none.
        """
        secret, headers = self.secret, dict(self.headers)
        if secret == HIDDEN:
            if before is None or before.secret is None:
                raise ValueError(f"secret: {HIDDEN} stands for the one that is there, and there is none")
            secret = before.secret
        for name in [name for name, value in headers.items() if value == HIDDEN]:
            if before is None or name not in before.headers:
                raise ValueError(f"headers.{name}: {HIDDEN} stands for the value that is there, and there is none")
            headers[name] = before.headers[name]
        return self.model_copy(update={"secret": secret, "headers": headers})


class HookStatus(Published):
    """A hook, without its secrets, and how it does.

    `state`: `failing` since the last delivery was not taken. `reason`: why it fails or is paused. `pending`: events
    that are to be delivered still. `oldest_s`: how old the oldest of those is that were begun with. `delivered`,
    `dead_letters` and `lost` (no longer kept before they could be delivered) count since this notifier took over.
    """

    hook: Hook
    source: Literal["put", "file"]
    state: Literal["ok", "failing", "paused"]
    reason: str | None = None
    pending: int = 0
    oldest_s: float | None = None
    delivered: int = 0
    dead_letters: int = 0
    lost: int = 0
    last_delivered_at: datetime | None = None


class HookPage(Published):
    """All webhooks, by name."""

    items: tuple[HookStatus, ...]


class Delivered(Published):
    """How one attempt went. `status`: HTTP's, None where none came. `reason`: why it was not taken."""

    hook: str
    ok: bool
    status: int | None = None
    reason: str | None = None
    seconds: float = 0.0


class HookQuestion(Value):
    """What the notifier is asked for on `<p>.hooks.<verb>`; which fields it needs depends on the verb."""

    name: str | None = None
    hook: Hook | None = None
    sequence: int | None = Field(None, description="Of a dead letter, to be sent again")
