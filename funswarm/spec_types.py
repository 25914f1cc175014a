"""The small types of a service's description: names, texts, words of a command, file modes. All bounded. Pure."""

import re
import shlex
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from funswarm.state import COMMAND_LABEL, TRACE_LABEL

RESERVED_LABELS: Final = (COMMAND_LABEL, TRACE_LABEL)

_OCTAL: Final = "^(0o?)?[0-7]{1,4}$"
_ENV_NAME: Final = r"^[^=\x00]+$"


def number_as_text(value: Any) -> Any:
    """A number as text: `env: {PORT: 80}` is what people write."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _words(value: Any) -> Any:
    return shlex.split(value) if isinstance(value, str) else value


def _octal(value: Any) -> Any:
    if isinstance(value, str):
        if not re.fullmatch(_OCTAL, value):
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


@dataclass(frozen=True, slots=True)
class Short:
    """Says in the JSON Schema of a part that it has a short form too, of one of these types."""

    kinds: tuple[str, ...]

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A hook of pydantic's."""
        shown = handler(core)
        return {"anyOf": [shown, *({"type": kind} for kind in self.kinds)]} if handler.mode == "validation" else shown


SHORT_TEXT: Final = Short(("string",))
SHORT_NUMBER: Final = Short(("integer",))
SHORT_PORT: Final = Short(("integer", "string"))

Name = Annotated[str, Field(min_length=1, max_length=255)]
_Long = Annotated[str, Field(max_length=131_072)]
_Listed = Annotated[tuple[_Long, ...], Field(max_length=512)]
Text = Annotated[_Long, BeforeValidator(number_as_text, json_schema_input_type=_Long | float)]
Words = Annotated[_Listed, BeforeValidator(_words, json_schema_input_type=_Listed | str)]
EnvName = Annotated[str, Field(pattern=_ENV_NAME, max_length=1024)]
LabelKey = Annotated[str, Field(min_length=1, max_length=512)]
Line = Annotated[str, Field(min_length=1, max_length=1024)]
Lines = Annotated[tuple[Line, ...], Field(max_length=256)]
_Mode = Annotated[int, Field(ge=0, le=0o7777)]
_Octal = Annotated[str, Field(pattern=_OCTAL)]
FileMode = Annotated[_Mode, BeforeValidator(_octal, json_schema_input_type=_Mode | _Octal)]
_Digits = Annotated[str, Field(pattern=r"^\d{1,10}$")]
_Number = Annotated[int, Field(ge=0, lt=10**10)]
NumericId = Annotated[_Digits, BeforeValidator(number_as_text, json_schema_input_type=_Digits | _Number)]
PortNumber = Annotated[int, Field(ge=1, le=65_535)]
Uint = Annotated[int, Field(ge=0, le=2**31 - 1)]
