"""Who asks, and what they may: bearer tokens from a file, a role for each method and path. Reads the file.

Whatever is not listed here needs the most: a new route that writes is for admins, and one that reads is not for tokens
that are bound to namespaces, until somebody decides otherwise here.
"""

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Final, Protocol

import structlog
from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.types import Scope

from funswarm.commands import SERVICE_VERBS
from funswarm.errors import Failed, InvalidRequest, Refused
from funswarm.messages import Code
from funswarm.namespaces import may_belong, namespace_of
from funswarm.tokens import Role, Token, find, read_tokens
from services.files import Unreadable, WatchedFile
from services.settings import PREFIX

VARIABLE: Final = f"{PREFIX}HTTP_TOKENS_FILE"
TROUBLE: Final = f"{VARIABLE} cannot be used as it is now, so the tokens of before hold on: this copy's log says why"
CHALLENGE: Final = 'Bearer realm="funswarm"'

_CALLER: Final = "funswarm.caller"
_ADMITTED: Final = "funswarm.admitted"
_OPEN: Final = frozenset({"/", "/healthz", "/readyz", "/docs", "/openapi.json", "/favicon.ico"})  # nothing of the Swarm
_OPEN_BELOW: Final = ("/docs/files/",)
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # what there is of these
_SECRET: Final = ("/v1/dead", "/v1/hooks")  # whole commands, with values of environment variables; URLs that are keys
_OF_SERVICES: Final = ("/create", "/v1/services", "/v1/schedules", "/v1/batch", "/v1/cron", "/v1/scale-hooks")
_WAKING: Final = (
    "/api",
)  # proxies' plugins know URLs only: a token there is the password of one, as http://t:TOKEN@api
_FILTERED: Final = re.compile(
    r"/create|/health|/api/.*|/v1/(events|(services|tasks|schedules)(/[^/]+)?|services/[^/]+/(decisions|hold)|commands(/[^/]+)?|cron(/[^/]+/runs)?)"
)  # by namespaces

_log = structlog.get_logger()


class Labelled(Protocol):
    """A service, by its name and labels."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `name` None: no token is asked for. `namespaces`: sees and changes only these; empty: all."""

    name: str | None = None
    role: Role = Role.ADMIN
    namespaces: tuple[str, ...] = ()

    def sees(self, service: Labelled) -> bool:
        """Whether this service is theirs."""
        return not self.namespaces or namespace_of(service.name, service.labels) in self.namespaces

    def may_see(self, service_name: str) -> bool:
        """Whether the name alone allows it; the label may still say something else."""
        return not self.namespaces or may_belong(service_name, self.namespaces)


@dataclass(frozen=True, slots=True)
class Denied:
    """Why not. `reason` is for figures: `unauthenticated`, `role` or `namespace`. `who`: the token's name."""

    status: int
    reason: str
    detail: str
    challenge: str | None = None
    who: str | None = None


