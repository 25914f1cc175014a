"""How many tasks of a service more, and then less again, even its nodes out: one step of it. Pure.

Swarm places a task once, and never looks at it again. But it gives a new task to the node with the fewest of its
service, and of too many it takes away the highest copy on a node first: so more, and then less again, moves tasks to
where there are few, and those that stay run on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from services.scheduler.facts import Amounts
from services.scheduler.placement import Candidate, Demand, filters_for, suited


def why_not(demand: Demand) -> str | None:
    """Why a service's tasks are not evened out; None: they may be."""
    if demand.spread_over:
        return f"it is spread over {', '.join(demand.spread_over)}: that is not evened out yet"
    if demand.ports:
        return "each node has one of its tasks at most (ports in host mode): there is nothing to even out"
    return None


def places(candidates: Iterable[Candidate], demand: Demand) -> list[Candidate]:
    """The nodes that the service may have tasks on, whether there is room now or not."""
    anywhere = replace(demand, amounts=Amounts(0, 0, {}), ports=frozenset(), max_replicas=0)
    return suited(candidates, filters_for(anywhere))[0]


def wave(candidates: Sequence[Candidate], demand: Demand, surge_max: int) -> int:
    """How many tasks more, and then less again, is the next step to even numbers; 0: they are even.

    One for each node that has the fewest and can take one (a batch of more piles up, as Swarm places it), and no more
    than there are tasks above what these nodes then have: so that what is taken away again is never what is new.
    """
    allowed = places(candidates, demand)
    takers = suited(allowed, filters_for(demand))[0]
    if not takers:
        return 0
    low = min(one.of_service for one in takers)
    above = sum(max(0, one.of_service - low - 1) for one in allowed)
    return min(sum(one.of_service == low for one in takers), above, surge_max)


def unevenness(candidates: Iterable[Candidate]) -> int:
    """Each wave makes it smaller; one that does not has moved nothing."""
    return sum(one.of_service**2 for one in candidates)
