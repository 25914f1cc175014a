"""What a simulated container does: run for ever, end after a time with an exit code, or not start for want of an image.

Pure. It reads the few shell words that test services use; what it does not know runs for ever, as a server would.
"""

import re
import shlex
from dataclasses import dataclass

from services.simulator.model import Json

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_AT_ONCE = {"true", "echo", "date", "hostname", "printf", "env", "ls", "cat", "pwd", "id", ":", "uname"}
_ENDING_IMAGES = ("hello-world",)
_MISSING_IMAGES = ("missing",)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`after_s` None: it runs until it is stopped."""

    after_s: float | None
    exit_code: int = 0


FOREVER = Outcome(None)


def image_exists(container_spec: Json) -> bool:
    """Whether a node finds the image: all but those named `missing…` exist."""
    return not _image_name(container_spec).startswith(_MISSING_IMAGES)


def outcome(container_spec: Json) -> Outcome:
    """What becomes of a container with that spec once it has started."""
    words = [*(container_spec.get("Command") or ()), *(container_spec.get("Args") or ())]
    if not words:
        ends = _image_name(container_spec).startswith(_ENDING_IMAGES)
        return Outcome(0.0) if ends else FOREVER
    if words[0].rpartition("/")[2] in {"sh", "ash", "bash"} and "-c" in words[:-1]:
        return _script(words[words.index("-c") + 1])
    return _command(words)


def _image_name(container_spec: Json) -> str:
    return str(container_spec.get("Image", "")).rpartition("/")[2]


def _script(script: str) -> Outcome:
    """Commands joined by `;` and `&&`: their times add up; `exit`, or a failure before `&&`, ends it."""
    after_s, exit_code = 0.0, 0
    parts = re.split(r"(;|&&)", script)
    for command, joint in zip(parts[::2], [*parts[1::2], ""], strict=True):
        words = _words(command)
        if not words:
            continue
        step = _command(words[1:] if words[0] == "exec" else words)
        if step.after_s is None:
            return FOREVER
        after_s, exit_code = after_s + step.after_s, step.exit_code
        if words[0] in {"exit", "exec"} or (exit_code and joint == "&&"):
            break
    return Outcome(after_s, exit_code)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # unbalanced quotes: not for us to understand
        return [command]


def _command(words: list[str]) -> Outcome:
    name, arguments = words[0].rpartition("/")[2], words[1:]
    if name == "busybox" and arguments:
        return _command(arguments)
    if name == "sleep":
        return Outcome(duration) if (duration := _duration_s(arguments)) is not None else FOREVER
    if name == "exit":
        return Outcome(0.0, int(arguments[0]) & 0xFF if arguments and arguments[0].isdigit() else 0)
    if name == "trap":
        return Outcome(0.0)
    if name == "false":
        return Outcome(0.0, 1)
    return Outcome(0.0) if name in _AT_ONCE else FOREVER


def _duration_s(arguments: list[str]) -> float | None:
    """`sleep`'s arguments in seconds; None for `infinity` or nonsense."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", arguments[0] if arguments else "")
    return float(match[1]) * _UNITS_S[match[2] or "s"] if match else None
