"""Commands by chance, of all verbs; and what came of them, folded."""

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from funswarm.client import Client
from funswarm.commands import COMMANDS, Command
from funswarm.records import CommandRecord
from services.bus.reading import read_stream
from tests.nats.command_fold import Fold, Spec, fold
from tests.nats.crashing import Crashes

QUICK = {"parallelism": 0, "monitor": "1ms", "failure_action": "continue"}
VERBS = ("create", "remove", "scale", "update", "restart", "rollback")
WEIGHTS = (3, 1, 3, 2, 2, 2)


@dataclass(frozen=True, slots=True)
class Asking:
    """For which services, jobs and nodes, by name, and with which images. `constraints`: where their tasks may be."""

    services: tuple[str, ...]
    jobs: tuple[str, ...]
    nodes: tuple[str, ...]
    images: tuple[str, ...]
    constraints: tuple[str, ...] = ()

    def any(self, chance: random.Random, number: int) -> Command:
        """Any command for any of them."""
        weights = (8, 1, 1 if self.nodes else 0)
        kind = chance.choices(("service", "job", "node"), weights)[0]
        if kind == "node":
            return _made(number, chance.choice(("pause", "drain", "activate")), chance.choice(self.nodes))
        if kind == "job":
            verb, target = chance.choice(("create", "run", "run", "remove")), chance.choice(self.jobs)
            spec = self._spec(target, self.images[0]) | {"mode": "replicated-job", "total": 1}
            return _made(number, verb, target, **({"service": spec} if verb == "create" else {}))
        verb, target = chance.choices(VERBS, WEIGHTS)[0], chance.choice(self.services)
        replicas, image = chance.randint(0, 3), chance.choice(self.images)
        spec = self._spec(target, image) | {"replicas": replicas, "update_config": QUICK, "rollback_config": QUICK}
        fields: dict[str, dict[str, Any]] = {
            "create": {"service": spec}, "scale": {"replicas": replicas, "force": True},
            "update": {"changes": {"image": image}, "force": True}, "restart": {"force": True},
        }  # fmt: skip
        return _made(number, verb, target, **fields.get(verb, {}))

    def _spec(self, name: str, image: str) -> dict[str, Any]:
        return {"name": name, "image": image, "constraints": self.constraints}


async def ask_and_crash(crashes: Crashes, asking: Asking, kills: int) -> Fold:
    """Ask, and let schedulers die, until so many have; then rest. What came of it, folded."""
    number = 0
    while crashes.kills.total() < kills:
        for _ in range(crashes.chance.randint(3, 6)):
            number += 1
            await crashes.submit(asking.any(crashes.chance, number))
            if crashes.chance.random() < 0.2:
                again = crashes.accepted[f"c{crashes.chance.randint(max(1, number - 20), number)}"]
                await crashes.submit(again, crashes.chance.choice((None, f"again-{number}")))
        await crashes.live(crashes.points())
    await crashes.rest()
    return await _fold(crashes)


def spec_of(raw: dict[str, Any], *, job: bool) -> Spec:
    """What commands change of an engine's raw spec."""
    template = raw["TaskTemplate"]
    replicas = raw["Mode"].get("Replicated", {}).get("Replicas")
    image = template["ContainerSpec"]["Image"].partition("@")[0]
    return Spec(image, replicas, 0 if job else template.get("ForceUpdate", 0))


def _made(number: int, verb: str, target: str, **fields: object) -> Command:
    return COMMANDS.validate_python({"id": f"c{number}", "verb": verb, "target": target, **fields})


async def _fold(crashes: Crashes) -> Fold:
    bus = crashes.bus
    async with Client(bus.settings.url, prefix=bus.subjects.prefix) as client:
        results = {command_id: await client.result(command_id) for command_id in crashes.accepted}
    records = Counter(
        [
            CommandRecord.model_validate_json(stored.body).command_id or ""
            async for stored in read_stream(bus, bus.subjects.audit_stream)
        ]
    )
    commands = sorted(crashes.accepted.values(), key=lambda command: crashes.sequences[command.id])
    return fold(commands, results, crashes.effects, records)
