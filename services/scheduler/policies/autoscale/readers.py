"""Reads a metric where it is kept: a question in, a number out. I/O: NATS, HTTP.

Questions are values, so that services that ask the same have one answer. An answer is waited for READ_S at most.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

import httpx

from funswarm.errors import FunswarmError, PermanentError, Unavailable
from services.bus.connection import Bus
from services.bus.gauges import consumer_lag, consumer_lags
from services.scheduler.policies.autoscale.settings import Settings

READ_S: Final = 5.0
ANSWER_BYTES_MAX: Final = 1 << 20
CONNECTIONS_MAX: Final = 8
SHOWN_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a consumer of JetStream is behind."""

    stream: str
    consumer: str
    trigger: ClassVar[str] = "lag"
    pace_s: ClassVar[float] = 1.0  # a spike is to be answered within 2 s


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression that gives one number."""

    text: str
    trigger: ClassVar[str] = "query"
    pace_s: ClassVar[float] = 15.0


Question = Lag | Query


def questions_of(settings: Settings) -> tuple[Question, ...]:
    """What is to be asked again and again for a service."""
    found: list[Question] = []
    if settings.lag is not None and settings.stream and settings.consumer:
        found.append(Lag(settings.stream, settings.consumer))
    if settings.query is not None:
        found.append(Query(settings.query))
    return tuple(found)


class Reader(Protocol):
    """Where questions are answered; raises FunswarmError where they cannot be."""

    async def read(self, question: Question) -> float: ...

    async def read_together(self, questions: Sequence[Question]) -> dict[Question, float]: ...

    async def close(self) -> None: ...


class Readers:
    """Both of them. `prometheus_url` None: there is none."""

    def __init__(self, bus: Bus, prometheus_url: str | None) -> None:
        self._bus = bus
        self._url = prometheus_url
        self._http: httpx.AsyncClient | None = None  # certificates cost memory: made when there is a question

    async def read(self, question: Question) -> float:
        """The number now.

        Raises:
            FunswarmError: it cannot be had; why.
        """
        if isinstance(question, Lag):
            return await consumer_lag(self._bus, question.stream, question.consumer)
        if self._url is None:
            raise PermanentError("there is no Prometheus to ask: set FUNSWARM_PROMETHEUS_URL")
        return number_of(await self._asked(f"{self._url.rstrip('/')}/api/v1/query", question.text))

    async def read_together(self, questions: Sequence[Question]) -> dict[Question, float]:
        """Of lags of one stream; those that cannot be had like that are left out.

        Raises:
            FunswarmError: none of them can.
        """
        lags = {question.consumer: question for question in questions if isinstance(question, Lag)}
        stream = next(question.stream for question in lags.values())
        found = await consumer_lags(self._bus, stream, lags.keys())
        return {lags[consumer]: value for consumer, value in found.items()}

    async def close(self) -> None:
        client, self._http = self._http, None
        if client is not None:
            await client.aclose()

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            limits = httpx.Limits(max_connections=CONNECTIONS_MAX)
            plain = {"Accept-Encoding": "identity"}  # what is bounded is what comes
            self._http = httpx.AsyncClient(timeout=READ_S, limits=limits, trust_env=False, headers=plain)
        return self._http

    async def _asked(self, url: str, query: str) -> bytes:
        """Errors name no url: there may be a password in it. Prometheus is not to go on when nobody waits any more."""
        question = {"query": query, "timeout": f"{READ_S:g}s"}
        try:
            async with self._client().stream("POST", url, data=question) as response:
                body = b""
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) > ANSWER_BYTES_MAX:
                        raise PermanentError(f"Prometheus' answer is longer than {ANSWER_BYTES_MAX} bytes")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Unavailable(f"Prometheus cannot be asked: {type(error).__name__}: {error}"[:SHOWN_MAX]) from error
        return body


def number_of(body: bytes) -> float:
    """The one number of an answer of Prometheus' /api/v1/query.

    Raises:
        FunswarmError: it is an error, none or several series, or no number.
    """
    try:
        answer: dict[str, Any] = json.loads(body)
        if answer["status"] != "success":
            raise PermanentError(f"Prometheus says: {answer.get('error')}"[:SHOWN_MAX])
        value = float(_value(answer["data"])[1])
    except FunswarmError:
        raise
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise PermanentError(f"no answer of Prometheus': {body[:80]!r}") from error
    if not math.isfinite(value) or value < 0:
        raise PermanentError(f"the query gives {value}: only numbers from 0 on can be scaled by")
    return value


def _value(data: dict[str, Any]) -> Sequence[Any]:
    if data["resultType"] == "scalar":
        found: Sequence[Any] = data["result"]
        return found
    if data["resultType"] != "vector":
        raise PermanentError(f"the query gives a {data['resultType']}: write one that gives a number, as sum(…)")
    if len(data["result"]) != 1:
        raise PermanentError(f"the query gives {len(data['result'])} series: write one that gives one, as sum(…)")
    value: Sequence[Any] = data["result"][0]["value"]
    return value
