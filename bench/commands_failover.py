"""A scheduler that is killed with commands in its hand: does each have one effect, and how soon goes the standby on?"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise

import nats
from nats.aio.msg import Msg

from bench.commands_load import MARK, NOWHERE
from bench.results import Figure
from bench.running import Running
from funswarm import Client, How, Result, ServiceSpec
from testbed.images import BUSYBOX

PATIENCE_S = 120.0


@contextlib.contextmanager
def standby(docker_host: str, running: Running) -> Iterator[None]:
    """A second scheduler on the same NATS and engine."""
    settings = {"DOCKER_HOST": docker_host, "FUNSWARM_NATS_URL": running.nats_url, "FUNSWARM_HEALTH_PORT": "0"}
    command = [sys.executable, "-m", "services.scheduler"]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


async def killed(docker_host: str, running: Running, client: Client, count: int) -> list[Figure]:
    """`count` creations are submitted at once; the active scheduler is killed when a third of them are done."""
    bus = await nats.connect(running.nats_url)
    ended: list[tuple[float, str]] = []
    created: list[str] = []

    async def result(message: Msg) -> None:
        ended.append((time.perf_counter(), Result.model_validate_json(message.data).command_id))

    async def event(message: Msg) -> None:
        created.append(message.subject)

    await bus.subscribe("funswarm.result.*", cb=result)
    await bus.subscribe("funswarm.event.service.created.>", cb=event)
    await bus.flush()
    with standby(docker_host, running):
        while sum(part.part == "scheduler" for part in await client.parts()) < 2:
            await asyncio.sleep(0.1)
        how = How(wait_s=0)
        specs = [
            ServiceSpec(name=f"{MARK}-kill-{number}", image=BUSYBOX.tag, replicas=0, constraints=(NOWHERE,))
            for number in range(count)
        ]
        submitting = asyncio.gather(*(client.create(spec, how=how) for spec in specs))
        while len(ended) < count // 3:
            await asyncio.sleep(0.01)
        os.kill(running.parts["scheduler"].pid, signal.SIGKILL)
        gone_at = time.perf_counter()
        end = gone_at + PATIENCE_S
        accepted = await submitting
        while len({command for _, command in ended}) < count and time.perf_counter() < end:
            await asyncio.sleep(0.05)
        await asyncio.sleep(2)  # a second effect would be told by now
    await bus.close()
    ids = {command.command_id for command in accepted}
    effects = [subject for subject in created if f".{MARK}-kill-" in subject]
    after = [gone_at, *(at for at, _ in ended if at > gone_at)]
    gap_s = max(later - earlier for earlier, later in pairwise(after))
    without = len(ids - {command for _, command in ended})
    return [
        Figure("kill of the scheduler: longest time without a result", gap_s, "s", 5),
        Figure(f"kill of the scheduler: of {count:,} commands without a result", without, "", 0),
        Figure("kill of the scheduler: services created twice", len(effects) - len(set(effects)), "", 0),
        Figure("kill of the scheduler: services not created", count - len(set(effects)), "", 0),
    ]
