"""What the engine's refusals mean: HTTP status and text → Funswarm's errors, each with the engine's own text.

Pure. Swarm's statuses are not to be trusted alone: an outdated version and a lost leader are both a 500 (SwarmKit's
gRPC codes are not mapped for services), so the texts decide.
"""

import json
import re
from typing import Final

from funswarm.errors import Failed, FunswarmError, Refused, Unavailable, UnknownObject, VersionConflict
from funswarm.messages import Code

TEXT_MAX: Final = 2000

_OUT_OF_SEQUENCE = re.compile(r"update out of sequence", re.IGNORECASE)
_NAME_TAKEN = re.compile(r"name conflicts with|already exists", re.IGNORECASE)
_AWAY = re.compile(
    r"not a swarm manager|does not have a leader|has no leader|lost leadership|context deadline exceeded|"
    r"context canceled|code = (Unavailable|DeadlineExceeded|Canceled|Aborted)|connection (error|refused)|"
    r"error while dialing|transport is closing|swarm is encrypted|raft: (stopped|failed)",
    re.IGNORECASE,
)
_ALREADY_THERE = re.compile(r"already part of a swarm", re.IGNORECASE)
_OTHER_API_VERSION = re.compile(r"client version \S+ is too (old|new)", re.IGNORECASE)
_AMBIGUOUS = re.compile(r" is ambiguous \(\d+ matches found\)")  # daemon/cluster/helpers.go
_AWAY_STATUSES: Final = frozenset({429, 502, 503, 504})


def engine_text(body: bytes) -> str:
    """The engine's message: of `{"message": …}`, else the body as text; at most `TEXT_MAX` characters."""
    text = body[: 4 * TEXT_MAX].decode(errors="replace").strip()
    try:
        message = json.loads(text).get("message")
    except (ValueError, AttributeError):
        message = None
    return (message if isinstance(message, str) else text)[:TEXT_MAX] or "no text"


def is_other_api_version(text: str) -> bool:
    """Whether the engine was replaced by one that no longer (or not yet) speaks the negotiated API version."""
    return _OTHER_API_VERSION.search(text) is not None


def is_ambiguous(text: str) -> bool:
    """Whether what was asked for begins the ids of several objects, or several nodes have that hostname."""
    return _AMBIGUOUS.search(text) is not None


def engine_error(status: int, body: bytes, what: str) -> FunswarmError:
    """The error for an answer of 400 or more; `what` was asked, e.g. `update service 4fx1`."""
    text = engine_text(body)
    said = f"{what}: the engine says: {text}"
    if _OUT_OF_SEQUENCE.search(text):
        return VersionConflict(said, delay_s=0.05)
    if _ALREADY_THERE.search(text):  # a 503, but no waiting helps
        return Failed(said)
    if status in _AWAY_STATUSES or _AWAY.search(text) or is_other_api_version(text):
        return Unavailable(said)
    if status == 404:
        return UnknownObject(said)
    if status == 409 and _NAME_TAKEN.search(text):
        return Refused(said, Code.NAME_TAKEN)
    return Failed(said)
