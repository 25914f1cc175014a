"""The policy's file: read at the start and whenever it changes, YAML or TOML. Reads the file and a clock.

A new version that is broken changes nothing but the health. Without a usable one at the start there is no policy at
all: then nothing is admitted, for a misspelt path must not open what it was to close.
"""

import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog
import yaml
from pydantic import ValidationError

from services.scheduler.admission.policy import Policy

LOOK_S: Final = 1.0
TEXT_MAX: Final = 1024 * 1024
PLACE: Final = "admission"  # in the health's troubles

log = structlog.get_logger(__name__)


class PolicyError(Exception):
    """The text is no policy; says what, and where in the file."""


class _Loader(yaml.SafeLoader):
    """YAML in which a key that is there twice is an error: else the second would silently undo the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def parse(text: str, *, toml: bool = False) -> Policy:
    """The policy in a text.

    Raises:
        PolicyError: it is none.
    """
    if len(text) > TEXT_MAX:
        raise PolicyError(f"it is longer than {TEXT_MAX} characters")
    try:
        raw = tomllib.loads(text) if toml else yaml.load(text, _Loader)  # noqa: S506  a safe loader
    except (yaml.YAMLError, tomllib.TOMLDecodeError, RecursionError, TypeError) as error:
        raise PolicyError(f"it is no {'TOML' if toml else 'YAML'}: {error}") from error
    if not isinstance(raw, dict):
        raise PolicyError("it is empty" if raw is None else "it is no mapping: write as `images: …`")
    try:
        return Policy.model_validate(raw)
    except ValidationError as error:
        problems = (f"{_place(one['loc'])}: {one['msg'].removeprefix('Value error, ')}" for one in error.errors())
        raise PolicyError("; ".join(problems)) from error


def _place(loc: tuple[int | str, ...]) -> str:
    return ".".join(map(str, loc)) or "the file"


class PolicyFile:
    """The policy as the file says it; `path` None: the default policy. `troubles`: what health tells, by where."""

    def __init__(
        self,
        path: Path | None = None,
        troubles: dict[str, str] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._troubles = {} if troubles is None else troubles
        self._now = now
        self._policy = Policy() if path is None else None
        self._look_at = now()
        self._stamp: tuple[int, ...] = ()
        self._coming: str | None = None

    @property
    def trouble(self) -> str | None:
        """What is wrong with the file."""
        return self._troubles.get(PLACE)

    def look(self) -> Policy | None:
        """The policy that holds; None: there has been none yet, `trouble` says why."""
        if self._path is not None and self._now() >= self._look_at:
            self._look_at = self._now() + LOOK_S
            self._read(self._path)
        return self._policy

    def _read(self, path: Path) -> None:
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if stamp == self._stamp:
                return
            with path.open(encoding="utf-8") as file:
                text = file.read(TEXT_MAX + 1)
            if self._policy is not None and text != self._coming:  # perhaps half of it, as it is being written
                self._coming = text
                return
            self._policy = parse(text, toml=path.suffix == ".toml")
        except (OSError, UnicodeDecodeError) as error:
            self._stamp = ()
            self._broken(f"cannot be read: {error}")
        except PolicyError as error:
            self._stamp = stamp
            self._broken(f"cannot be used: {error}")
        else:
            self._stamp, self._coming = stamp, None
            self._troubles.pop(PLACE, None)
            log.info("admission's policy is read", file=str(path))

    def _broken(self, why: str) -> None:
        holds = "the version before holds on" if self._policy else "so nothing is admitted"
        trouble = f"admission's policy {self._path} {why}: {holds}"
        if trouble != self.trouble:
            log.error("admission's policy is wrong", reason=trouble)
        self._troubles[PLACE] = trouble
