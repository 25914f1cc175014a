"""What a dry run foresees: reads nodes, tasks and services for it, once, and keeps nothing. I/O by the engine."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Final

from funswarm.commands import RebalanceCommand, SingleCommand
from funswarm.messages import Preview
from services.scheduler.facts import WANTED, Port, host_ports, node_facts, task_facts
from services.scheduler.foresee import Swarm, foresee, foresee_drain, foresee_rebalance
from services.scheduler.plan import Action, Create, Remove, Situation, Write
from services.scheduler.plan_node import DRAIN_LABEL, WriteNode
from services.scheduler.ports import EngineCalls
from services.scheduler.raw_service import ROLLING, Json, held

NOTHING_MOVES: Final = Preview(restarts_tasks=False, fits=True)


async def preview(engine: EngineCalls, command: SingleCommand, action: Action, situation: Situation) -> Preview:
    """What Swarm would make of the action.

    Raises:
        Unavailable: the engine does not answer.
        Failed: its answer is not understood.
    """
    if isinstance(action, WriteNode):
        return await _of_node(engine, action)
    service = situation.service
    before: Json | None = service["Spec"] if service else None
    after = before
    if isinstance(action, Create | Write):
        rolls_back = isinstance(action, Write) and action.intent is not None
        after = (service or {}).get("PreviousSpec") if rolls_back else action.spec
    if after is None or isinstance(action, Remove):
        return NOTHING_MOVES
    goes_on = isinstance(action, Write) and not action.held and service and held(service, ROLLING)  # paused ones, too
    swarm = await _swarm(engine, await _ports(engine) if host_ports(after) else {}, service if goes_on else None)
    if isinstance(command, RebalanceCommand) and service is not None:
        return await asyncio.to_thread(foresee_rebalance, after, service["ID"], swarm)
    runs = isinstance(action, Create | Write)
    return await asyncio.to_thread(foresee, before, after, service["ID"] if service else None, swarm, runs=runs)


async def _of_node(engine: EngineCalls, action: WriteNode) -> Preview:
    """Of all that changes only a drain moves tasks at once."""
    if action.spec["Availability"] != "drain" and DRAIN_LABEL not in (action.spec.get("Labels") or {}):
        return NOTHING_MOVES
    specs = dict(await engine.picked("service", lambda raw: (raw["ID"], raw["Spec"])))
    swarm = await _swarm(engine, {service_id: host_ports(spec) for service_id, spec in specs.items()})
    nodes = tuple(replace(node, availability="drain") if node.id == action.node_id else node for node in swarm.nodes)
    return await asyncio.to_thread(foresee_drain, action.node_id, specs, replace(swarm, nodes=nodes))


async def _swarm(engine: EngineCalls, ports: dict[str, frozenset[Port]], rolls_on: Json | None = None) -> Swarm:
    nodes = await engine.picked("node", node_facts)
    tasks = await engine.picked("task", partial(task_facts, rolls_on=rolls_on), {"desired-state": WANTED})
    return Swarm(tuple(nodes), tuple(tasks), ports)


async def _ports(engine: EngineCalls) -> dict[str, frozenset[Port]]:
    pairs = await engine.picked("service", lambda raw: (raw["ID"], host_ports(raw["Spec"])))
    return {service_id: ports for service_id, ports in pairs if ports}
