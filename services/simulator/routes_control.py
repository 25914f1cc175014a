"""Side endpoints of the simulator, `/simulator/…`: faults, restarts, nodes that fail and join, tasks that die."""

from typing import Any

from pydantic import ValidationError

from services.simulator import render
from services.simulator.calls import Call, Control
from services.simulator.faults import Faults
from services.simulator.http import Response, answer
from services.simulator.model import ApiError

__all__ = ["Control", "add_node", "faults", "kill_task", "restart", "set_faults", "set_node_state"]


def _field(call: Call, name: str, default: Any, *kinds: type) -> Any:
    value = call.request.json().get(name, default)
    if not isinstance(value, kinds):
        raise ApiError(400, f"{name}: {value!r} is not of type {kinds[-1].__name__}")
    return value


async def faults(call: Call) -> Response:
    """What goes wrong now."""
    return answer(call.control.faults.model_dump())


async def set_faults(call: Call) -> Response:
    """Set all faults at once: those not named end."""
    try:
        call.control.set_faults(Faults.model_validate(call.request.json()))
    except ValidationError as error:
        raise ApiError(400, f"faults: {error}") from error
    return await faults(call)


async def restart(call: Call) -> Response:
    """Have the engine go away for `down_s` seconds, its event ring lost; the Swarm's tasks run on."""
    call.control.restart_soon(float(_field(call, "down_s", 1.0, int, float)))
    return answer({}, 202)


async def add_node(call: Call) -> Response:
    """Have a node join."""
    node = call.cluster.add_node(_field(call, "role", "worker", str), _field(call, "hostname", "", str))
    return answer({"ID": node.id}, 201)


async def set_node_state(call: Call) -> Response:
    """`{"state": "down"}` or `{"state": "ready"}`."""
    node = call.cluster.set_node_state(call.captured[0], _field(call, "state", "", str))
    return answer(render.node(node, call.cluster.version.engine))


async def kill_task(call: Call) -> Response:
    """End a task's container with `exit_code` (137 by default)."""
    return answer(render.task(call.cluster.kill_task(call.captured[0], _field(call, "exit_code", 137, int))))
