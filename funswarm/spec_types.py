"""The small types of a service's description: names, texts, words of a command, file modes. All bounded. Pure."""

import re
import shlex
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from funswarm.state import COMMAND_LABEL, TRACE_LABEL

RESERVED_LABELS: Final = (COMMAND_LABEL, TRACE_LABEL)

_ENV_NAME = r"^[^=\x00]+$"


def number_as_text(value: Any) -> Any:
    """A number as text: `env: {PORT: 80}` is what people write."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _words(value: Any) -> Any:
    return shlex.split(value) if isinstance(value, str) else value


def _octal(value: Any) -> Any:
    if isinstance(value, str):
        if not re.fullmatch(r"(0o?)?[0-7]{1,4}", value):
            raise ValueError(f"{value!r} is no file mode: write it in octal, as '0440'")
        return int(value.removeprefix("0o"), 8)
    return value


def no_reserved(labels: dict[str, str | None]) -> dict[str, str | None]:
    """`labels`, where none of them is Funswarm's own.

    Raises:
        ValueError: one is.
    """
    for key in RESERVED_LABELS:
        if key in labels:
            raise ValueError(f"the label {key!r} is Funswarm's own: choose another key")
    return labels


Name = Annotated[str, Field(min_length=1, max_length=255)]
Text = Annotated[str, BeforeValidator(number_as_text), Field(max_length=131_072)]
Words = Annotated[tuple[Annotated[str, Field(max_length=131_072)], ...], BeforeValidator(_words), Field(max_length=512)]
EnvName = Annotated[str, Field(pattern=_ENV_NAME, max_length=1024)]
LabelKey = Annotated[str, Field(min_length=1, max_length=512)]
Line = Annotated[str, Field(min_length=1, max_length=1024)]
Lines = Annotated[tuple[Line, ...], Field(max_length=256)]
FileMode = Annotated[int, BeforeValidator(_octal), Field(ge=0, le=0o7777)]
PortNumber = Annotated[int, Field(ge=1, le=65_535)]
Uint = Annotated[int, Field(ge=0, le=2**31 - 1)]
