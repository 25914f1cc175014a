"""The route for numbers and alarms that a service is scaled by: what others' webhooks send becomes a push."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Response
from pydantic import Field

from funswarm.client import Client
from funswarm.errors import InvalidRequest
from funswarm.gauges import Number, Push, Way
from funswarm.state import Published, Value
from services.api.access import Asking, Caller
from services.api.documented import PROBLEMS
from services.api.queries import Name, gives, json
from services.api.seen import service_of

NAME_MAX: Final = 128  # as of `Name`
_WAYS: Final[dict[str, Way]] = {"up": "up", "down": "down"}


class ScaleHook(Published):
    """One of: `value`; `step`; `direction` (orbiter: true is up); a webhook of Prometheus' Alertmanager.

    Of an Alertmanager's the label `scale` (`up`, `down`) says where to while it fires, and its end says nothing;
    without that label firing is up and resolved is down. A label `service` of its group must be this service.
    docker-scaler's is of the same shape, without a status: as one that fires.
    """

    value: Number | None = None
    step: Way | None = None
    direction: bool | None = None
    status: str | None = Field(None, max_length=100)
    group_labels: dict[str, str] = Field({}, alias="groupLabels", max_length=100)
    common_labels: dict[str, str] = Field({}, alias="commonLabels", max_length=100)

    @property
    def labels(self) -> dict[str, str]:
        """Those of an Alertmanager's."""
        return {**self.common_labels, **self.group_labels}

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
        labels = self.labels
        if self.status not in ("firing", "resolved") and (self.status is not None or "scale" not in labels):
            raise InvalidRequest("it has no value, step or direction, and is no webhook of an Alertmanager")
        if labels.get("service", service) != service:
            raise InvalidRequest(f"its label service is {labels['service']!r}, and this is {service!r}")
        return self._alarm(labels.get("scale"), firing=self.status != "resolved")

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

    async def pushed(name: str, hook: ScaleHook, caller: Caller) -> Response:
        service = await service_of(client, caller, name)
        push = hook.push(service.name)
        if push is not None:
            await client.push(service.name, push)
        return json(Pushed(service=service.name, **(push.model_dump() if push is not None else {})))

    @router.post("", responses=ANSWERS, summary="Tell what to scale the service by that it names", response_model=None)
    async def push_named_scale_hook(hook: Hook, caller: Asking) -> Response:
        """A webhook of an Alertmanager's or docker-scaler's: the label `service` of its group is the service."""
        name = hook.labels.get("service", "")
        if not 1 <= len(name) <= NAME_MAX:
            raise InvalidRequest("it names no service: give its group the label service, or post to …/<service>")
        return await pushed(name, hook, caller)

    @router.post("/{name}", responses=ANSWERS, summary="Tell what to scale a service by", response_model=None)
    async def push_scale_hook(name: Name, hook: Hook, caller: Asking) -> Response:
        """A number or a step, for a service with labels that say how to scale by it."""
        return await pushed(name, hook, caller)

    @router.post("/{name}/{step}", responses=ANSWERS, summary="Scale a service by a step", response_model=None)
    async def push_scale_step(name: Name, step: Way, caller: Asking) -> Response:
        """As orbiter's, without a body."""
        return await pushed(name, ScaleHook(step=step), caller)

    return router
