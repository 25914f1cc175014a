"""A Docker Engine API over a Swarm in memory: for trying Funswarm out, for scale, and for faults on demand.

    async with simulator.serve(Cluster(nodes=3), socket_path) as sim:   # in asyncio
    with simulator.running(Cluster(nodes=3), socket_path) as sim:       # in synchronous code: a thread of its own
        docker.APIClient(base_url=sim.host)

It is kept honest by tests/engine/, which asserts the same of it as of a real engine.
Flow: http (bytes) -> routes -> cluster (checks, writes) -> store -> orchestrator, updates, jobs, agent (on an agenda).
"""

from services.simulator.cluster import Cluster
from services.simulator.faults import Faults
from services.simulator.server import Simulator, running, serve
from services.simulator.swarm import Settings

__all__ = ["Cluster", "Faults", "Settings", "Simulator", "running", "serve"]
