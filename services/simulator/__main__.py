"""`python -m services.simulator --socket PATH`: a Docker engine that pretends to be a Swarm manager. Wiring only."""

import argparse
import asyncio
import json
import signal
import sys

from services.simulator.cluster import Cluster
from services.simulator.faults import Faults
from services.simulator.server import serve
from services.simulator.swarm import Settings


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.simulator", description=__doc__)
    parser.add_argument("--socket", required=True, help="path of the unix socket to serve")
    parser.add_argument("--tcp", metavar="HOST:PORT", help="address to serve as well")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--managers", type=int, default=1)
    parser.add_argument("--services", type=int, default=0, help="services that run from the start")
    parser.add_argument("--tasks-per-service", type=int, default=1)
    parser.add_argument("--start-s", type=float, default=0.03, help="how long a task takes to run")
    parser.add_argument("--engine-version", default="27.5.1")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME=VALUE", help=f"one of {', '.join(Faults.model_fields)}"
    )
    return parser.parse_args(argv)


def _faults(pairs: list[str]) -> Faults:
    named = dict(pair.partition("=")[::2] for pair in pairs)
    return Faults.model_validate(named)


async def main(argv: list[str]) -> None:
    """Serve until SIGTERM or SIGINT. One line of JSON on standard output says when it is ready."""
    arguments = _arguments(argv)
    cluster = Cluster(
        arguments.nodes, arguments.managers, arguments.engine_version, Settings(start_s=arguments.start_s)
    )
    cluster.seed(arguments.services, arguments.tasks_per_service)
    host, _, port = (arguments.tcp or "").rpartition(":")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tcp = (host, int(port)) if arguments.tcp else None
    async with serve(cluster, arguments.socket, tcp=tcp, faults=_faults(arguments.fault)) as simulator:
        sys.stdout.write(json.dumps({"ready": simulator.host}) + "\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
