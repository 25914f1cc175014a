"""The route for numbers and alarms that a service is scaled by: what others' webhooks send becomes a push."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Response
from pydantic import Field

from funswarm.client import Client
from funswarm.errors import InvalidRequest
from funswarm.gauges import Number, Push, Way
from funswarm.state import Published, Value
from services.api.access import Asking
from services.api.documented import PROBLEMS
from services.api.queries import Name, gives, json
from services.api.seen import service_of

_WAYS: Final[dict[str, Way]] = {"up": "up", "down": "down"}


class ScaleHook(Published):
    """One of: `value`; `step`; `direction` (orbiter: true is up); a webhook of Prometheus' Alertmanager.

    Of an Alertmanager's the label `scale` (`up`, `down`) says where to while it fires, and its end says nothing;
    without that label firing is up and resolved is down. A label `service` of its group must be this service.
    """

    value: Number | None = None
    step: Way | None = None
    direction: bool | None = None
    status: str | None = Field(None, max_length=100)
    group_labels: dict[str, str] = Field({}, alias="groupLabels", max_length=100)
    common_labels: dict[str, str] = Field({}, alias="commonLabels", max_length=100)

    def push(self, service: str) -> Push | None:
        """What it says about a service; None: nothing.

        Raises:
            InvalidRequest: it says nothing that is understood, or is about another service.
        """
        if self.value is not None:
            return Push(value=self.value)
        if self.step is not None:
            return Push(step=self.step)
        if self.direction is not None:
            return Push(step="up" if self.direction else "down")
        if self.status not in ("firing", "resolved"):
            raise InvalidRequest("it has no value, step or direction, and is no webhook of an Alertmanager")
        labels = {**self.common_labels, **self.group_labels}
        if labels.get("service", service) != service:
            raise InvalidRequest(f"its label service is {labels['service']!r}, and this is {service!r}")
        return self._alarm(labels.get("scale"), firing=self.status == "firing")

    def _alarm(self, where: str | None, *, firing: bool) -> Push | None:
        if where is None:
            return Push(step="up" if firing else "down")
        if where not in _WAYS:
            raise InvalidRequest(f"its label scale is {where!r}: write up or down")
        return Push(step=_WAYS[where]) if firing else None


class Pushed(Value):
    """What was handed on; both none: nothing."""

    service: str
    value: float | None = None
    step: Way | None = None


Hook = Annotated[ScaleHook, Body(examples=[{"value": 120}, {"step": "up"}, {"direction": True}])]
ANSWERS: Final[dict[int | str, dict[str, Any]]] = {**gives(Pushed), **PROBLEMS}


def routes(client: Client) -> APIRouter:
    """/v1/scale-hooks."""
    router = APIRouter(prefix="/v1/scale-hooks", tags=["policies"])

    @router.post("/{name}", responses=ANSWERS, summary="Tell what to scale a service by", response_model=None)
    async def push_scale_hook(name: Name, hook: Hook, caller: Asking) -> Response:
        """A number or a step, for a service with labels that say how to scale by it."""
        service = await service_of(client, caller, name)
        push = hook.push(service.name)
        if push is not None:
            await client.push(service.name, push)
        return json(Pushed(service=service.name, **(push.model_dump() if push is not None else {})))

    return router
