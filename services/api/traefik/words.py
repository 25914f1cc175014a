"""What the expressions in Traefik's settings are made of: words, signs, and texts in quotes. Pure."""

import re
from collections.abc import Callable
from typing import Final

from funswarm.errors import InvalidRequest

TEXT: Final = r'"(?:[^"\\]|\\.)*"|`[^`]*`'
_ESCAPE: Final = re.compile(r"\\(.)")


def words(text: str, word: re.Pattern[str], wrong: Callable[[str], InvalidRequest]) -> list[str]:
    """All of `text`, each word as the one group of `word` that it matches. `wrong`: makes the error to raise.

    Raises:
        InvalidRequest: something in it is no word.
    """
    found, place, text = list[str](), 0, text.strip()
    while place < len(text):
        match = word.match(text, place)
        if match is None:
            raise wrong(f"{text[place:].strip()!r} is not understood")
        found.append(next(group for group in match.groups() if group is not None))
        place = match.end()
    return found


def unquoted(text: str) -> str:
    """What a text in quotes says; in double ones a backslash stands before what is meant as it is."""
    return text[1:-1] if text[0] == "`" else _ESCAPE.sub(r"\1", text[1:-1])
