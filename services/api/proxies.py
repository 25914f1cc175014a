"""The route that a reverse proxy polls: the Swarm's labels as Traefik's dynamic configuration (docs/proxies.md).

It is made of the followed state, at no cost for the engine and little for NATS. What is wrong with labels is told
beside the requests, from the first time that a proxy asks.
"""

import asyncio
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Header, Response

from funswarm.client import Client
from funswarm.errors import PermanentError, TemporaryError
from funswarm.task_routes import SOURCE
from services.api.documented import LISTING, header
from services.api.followed import STALE_MAX_S, Followed
from services.api.traefik.document import Document
from services.api.traefik.documents import Documents
from services.api.traefik.settings import TraefikSettings
from services.bus.connection import Bus
from services.bus.problems import ProblemTeller

INTERVAL_S: Final = 1.0
JSON: Final = "application/json"
ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The whole configuration of Traefik's provider `http`, the same bytes while nothing changes",
        "content": {JSON: {"schema": {"type": "object"}}},
        "headers": {
            "ETag": header("Of the bytes"),
            "Age": header("Seconds since NATS was last heard, where it is away", required=False),
        },
    },
    304: {"description": "It is the one of this ETag"},
    **LISTING,
}
IfNoneMatch = Annotated[str | None, Header(max_length=1000, description="Send it only if it has another ETag")]

log = structlog.get_logger(__name__)


class Proxies:
    """What proxies are told: the document of now. `close` it."""

    def __init__(self, client: Client, settings: TraefikSettings, stale_max_s: float = STALE_MAX_S) -> None:
        self.followed = Followed(client, stale_max_s)
        self._documents = Documents(settings)
        self._asked = asyncio.Event()

    async def document(self) -> Document:
        """
        Raises:
            Unavailable: the Swarm is not known yet, or what is known is too old.
        """
        self._asked.set()
        return self._documents.of(await self.followed.world())

    async def tell(self, bus: Bus) -> None:
        """What is wrong with labels, for as long as the bus lives; from when a document was first asked for."""
        teller = ProblemTeller(bus, SOURCE)
        await self._asked.wait()
        revision = 0
        while True:
            world = await self.followed.after(revision)
            try:
                await teller.tell_all(self._documents.of(world).problems)
            except TemporaryError:
                continue
            except PermanentError as error:
                log.warning("what is wrong with labels cannot be told", reason=str(error))
            finally:
                await asyncio.sleep(INTERVAL_S)
            revision = world.revision

    async def close(self) -> None:
        """Ends the following."""
        await self.followed.close()


def routes(proxies: Proxies) -> APIRouter:
    """GET /v1/traefik."""
    router = APIRouter(prefix="/v1", tags=["proxies"])

    @router.get("/traefik", responses=ANSWERS, response_model=None)
    async def get_traefik(if_none_match: IfNoneMatch = None) -> Response:
        """What Traefik's provider `http` polls: routers, services and middlewares, as the services' labels say.

        503 until the Swarm is known, and where it has been unknown for long: Traefik then keeps what it has.
        """
        document = await proxies.document()
        headers = {"ETag": f'"{document.etag}"', "Cache-Control": "no-cache"}
        if age_s := int(proxies.followed.behind_s):
            headers["Age"] = str(age_s)
        if if_none_match is not None and headers["ETag"] in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(document.body, headers=headers, media_type=JSON)

    return router
