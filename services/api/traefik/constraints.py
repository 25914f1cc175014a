"""Traefik's constraints: which services are in the document at all, by their labels. Pure.

``Label(`tier`, `public`) && !LabelRegex(`name`, `^test`)``, with `||` and parentheses, as its own providers have them.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from funswarm.errors import InvalidRequest
from services.api.traefik.words import TEXT, unquoted, words

Constraint = Callable[[Mapping[str, str]], bool]

_TOKEN: Final = re.compile(rf"\s*(?:({TEXT})|(Label|LabelRegex)(?=\s*\()|(&&|\|\||[!(),]))")


def constraint(expression: str) -> Constraint:
    """What decides of a service's labels.

    Raises:
        InvalidRequest: it is not understood.
    """
    return _Reading(expression).whole()


class _Reading:
    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = words(expression, _TOKEN, self._wrong)

    def whole(self) -> Constraint:
        made = self._any()
        if self._tokens:
            raise self._wrong(f"{self._tokens[0]!r} is one too much")
        return made

    def _any(self) -> Constraint:
        parts = [self._all()]
        while self._take("||"):
            parts.append(self._all())
        return lambda labels: any(part(labels) for part in parts)

    def _all(self) -> Constraint:
        parts = [self._one()]
        while self._take("&&"):
            parts.append(self._one())
        return lambda labels: all(part(labels) for part in parts)

    def _one(self) -> Constraint:
        if self._take("!"):
            refused = self._one()
            return lambda labels: not refused(labels)
        if self._take("("):
            made = self._any()
            self._need(")")
            return made
        for name in ("Label", "LabelRegex"):
            if self._take(name):
                return self._label(exact=name == "Label")
        raise self._wrong("Label(`…`, `…`) or LabelRegex(`…`, `…`) is needed")

    def _label(self, *, exact: bool) -> Constraint:
        self._need("(")
        key = self._text()
        self._need(",")
        value = self._text()
        self._need(")")
        if exact:
            return lambda labels: labels.get(key) == value
        try:
            pattern = re.compile(value)
        except re.error as error:
            raise self._wrong(f"{value!r} is no regular expression: {error}") from error
        return lambda labels: key in labels and pattern.search(labels[key]) is not None

    def _text(self) -> str:
        if not self._tokens or self._tokens[0][0] not in '"`':
            raise self._wrong("a text in backticks is needed")
        return unquoted(self._tokens.pop(0))

    def _take(self, token: str) -> bool:
        if self._tokens[:1] != [token]:
            return False
        del self._tokens[0]
        return True

    def _need(self, token: str) -> None:
        if not self._take(token):
            raise self._wrong(f"{token!r} is missing")

    def _wrong(self, why: str) -> InvalidRequest:
        return InvalidRequest(f"{self._expression!r}: {why}")
