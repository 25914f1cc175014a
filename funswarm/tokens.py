"""The tokens of the HTTP api, as their file describes them: never the token, only its hash. Pure.

The file has one JSON object a line, empty lines and lines that begin with `#` apart:

    {"name": "ci", "role": "operate", "namespaces": ["shop"], "sha256": "…"}

A token is 256 random bits, so a plain hash is enough: there is nothing to guess.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, ValidationError

from funswarm.errors import InvalidRequest
from funswarm.explain import explain
from funswarm.namespaces import Namespace
from funswarm.state import Value

TOKENS_MAX: Final = 200  # each is compared with, at every request
_MARK: Final = "funswarm_"  # so that scanners for leaked secrets, and people, know one when they see one


class Role(StrEnum):
    """`read`: all GETs. `operate`: commands on services too. `admin`: everything."""

    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"

    def may(self, needed: "Role") -> bool:
        """Whether this role is `needed` or more."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Token(Value):
    """One token. `namespaces`: only services of these are seen and changed; empty: all."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$", description="Who asks, in results and records")
    role: Role
    namespaces: Annotated[tuple[Namespace, ...], Field(max_length=64)] = ()
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)


def new_token(name: str, role: Role, namespaces: Sequence[str] = ()) -> tuple[str, Token]:
    """A new random token, and what the file says of it.

    Raises:
        InvalidRequest: the name or a namespace cannot be one, or an admin is bound to namespaces.
    """
    text = _MARK + secrets.token_urlsafe(32)
    try:
        token = Token(name=name, role=role, namespaces=tuple(namespaces), sha256=_hashed(text))
    except ValidationError as error:
        raise InvalidRequest(explain(error)) from error
    if problem := _problem(token):
        raise InvalidRequest(problem)
    return text, token


def read_tokens(text: str) -> tuple[Token, ...]:
    """The tokens of a file.

    Raises:
        InvalidRequest: a line is wrong, a name or a hash is there twice, or there is no token; with the line's number.
    """
    tokens: list[Token] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            token = Token.model_validate_json(line)
        except ValidationError as error:
            raise InvalidRequest(f"line {number}: {explain(error, Token)}") from error
        twice = any(other.name == token.name or other.sha256 == token.sha256 for other in tokens)
        problem = _problem(token) or ("its name or its hash is there twice" if twice else None)
        if problem:
            raise InvalidRequest(f"line {number}, token {token.name}: {problem}")
        tokens.append(token)
    if not 0 < len(tokens) <= TOKENS_MAX:
        raise InvalidRequest(f"{len(tokens)} tokens: 1 to {TOKENS_MAX} are needed (funswarm token new makes one)")
    return tuple(tokens)


def find(tokens: Sequence[Token], text: str) -> Token | None:
    """Whose token `text` is. It takes equally long for a wrong one, wherever it differs."""
    hashed, found = _hashed(text), None
    for token in tokens:
        if hmac.compare_digest(token.sha256, hashed):
            found = token
    return found


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _problem(token: Token) -> str | None:
    if token.role is Role.ADMIN and token.namespaces:
        return "an admin acts on the whole Swarm, so it is bound to no namespaces: use operate"
    return None
