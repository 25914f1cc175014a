"""JetStream's API over a Link: calls, durable publishing, last sequences. Raises `ApiError` where a code matters."""

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from typing import Any, Final

from nats.aio.msg import Msg

from funswarm.errors import FunswarmError, PermanentError, Unavailable
from funswarm.messages import MSG_ID_HEADER
from services.bus.answers import NOT_FOUND, NobodyAnswers, status
from services.bus.link import Link

WRONG_LAST_SEQUENCE: Final = 10071
EXPECTED_STREAM: Final = "Nats-Expected-Stream"

API_TIMEOUT_S: Final = 5.0
PUBLISH_PATIENCE_S: Final = 10.0
_ATTEMPT_TIMEOUT_S: Final = 3.0
_RETRY_DELAY_S: Final = 0.1
_LAST_ON: Final = "Nats-Expected-Last-Subject-Sequence"
_STORE_FAILED: Final = 10077  # full, and told to refuse new messages


class ApiError(Exception):
    """JetStream's own error: an HTTP-like `code`, its number `err_code`, and its words."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("description", "JetStream gives no reason")))
        self.code = int(error.get("code", 500))
        self.err_code = int(error.get("err_code", 0))

    @property
    def temporary(self) -> bool:
        """Whether asking again can help."""
        return self.code >= 500 or self.code == 429

    def told(self, what: str) -> FunswarmError:
        """The same for whoever asked the bus to do `what`."""
        text = f"cannot {what}: NATS says: {self}"
        return Unavailable(text) if self.temporary else PermanentError(text)


async def call(link: Link, name: str, request: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The answer of `$JS.API.<name>`.

    Raises:
        ApiError: JetStream refuses or fails.
        FunswarmError: as Link.request.
    """
    body = b"" if request is None else json.dumps(request).encode()
    return checked((await link.request(f"$JS.API.{name}", body, API_TIMEOUT_S)).data)


def checked(body: bytes) -> dict[str, Any]:
    """An answer of JetStream, if it is no error.

    Raises:
        ApiError: it is one.
    """
    answer: dict[str, Any] = json.loads(body)
    if answer.get("error"):
        raise ApiError(answer["error"])
    return answer


async def publish(link: Link, subject: str, body: bytes, headers: Mapping[str, str], stream: str) -> int:
    """Store a message; tried again for PUBLISH_PATIENCE_S, which its message id makes harmless. Returns its sequence.

    Raises:
        Unavailable: it may be stored or not: publish it again with the same id.
        PermanentError: NATS refuses it.
    """
    if MSG_ID_HEADER not in headers:
        raise ValueError(f"{subject} without {MSG_ID_HEADER}: a repeated publish would be stored twice")
    what = f"store {subject} in {stream}"
    end = time.monotonic() + PUBLISH_PATIENCE_S
    while True:
        try:
            await link.wait_connected(max(0.0, end - time.monotonic()))
            answer = await link.request(subject, body, _ATTEMPT_TIMEOUT_S, {**headers, EXPECTED_STREAM: stream})
            return int(checked(answer.data)["seq"])
        except ApiError as error:
            if error.err_code == _STORE_FAILED or not error.temporary or time.monotonic() >= end:
                raise error.told(what) from error
        except Unavailable as error:
            if time.monotonic() >= end:
                raise Unavailable(f"cannot {what}: {error}") from error
        await asyncio.sleep(_RETRY_DELAY_S)


async def publish_while(
    link: Link, message: tuple[str, bytes, Mapping[str, str]], stream: str, subject: str, sequence: int
) -> bool:
    """Store a message (subject, body, headers) only while the last on `subject` is `sequence`; False: it is not.

    After a retry False may also mean that it was stored, and that the last is another one since.

    Raises:
        Unavailable, PermanentError: as `publish`.
    """
    place, body, headers = message
    fence = {_LAST_ON: str(sequence), f"{_LAST_ON}-Subject": subject}
    try:
        await publish(link, place, body, {**headers, **fence}, stream)
    except PermanentError as error:
        if isinstance(error.__cause__, ApiError) and error.__cause__.err_code == WRONG_LAST_SEQUENCE:
            return False
        raise
    return True


async def last_sequence(link: Link, stream: str) -> int:
    """The sequence of the last message that the stream ever had, 0 for none. Raises what `bounds` does."""
    return (await bounds(link, stream))[1]


async def bounds(link: Link, stream: str) -> tuple[int, int]:
    """The sequences of the first message that is kept and of the last that ever was; 0 for none.

    Raises:
        Unavailable, PermanentError: with the reason, such as that there is no such stream.
    """
    try:
        state = (await call(link, f"STREAM.INFO.{stream}"))["state"]
        return int(state["first_seq"]), int(state["last_seq"])
    except NobodyAnswers as error:
        raise Unavailable(f"stream {stream}: JetStream does not answer: {error}") from error
    except ApiError as error:
        raise error.told(f"read stream {stream}") from error


async def last_on(link: Link, stream: str, subject: str) -> Msg | None:
    """The last message on a subject with NATS's headers, `Nats-Sequence` among them; None: there is none.

    In a cluster any replica answers, so it may be a little old.

    Raises:
        Unavailable: no answer.
    """
    message = await link.request(f"$JS.API.DIRECT.GET.{stream}.{subject}", b"", API_TIMEOUT_S)
    return None if status(message) == NOT_FOUND else message


async def header_at(link: Link, stream: str, sequence: int, name: str) -> str | None:
    """A header of the message at a sequence, as the stream's leader has it; None: no such message or header."""
    try:
        message = await call(link, f"STREAM.MSG.GET.{stream}", {"seq": sequence})
    except ApiError as error:
        if str(error.code) == NOT_FOUND:
            return None
        raise error.told(f"read stream {stream}") from error
    return decoded_headers(message["message"].get("hdrs", "")).get(name)


def decoded_headers(encoded: str) -> dict[str, str]:
    """The headers that JetStream's API gives as base64. Pure."""
    lines = base64.b64decode(encoded).decode(errors="replace").split("\r\n")[1:]
    return {name.strip(): value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}
