"""Whether Traefik can read a rule, as far as its form goes: so that a slip is told beside Traefik's own log. Pure.

``Host(`a.test`) && (PathPrefix(`/x`) || !Method("POST"))``. It is Traefik that judges, and disables that router alone:
so what only one of its versions knows passes here, and texts are not looked into.
"""

import re
from typing import Final

from funswarm.explain import did_you_mean

_MATCHERS: Final = {
    "http": (
        "Host", "HostHeader", "HostRegexp", "Path", "PathPrefix", "PathRegexp", "Method", "Header", "Headers",
        "HeaderRegexp", "HeadersRegexp", "Query", "QueryRegexp", "ClientIP",
    ),
    "tcp": ("HostSNI", "HostSNIRegexp", "ClientIP", "ALPN"),
}  # fmt: skip
_TOKEN: Final = re.compile(r'\s*(?:("(?:[^"\\\n]|\\.)*"|`[^`]*`)|([A-Za-z]+)|(&&|\|\||[!(),]))')
_DEPTH_MAX: Final = 50


class _Wrong(ValueError):
    """Raised with what is wrong."""


def why_no_rule(family: str, rule: str) -> str | None:
    """What is wrong with the form of a rule; None: nothing, as far as is known. `family`: http or tcp."""
    try:
        _Reading(rule, _MATCHERS[family]).whole()
    except _Wrong as wrong:
        return str(wrong)
    return None


class _Reading:
    def __init__(self, rule: str, matchers: tuple[str, ...]) -> None:
        self._matchers = {name.lower(): name for name in matchers}
        self._tokens: list[str] = []
        text, place = rule.strip(), 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise _Wrong(f"{text[place:].strip()!r} is not understood: texts stand in backticks")
            self._tokens.append(match[0].strip())
            place = match.end()
        self._tokens.reverse()  # the next one is the last

    def whole(self) -> None:
        self._any(0)
        if self._tokens:
            raise _Wrong(f"{self._tokens[-1]!r} is one too much: rules are joined by && and ||")

    def _any(self, depth: int) -> None:
        self._one(depth)
        while self._next() in ("&&", "||"):
            self._tokens.pop()
            self._one(depth)

    def _one(self, depth: int) -> None:
        if depth > _DEPTH_MAX:
            raise _Wrong("it has too many parentheses")
        while self._next() == "!":
            self._tokens.pop()
        if self._next() == "(":
            self._tokens.pop()
            self._any(depth + 1)
            self._need(")")
        else:
            self._matcher()

    def _matcher(self) -> None:
        name = self._tokens.pop() if self._tokens else ""
        if name.lower() not in self._matchers:
            near = did_you_mean(name, self._matchers.values())
            raise _Wrong(f"{name!r} is no matcher{near}" if name else "a matcher as Host(`…`) is missing at its end")
        self._need("(")
        self._text(name)
        while self._next() == ",":
            self._tokens.pop()
            if self._next() != ")":  # Go takes a comma behind the last, too
                self._text(name)
        self._need(")")

    def _text(self, name: str) -> None:
        if self._next()[:1] not in ('"', "`") or not self._tokens:
            raise _Wrong(f"{name} needs a text in backticks")
        self._tokens.pop()

    def _need(self, token: str) -> None:
        if self._next() != token:
            raise _Wrong(f"{token!r} is missing" + (f" before {self._next()!r}" if self._tokens else " at its end"))
        self._tokens.pop()

    def _next(self) -> str:
        return self._tokens[-1] if self._tokens else ""
