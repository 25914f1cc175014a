"""Secrets out of what is kept of a message: the values that a dead letter must not show. Pure.

Of a command its environment's values, health check, and options of drivers: what else it says is published in the
service's state anyhow. Of what is no command nobody knows where a secret stands: so only names, numbers, and texts that
are known not to be one stay.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from pydantic import ValidationError

from funswarm.commands import COMMANDS
from funswarm.state import REDACTED
from services.redaction import SECRET_KEYS, hidden_below

_KNOWN: Final = frozenset({"id", "verb", "target", "name", "image", "mode", "requested_by", "deadline", "type"})
_HOLDERS: Final = frozenset({"service", "changes", "commands", "command"})  # of such keys
_QUOTED: Final = re.compile(rb'("(?:[^"\\]|\\.)*"\s*:)|"(?:[^"\\]|\\.)*(?:"|$)', re.DOTALL)  # a key, or a text
_ASSIGNED: Final = re.compile(rb'([=:][ \t]*)[^\s"{}\[\],]+')
_HIDDEN: Final = REDACTED.encode()


def without_secrets(body: bytes) -> bytes:
    """`body` with its secrets replaced; the very same where it has none."""
    try:
        raw = json.loads(body)
        hidden = hidden_below(raw, _is_secret(raw), secret=not isinstance(raw, dict))
    except (ValueError, RecursionError):
        quoted = _QUOTED.sub(lambda match: match[1] or b'"' + _HIDDEN + b'"', body)
        return _ASSIGNED.sub(rb"\1" + _HIDDEN, quoted)
    if hidden == raw:
        return body
    return json.dumps(hidden, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _is_secret(raw: Any) -> Callable[[str, Any], bool]:
    """Whether a key of that message, with what is below it, holds what must not be shown."""
    try:
        COMMANDS.validate_python(raw)
    except ValidationError:
        return lambda key, below: key not in (_KNOWN if isinstance(below, str) else _HOLDERS)
    return lambda key, _: key in SECRET_KEYS
