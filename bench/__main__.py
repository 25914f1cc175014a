"""`make bench`: the main job's cost, on a real engine, against docker-py on the same engine in the same run.

The HTTP client is a bare socket, whose own cost is next to none; docker-py's own cost is in its figure.
Creation over HTTP against docker-py directly; from a change by docker-py to a subscriber; memory at rest; the size of
the image.
"""

import asyncio
import statistics
import sys
import time
from typing import Any

import docker
import nats
from docker.types import ContainerSpec, ServiceMode, TaskTemplate

from bench.plain_http import PlainHttp
from bench.results import Figure, write
from bench.running import Running, funswarm
from testbed import deploy, images
from testbed import engine as host_engine

COUNT = 200
IMAGE = images.BUSYBOX.tag


def create(engine: docker.APIClient, name: str) -> None:
    """A service without replicas: its cost is the engine's own, no container's."""
    template = TaskTemplate(ContainerSpec(IMAGE))
    engine.create_service(template, name=name, mode=ServiceMode("replicated", 0))


def creations(engine: docker.APIClient, running: Running) -> tuple[list[float], list[float]]:
    """Milliseconds of each creation, directly and over HTTP, taken in turn so that both meet the same machine."""
    directly, over_http = [], []
    with PlainHttp(running.http_url) as http:
        for number in range(COUNT + 10):
            begun = time.perf_counter()
            create(engine, f"bench-d{number}")
            directly.append((time.perf_counter() - begun) * 1e3)
            begun = time.perf_counter()
            status, body = http.post("/v1/services", {"name": f"bench-h{number}", "image": IMAGE, "replicas": 0})
            over_http.append((time.perf_counter() - begun) * 1e3)
            assert status == 201, body
    return directly[10:], over_http[10:]


async def events(engine: docker.APIClient, running: Running) -> list[float]:
    """Milliseconds from the engine's answer to a label change until a NATS subscriber has the event."""
    bus = await nats.connect(running.nats_url)
    arrived: asyncio.Queue[tuple[str, float]] = asyncio.Queue()

    async def seen(message: Any) -> None:
        arrived.put_nowait((message.subject, time.perf_counter()))

    await bus.subscribe("funswarm.event.service.updated.bench-d0", cb=seen)
    await bus.flush()
    service = engine.inspect_service("bench-d0")
    took = []
    for number in range(COUNT):
        await asyncio.sleep(0.12)  # under the poller's limit of events for one object
        index = (await asyncio.to_thread(engine.inspect_service, service["ID"]))["Version"]["Index"]
        await asyncio.to_thread(relabel, engine, service["ID"], index, str(number))
        done = time.perf_counter()
        took.append(((await asyncio.wait_for(arrived.get(), 10))[1] - done) * 1e3)
    await bus.close()
    return took


def relabel(engine: docker.APIClient, service_id: str, version: int, text: str) -> None:
    """Change a label of the service, and nothing else."""
    engine.update_service(service_id, version, labels={"number": text}, fetch_current_spec=True)


def remove_all(engine: docker.APIClient) -> None:
    """Remove what a run has made, or an earlier one left."""
    for service in engine.services(filters={"name": "bench-"}):
        engine.remove_service(service["ID"])


def main() -> int:
    """Measure, print, write; 1 where a figure was missed."""
    found = host_engine.start()
    images.ensure(found)
    engine = docker.APIClient(base_url=found.host, version="auto", timeout=60)
    if engine.info()["Swarm"]["LocalNodeState"] != "active":
        engine.init_swarm(advertise_addr="127.0.0.1")
    remove_all(engine)
    image = deploy.build(found.host, images.PYTHON.tag)
    try:
        with funswarm(found.host) as running:
            directly, over_http = creations(engine, running)
            took = asyncio.run(events(engine, running))
            remove_all(engine)
            time.sleep(15)  # at rest: what it needs when nothing happens
            memory = {part: process.resident_mb() for part, process in running.parts.items()}
    finally:
        remove_all(engine)
    size = engine.inspect_image(image)["Size"] / 1e6
    more = statistics.median(over_http) - statistics.median(directly)
    figures = [
        Figure("create by docker-py, directly", statistics.median(directly), "ms", note="median"),
        Figure("create through HTTP, to the answer", statistics.median(over_http), "ms", note="median; a bare client"),
        Figure("create through HTTP, more than directly", more, "ms", 4),
        Figure("change by docker-py → subscriber has the event", statistics.median(took), "ms", 10, "median"),
        *(Figure(f"resident memory of the {part}", memory[part], "MB", 80) for part in ("poller", "scheduler", "api")),
        Figure("image", size, "MB", 250),
    ]
    print(write("The main job", f"dockerd {found.version}", figures))
    return 0 if all(figure.reached for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
