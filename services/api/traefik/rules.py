"""Default rules: the part of Go's text templates, with functions of Traefik and Sprig, that such rules need. Pure.

``Host(`{{ normalize .Name }}`)``: text, and between braces a value or functions of values, joined by `|`. There are
.Name (the service's, normalized as Traefik does), .ContainerName (the service's own name) and .Labels.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from funswarm.errors import InvalidRequest
from funswarm.explain import did_you_mean
from services.api.traefik.words import TEXT, unquoted, words

DEFAULT_RULE: Final = "Host(`{{ normalize .Name }}`)"
_TEXT: Final = re.compile(r"\{\{(-\s)?(.*?)(\s-)?\}\}", re.DOTALL)
_TOKEN: Final = re.compile(rf"\s*(?:({TEXT})|(\.?[A-Za-z]\w*)|([|()]))")
_WORDS: Final = re.compile(r"[^\W_]+")

Values = Mapping[str, Any]
Expression = Callable[[Values], Any]


def normalize(name: str) -> str:
    """Letters and digits with `-` between: `shop_web` as `shop-web`."""
    return "-".join(_WORDS.findall(name))


_FUNCTIONS: Final[Mapping[str, tuple[int, Callable[..., Any]]]] = {  # name -> how many arguments, what it does
    "normalize": (1, normalize),
    "lower": (1, str.lower),
    "upper": (1, str.upper),
    "trim": (1, str.strip),
    "trimPrefix": (2, lambda prefix, text: text.removeprefix(prefix)),
    "trimSuffix": (2, lambda suffix, text: text.removesuffix(suffix)),
    "replace": (3, lambda old, new, text: text.replace(old, new)),
    "default": (2, lambda other, text: text or other),
    "index": (2, lambda labels, key: labels.get(key, "")),
}
_FIELDS: Final = (".Name", ".ContainerName", ".Labels")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule for services that have none of their own."""

    parts: tuple[str | Expression, ...]

    @classmethod
    def of(cls, template: str) -> "Rule":
        """
        Raises:
            InvalidRequest: it is none, or uses more of Go's templates than there is here.
        """
        parts: list[str | Expression] = []
        end, cut = 0, False
        for match in _TEXT.finditer(template):
            text = template[end : match.start()]
            text = text.lstrip() if cut else text
            parts += [text.rstrip() if match[1] else text, _Reading(template, match[2]).expression()]
            end, cut = match.end(), bool(match[3])
        rest = template[end:]
        if "{{" in rest:
            raise InvalidRequest(f"{template!r}: a brace is not closed")
        return cls((*parts, rest.lstrip() if cut else rest))

    def for_service(self, name: str, labels: Mapping[str, str]) -> str:
        """The rule of a service."""
        values = {".Name": normalize(name), ".ContainerName": name, ".Labels": labels}
        return "".join(part if isinstance(part, str) else str(part(values)) for part in self.parts)


class _Reading:
    """Reads what stands between two braces."""

    def __init__(self, template: str, text: str) -> None:
        self._template = template
        self._tokens = words(text, _TOKEN, self._wrong)

    def expression(self) -> Expression:
        made = self._pipeline()
        if self._tokens:
            raise self._wrong(f"{self._tokens[0]!r} is one too much")
        return made

    def _pipeline(self) -> Expression:
        made = self._command([])
        while self._tokens and self._tokens[0] == "|":
            self._tokens.pop(0)
            made = self._command([made])
        return made

    def _command(self, last: list[Expression]) -> Expression:
        """One function with its arguments, `last` behind them; or one value."""
        if not self._tokens:
            raise self._wrong("a value is missing")
        word = self._tokens[0]
        if word[0] in '."`(':
            if last:
                raise self._wrong(f"behind | a function is needed, and {word} is none")
            return self._value()
        self._tokens.pop(0)
        if word not in _FUNCTIONS:
            near = did_you_mean(word, _FUNCTIONS)
            raise self._wrong(f"there is no function {word!r}{near} (there are {', '.join(sorted(_FUNCTIONS))})")
        count, function = _FUNCTIONS[word]
        arguments: list[Expression] = []
        while self._tokens and self._tokens[0] not in "|)":
            arguments.append(self._value())
        arguments += last
        if len(arguments) != count:
            raise self._wrong(f"{word} takes {count} values, not {len(arguments)}")
        return lambda values: function(*(argument(values) for argument in arguments))

    def _value(self) -> Expression:
        word = self._tokens.pop(0)
        if word == "(":
            made = self._pipeline()
            if not self._tokens or self._tokens.pop(0) != ")":
                raise self._wrong("a parenthesis is not closed")
            return made
        if word[0] in '"`':
            text = unquoted(word)
            return lambda _: text
        if word not in _FIELDS:
            raise self._wrong(f"there is no {word!r} (there are {', '.join(_FIELDS)})")
        return lambda values: values[word]

    def _wrong(self, why: str) -> InvalidRequest:
        return InvalidRequest(f"{self._template!r}: {why}")
