"""A file of the user's that is looked at again and again while a part runs. Reads the file and a clock."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

LOOK_S: Final = 1.0
BYTES_MAX: Final = 256 * 1024  # of YAML that is more than a second, in which nothing else is done


class Unreadable(Exception):
    """The file gives no text; says why."""


class WatchedFile:
    """Gives each new text once. It is read only where its stamp has changed, and looked at once a second at most."""

    def __init__(self, path: Path, bytes_max: int = BYTES_MAX, now: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._bytes_max = bytes_max
        self._now = now
        self._look_at = now()
        self._stamp: tuple[int, ...] = ()
        self._coming: bytes | None = None

    def forget(self) -> None:
        """Give the text again, also if it is the same."""
        self._stamp, self._coming = (), None

    def look(self, *, at_once: bool = False) -> str | None:
        """The text, where it is another one; None: it is not.

        It is given when two looks see the same, for the first may see half of what is being written; `at_once`: by the
        first.

        Raises:
            Unreadable: it cannot be read, then it is tried at the next look; or it is too large or no UTF-8, then when
                it has changed.
        """
        now = self._now()
        if now < self._look_at:
            return None
        self._look_at = now + LOOK_S
        try:
            found = self.path.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp == self._stamp:
                self._coming = None
                return None
            with self.path.open("rb") as file:
                content = file.read(self._bytes_max + 1)
        except OSError as error:
            self.forget()
            raise Unreadable(f"it cannot be read: {error}") from error
        if content != self._coming and not at_once:
            self._coming = content
            return None
        self._stamp, self._coming = stamp, None
        return self._text(content)

    def _text(self, content: bytes) -> str:
        if len(content) > self._bytes_max:
            raise Unreadable(f"it is larger than {self._bytes_max} bytes")
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise Unreadable(f"it is no UTF-8: {error}") from error
