"""What waits to be told: nothing is dropped but the oldest of too many, nothing is told twice."""

import asyncio
from datetime import UTC, datetime, timedelta

from funswarm.decisions import Decision, DecisionOutcome
from funswarm.errors import Unavailable
from funswarm.subjects import Subjects
from services.scheduler.metrics import Metrics
from services.scheduler.policies import telling
from tests.waiting import until

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Nats:
    """Takes what is published once it is `open`; `asked`: how often something was."""

    def __init__(self):
        self.subjects = Subjects("funswarm")
        self.open = asyncio.Event()
        self.told = []
        self.failures = 0

    async def publish(self, _subject, body, _headers, _stream):
        await self.open.wait()
        if self.failures:
            self.failures -= 1
            raise Unavailable("NATS is away")
        self.told.append(Decision.model_validate_json(body).id)


class World:
    complete = False


def decision(number):
    return Decision(
        id=f"d{number}", time=NOW + timedelta(minutes=number), policy="cron", service="web",
        outcome=DecisionOutcome.HAPPENED, reason="because",
    )  # fmt: skip


async def told(monkeypatch, count, failures=0):
    monkeypatch.setattr(telling, "WAITING_MAX", 3)
    monkeypatch.setattr(telling, "RETRY_S", 0)
    nats = Nats()
    teller = telling.Telling(nats, World(), [], Metrics())  # type: ignore[arg-type]
    running = asyncio.create_task(teller.run())
    teller.decided([decision(0)])
    await asyncio.sleep(0)  # it is on its way now
    await asyncio.sleep(0)
    nats.failures = failures
    teller.decided([decision(number) for number in range(1, count)])
    nats.open.set()
    await until(lambda: decision(count - 1).id in nats.told, "all to be told")
    running.cancel()
    return nats.told


async def test_what_comes_while_one_is_told_pushes_out_the_oldest_that_waits(monkeypatch):
    assert ["d0", "d2", "d3", "d4"] == await told(monkeypatch, 5)


async def test_what_could_not_be_told_is_told_first(monkeypatch):
    assert ["d0", "d1", "d2"] == await told(monkeypatch, 3, failures=2)


async def test_what_could_not_be_told_makes_room_for_what_is_newer(monkeypatch):
    assert ["d1", "d2", "d3"] == await told(monkeypatch, 4, failures=1)