class Access:
    """`file` None: no token is asked for, and everybody may do everything.

    Raises:
        Failed: the file cannot be used.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = None if file is None else WatchedFile(file)
        self._tokens: tuple[Token, ...] = ()
        self._complaint = ""
        if self._file is not None:
            try:
                self._read(self._file)
            except (Unreadable, InvalidRequest) as error:
                raise Failed(f"{VARIABLE}={file} cannot be used: {error}", Code.INVALID) from error

    def admit(self, scope: Scope, headers: Headers) -> Denied | None:
        """Lets the request through, and notes in its scope who asks; or says why not."""
        caller, token = Caller(), None
        if self._file is not None and (needed := role_needed(scope["method"], scope["path"])) is not None:
            given = headers.get("authorization")
            text = _presented(given or "", scope["path"])
            token = find(self._current(self._file), text) if text is not None else None
            if token is None:
                return _unknown(given)
            caller = Caller(token.name, token.role, token.namespaces)
            if denied := _denied(caller, needed, scope["method"], scope["path"]):
                return denied
        scope[_CALLER] = caller
        scope[_ADMITTED] = partial(self._knows, token)
        return None

    def _knows(self, token: Token | None) -> bool:
        """Whether the token is there still, as it was; None: none was needed."""
        return token is None or self._file is None or token in self._current(self._file)

    def trouble(self) -> str | None:
        """What is wrong with the file, by a look at it; nothing of its text, which may be a secret at a wrong place."""
        if self._file is not None:
            self._current(self._file)
        return TROUBLE if self._complaint else None

    def _current(self, file: WatchedFile) -> tuple[Token, ...]:
        """The tokens, read again where the file has changed; those of before where it cannot be used any more."""
        try:
            self._read(file)
        except (Unreadable, InvalidRequest) as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                _log.error("the tokens stay as they were", file=str(file.path), reason=str(error))
        return self._tokens

    def _read(self, file: WatchedFile) -> None:
        """At once: the next look may be long after, at the next request; and a token that was taken away ends here."""
        if (text := file.look(at_once=True)) is not None:
            self._tokens, self._complaint = read_tokens(text), ""
            _log.info("tokens read", file=str(file.path), tokens=len(self._tokens))


async def caller_of(request: Request) -> Caller:
    """Who asks, as `Access.admit` noted it, by FastAPI's Depends: async, else each request would cost a thread."""
    caller: Caller = request.scope[_CALLER]
    return caller


Asking = Annotated[Caller, Depends(caller_of)]


def still_admitted(request: Request) -> Callable[[], bool]:
    """Asks, as often as one likes, whether who was let in would be now: an answer may last longer than its token."""
    admitted: Callable[[], bool] = request.scope[_ADMITTED]
    return admitted


def check_verbs(caller: Caller, verbs: Iterable[object]) -> None:
    """Refuse commands that stand in a body and are for admins, as those for nodes.

    Raises:
        Refused: code forbidden.
    """
    for verb in verbs:
        if verb not in SERVICE_VERBS and not caller.role.may(Role.ADMIN):
            why = f"{verb} needs the role {Role.ADMIN}, and the token {caller.name} has {caller.role}"
            raise Refused(why, Code.FORBIDDEN)


def role_needed(method: str, path: str) -> Role | None:
    """The role that a request needs; None: no token."""
    if _below(path, _SECRET):
        return Role.ADMIN
    if method in _READS:
        if path in _OPEN or path.startswith(_OPEN_BELOW):
            return None
        return Role.OPERATE if path == "/create" else Role.READ
    return Role.OPERATE if _below(path, _OF_SERVICES) else Role.ADMIN


def _denied(caller: Caller, needed: Role, method: str, path: str) -> Denied | None:
    if not caller.role.may(needed):
        return Denied(
            403, "role", f"this needs the role {needed}, and the token {caller.name} has {caller.role}", who=caller.name
        )
    # What is written is checked once more by the scheduler, which knows the service's labels.
    theirs = _FILTERED.fullmatch(path) if method in _READS else _below(path, _OF_SERVICES)
    if caller.namespaces and not theirs:
        bound = ", ".join(caller.namespaces)
        why = f"this concerns the whole Swarm, and the token {caller.name} is bound to the namespaces {bound}"
        return Denied(403, "namespace", why, who=caller.name)
    return None


def _presented(given: str, path: str) -> str | None:
    """The token of the header `Authorization`; None: there is none."""
    scheme, _, text = given.partition(" ")
    if scheme.lower() == "bearer":
        return text.strip()
    if scheme.lower() != "basic" or not _below(path, _WAKING):
        return None
    try:
        return base64.b64decode(text.strip(), validate=True).decode().partition(":")[2]
    except ValueError:  # letters that are no base64, or bytes that are no UTF-8
        return None


def _unknown(given: str | None) -> Denied:
    if given is None:
        why, challenge = "a token is needed: send 'Authorization: Bearer <token>'", CHALLENGE
    else:
        why, challenge = "this token is not known here", f'{CHALLENGE}, error="invalid_token"'
    return Denied(401, "unauthenticated", f"{why}; funswarm token new makes one", challenge)


def _below(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)
