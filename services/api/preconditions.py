"""What must hold for a command to have its effect, as HTTP says it: `If-Match`, `If-None-Match`, or parameters. Pure.

An ETag is Swarm's version of a service or node, in quotes. Swarm moves it too, as a rollout goes on.
"""

import re
from typing import Annotated, Any, Final

from fastapi import Header, Query

from funswarm.commands import Expect
from funswarm.errors import InvalidRequest

_ETAG: Final = re.compile(r'"(\d{1,19})"', re.ASCII)
_IF_MATCH: Final[dict[str, Any]] = {"pattern": rf"^(\*|{_ETAG.pattern})$"}
_IF_NONE_MATCH: Final[dict[str, Any]] = {"enum": ["*"]}


def etag(version: int | None) -> dict[str, str]:
    """The header of an answer that shows this version; none where it is not known."""
    return {} if version is None else {"ETag": f'"{version}"'}


async def expected(
    if_match: Annotated[
        str | None, Header(description="Only if it still has this ETag, else 412", json_schema_extra=_IF_MATCH)
    ] = None,
    if_none_match: Annotated[
        str | None,
        Header(description="`*`: only if there is no such service, else 412", json_schema_extra=_IF_NONE_MATCH),
    ] = None,
    expect_version: Annotated[int | None, Query(ge=0, description="Only if it has this version, as If-Match")] = None,
    expect_replicas: Annotated[int | None, Query(ge=0, description="Only if it has these replicas")] = None,
    expect_absent: Annotated[bool | None, Query(description="Only if there is no such service")] = None,
) -> Expect:
    """What the command expects.

    Raises:
        InvalidRequest: it cannot be meant.
    """
    version = _version(if_match)
    if None not in (version, expect_version) and version != expect_version:
        raise InvalidRequest(f"If-Match says version {version}, and expect_version {expect_version}: give one of them")
    if if_none_match not in (None, "*"):
        raise InvalidRequest("If-None-Match: only * is understood: there must be no such service")
    return Expect(
        version=expect_version if version is None else version,
        replicas=expect_replicas,
        absent=True if if_none_match else expect_absent,
    )


def _version(if_match: str | None) -> int | None:
    if (
        if_match is None or if_match.strip() == "*"
    ):  # it must be there: else every command but a creation is refused anyhow
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise InvalidRequest(f'If-Match: {if_match!r} is no single ETag as GET gives it, such as "42"')
    return int(match[1])
