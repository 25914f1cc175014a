"""A short way for a request that says nothing besides its body: validated by pydantic alone.

FastAPI goes through each parameter that is not there, which costs as much as all the rest of a request. Whatever is
not plain, or not valid, goes its way: what is refused, and how, is decided there only.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, cast

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from services.api.access import caller_of
from services.api.asked import SAYING_HEADERS, unasked

Way = Callable[[Request], Coroutine[Any, Any, Response]]

_SAYING: Final = frozenset(name.encode() for name in SAYING_HEADERS)


class BodyRoute(APIRoute):
    """Of an endpoint that takes a body, of a pydantic model, and how it is to be done."""

    def get_route_handler(self) -> Way:
        whole = super().get_route_handler()
        assert self.body_field is not None
        model = cast("type[BaseModel]", self.body_field.field_info.annotation)
        endpoint: Callable[..., Awaitable[Response]] = self.endpoint

        async def handle(request: Request) -> Response:
            if request.scope["query_string"] or any(name in _SAYING for name, _ in request.scope["headers"]):
                return await whole(request)
            try:
                body = model.model_validate_json(await request.body())
            except ValidationError:
                return await whole(request)
            return await endpoint(body, unasked(await caller_of(request)))

        return handle
