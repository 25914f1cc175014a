"""The Bus: what a service does with NATS. One connection; nothing of nats-py's comes out of it."""

import base64
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, NoReturn

from nats.aio.msg import Msg

from funswarm.errors import PermanentError, Unavailable
from funswarm.subjects import Subjects
from services.bus.answers import NO_RESPONDERS, NoAnswer, NobodyAnswers, status
from services.bus.deliveries import Deliveries
from services.bus.dialing import access_of
from services.bus.jetstream import ApiError, call, decoded_headers, publish, publish_while
from services.bus.link import Link
from services.bus.reading import Stored
from services.bus.serving import CODE_HEADER, ERROR_HEADER, Handler, Served, serve
from services.bus.settings import NatsSettings
from services.bus.streams import COMMANDS_LIMIT, SERVER_MIN, commands_consumer, schedules_consumer, streams

_STORAGE_EXCEEDED: Final = 10047


class Bus:
    """Made by `connect`; lives on over reconnects; `close` it.

    Everything raises `Unavailable` when NATS is away or does not answer in time, and `PermanentError`, with NATS's own
    reason, when it refuses (a missing permission too).
    """

    def __init__(self, link: Link, settings: NatsSettings) -> None:
        self.link = link  # for services/bus only
        self.settings = settings
        self.subjects = Subjects(settings.prefix)

    @classmethod
    async def connect(cls, settings: NatsSettings, name: str) -> "Bus":
        """Connect under a name (shown by NATS), waiting for NATS at most `settings.connect_timeout_s`."""
        link = Link(access_of(settings, name), settings.connect_timeout_s)
        await link.open()
        return cls(link, settings)

    async def close(self) -> None:
        """Close, in bounded time, also while NATS is away."""
        await self.link.close()

    @property
    def connected(self) -> bool:
        """Whether NATS was there when we last heard of it."""
        return self.link.connected

    @property
    def why_not(self) -> str | None:
        """Why it is not connected; None while it is."""
        return self.link.why_not

    async def watch(self) -> NoReturn:
        """Wait until the connection is closed for good (a fault of ours, or the server's decision) and say why.

        Raises:
            Unavailable: it is.
        """
        raise Unavailable(await self.link.lost)

    async def declare(self) -> None:
        """Make all streams and buckets as services/bus/streams.py says, or change them to that. Any part may do it.

        Raises:
            PermanentError: NATS is older than needed, has no JetStream, or refuses (the reason is said).
        """
        version = self.link.server_version
        if _numbers(version) < SERVER_MIN:
            wanted = ".".join(str(number) for number in SERVER_MIN)
            raise PermanentError(f"NATS at {self.link.where} is {version}: Funswarm needs {wanted} or newer")
        for config in streams(self.subjects, self.settings):
            try:
                await self._declare(config)
            except ApiError as error:
                hint = " (FUNSWARM_…_MAX_BYTES ask for less)" if error.err_code == _STORAGE_EXCEEDED else ""
                raise error.told(f"declare stream {config['name']}{hint}") from error
            except NobodyAnswers as error:
                raise PermanentError(f"NATS at {self.link.where} runs without JetStream: enable it") from error

    async def _declare(self, config: dict[str, Any]) -> None:
        name = config["name"]
        try:
            have = (await call(self.link, f"STREAM.INFO.{name}"))["config"]
        except ApiError as error:
            if error.code != 404:
                raise
            await call(self.link, f"STREAM.CREATE.{name}", config)
            return
        if any(have.get(key) != value for key, value in config.items()):
            await call(self.link, f"STREAM.UPDATE.{name}", {**have, **config})

    async def publish(self, subject: str, body: bytes, headers: Mapping[str, str], expect_stream: str) -> int:
        """Store a message in a stream; its sequence there. `headers` need `Nats-Msg-Id`.

        Tried again for some 10 s. After Unavailable it may be stored or not: publish it again with the same id.
        """
        return await publish(self.link, subject, body, headers, expect_stream)

    async def publish_while(
        self, message: tuple[str, bytes, Mapping[str, str]], stream: str, subject: str, sequence: int
    ) -> bool:
        """As `publish`, of (subject, body, headers), only while the last message on `subject` is `sequence`.

        False: it is not (any more); where the answer to an earlier try was lost, the message may be stored.
        """
        return await publish_while(self.link, message, stream, subject, sequence)

    async def last(self, stream: str, subject: str) -> bytes | None:
        """The body of the last message on a subject, as the stream's leader has it; None: there is none."""
        found = await self.newest(stream, subject)
        return None if found is None else found.body

    async def newest(self, stream: str, subject: str) -> Stored | None:
        """The last message on a subject, as the stream's leader has it; None: there is none."""
        try:
            found = (await call(self.link, f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject}))["message"]
        except ApiError as error:
            if error.code == 404:
                return None
            raise error.told(f"read {subject}") from error
        headers, body = decoded_headers(found.get("hdrs", "")), base64.b64decode(found.get("data", ""))
        return Stored(int(found["seq"]), found["subject"], headers, body, found["time"])

    async def subjects_in(self, stream: str, limit: int) -> list[str] | None:
        """The subjects that a stream has messages on, without the messages; None: there are more than `limit`."""
        found: list[str] = []
        while True:
            try:
                state = (await call(self.link, f"STREAM.INFO.{stream}", _page(len(found))))["state"]
            except ApiError as error:
                raise error.told(f"read stream {stream}") from error
            if state.get("num_subjects", 0) > limit:
                return None
            page = state.get("subjects") or {}
            found += page
            if not page or len(found) >= state["num_subjects"]:
                return found

    async def send(self, subject: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Publish without storing it, to whoever listens now."""
        await self.link.send(subject, body, headers=headers)

    async def request(self, subject: str, body: bytes, timeout_s: float) -> bytes:
        """The answer of one who listens there.

        Raises:
            PermanentError: it answers with an error (headers Nats-Service-Error…).
        """
        answer = await self.link.request(subject, body, timeout_s)
        error = (answer.headers or {}).get(ERROR_HEADER)
        if error is not None:
            code = (answer.headers or {}).get(CODE_HEADER)
            raise PermanentError(f"{subject}: {error} ({code})")
        return answer.data

    async def gather(
        self, subject: str, body: bytes, timeout_s: float, enough: Callable[[list[bytes]], bool]
    ) -> list[bytes]:
        """The answers of all who listen there: until they are `enough`, or `timeout_s` is over."""
        answers: list[bytes] = []

        def feed(message: Msg) -> bool:
            if status(message) == NO_RESPONDERS:
                return True
            answers.append(message.data)
            return enough(answers)

        with suppress(NoAnswer):
            await self.link.collect(subject, body, feed, timeout_s)
        return answers

    async def serve(self, service: str, endpoints: Mapping[str, Handler], version: str) -> Served:
        """Answer requests as a NATS micro service: subject -> handler. What a handler raises becomes an error."""
        return await serve(self.link, service, endpoints, version)

    async def answer_all(self, subject: str, handler: Handler) -> Served:
        """Answer as one of many: every copy that does gets each request."""
        served = Served(self.link)
        await served.listen(subject, handler)
        return served

    async def consume_commands(self, limit: int = COMMANDS_LIMIT) -> Deliveries:
        """The commands, each until it is finished; at most `limit` at once. `close` it."""
        deliveries = Deliveries(self.link, self.subjects.commands_stream, commands_consumer(limit))
        await deliveries.open()
        return deliveries

    async def consume_schedules(self) -> Deliveries:
        """What is put, fires and has fired of the schedules, each until it is finished, and some again. `close` it."""
        config = schedules_consumer(self.subjects)
        deliveries = Deliveries(self.link, self.subjects.schedules_stream, config, is_queue=False)
        await deliveries.open()
        return deliveries


def _page(offset: int) -> dict[str, Any]:
    """The question for a stream's subjects from a place on; NATS answers with 100,000 at most."""
    return {"subjects_filter": ">", "offset": offset}


def _numbers(version: str) -> tuple[int, ...]:
    """`2.14.0-RC.1` as (2, 14, 0)."""
    return tuple(int(part) if part.isdigit() else 0 for part in version.partition("-")[0].split("."))
