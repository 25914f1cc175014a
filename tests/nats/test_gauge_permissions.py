"""Who may tell the autoscaler numbers, and hear them: with the stack's configuration on a real nats-server."""

import pytest

from funswarm.client import Client
from funswarm.errors import PermanentError
from funswarm.gauges import Push, TaskUse, Usage
from services.bus.gauges import consumer_lag, consumer_lags, hear, tell_usage
from tests.nats.conftest import PASSWORDS
from tests.waiting import until


@pytest.mark.parametrize("user", ["client", "api"])
async def test_who_sends_commands_tells_the_scheduler_numbers_too(secured, user):
    scheduler, heard = await secured("scheduler"), []
    await hear(scheduler, scheduler.subjects.gauge(None), lambda subject, body: heard.append((subject, body)))
    settings = (await secured(user)).settings
    async with Client(settings.url, user=user, password=PASSWORDS[user]) as client:
        await client.push("web", Push(value=3))
    assert ["funswarm.gauge.web"] == [subject for subject, _ in heard]


async def test_the_scheduler_sees_how_far_a_consumer_is_behind(secured):
    scheduler = await secured("scheduler")
    with pytest.raises(PermanentError, match="stream not found"):
        await consumer_lag(scheduler, "ORDERS", "work")
    with pytest.raises(PermanentError, match="stream not found"):
        await consumer_lags(scheduler, "ORDERS", ["work"])


async def test_an_agent_tells_the_scheduler_what_tasks_use(secured):
    scheduler, heard = await secured("scheduler"), []
    await hear(scheduler, scheduler.subjects.usage(None), lambda _, body: heard.append(body))
    agent = await secured("agent")
    await tell_usage(agent, "n1", Usage(tasks={"t1": TaskUse(processors=0.5, memory_bytes=9)}))

    await until(lambda: heard, "what it tells")
    assert 9 == Usage.model_validate_json(heard[0]).tasks["t1"].memory_bytes


@pytest.mark.parametrize(
    ("user", "subject"),
    [("client", "funswarm.gauge.*"), *(("agent", one) for one in ("funswarm.usage.*", "funswarm.event.>", "_INBOX.>"))],
)
async def test_who_tells_numbers_does_not_hear_those_of_others(secured, user, subject):
    with pytest.raises(PermanentError, match="refuses subscribing"):
        await hear(await secured(user), subject, lambda _, __: None)
