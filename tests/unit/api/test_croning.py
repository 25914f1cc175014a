"""The routes of cron jobs: what they ask of the client, and their answers."""

from datetime import UTC, datetime

import pytest

from funswarm.croning import ListedJob
from funswarm.cronruns import CronOutcome, CronRun
from services.api.access import role_needed
from tests.builders import a_service

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
RUN = CronRun(key="20261123T120000Z", outcome=CronOutcome.SUCCEEDED, slot=NOON)
BACKUP = a_service("backup", labels={"funswarm.cron.schedule": "@daily", "funswarm.cron.replicas": "2"})


@pytest.fixture(autouse=True)
def answers(client, monkeypatch):
    async def services():
        return (BACKUP,)

    async def service(name):
        return BACKUP

    async def cron_jobs(found):
        return tuple(ListedJob(service=one.name, last=RUN) for one in found)

    async def cron_history(name, limit):
        return (RUN,) * min(limit, 3)

    for answer in (services, service, cron_jobs, cron_history):
        monkeypatch.setattr(client, answer.__name__, answer, raising=False)


async def test_jobs_are_listed(http):
    (job,) = (await http.get("/v1/cron")).json()["items"]
    assert ("backup", "succeeded") == (job["service"], job["last"]["outcome"])


async def test_runs_are_listed(http):
    assert 2 == len((await http.get("/v1/cron/backup/runs?limit=2")).json()["items"])


async def test_a_run_by_hand_is_a_command(http, client):
    assert 200 == (await http.post("/v1/cron/backup/run")).status_code
    assert ("run", "backup", 2) == (client.submitted[0].verb, client.submitted[0].target, client.submitted[0].replicas)


def test_a_run_by_hand_needs_no_more_than_other_commands():
    assert role_needed("POST", "/v1/services/backup/run") == role_needed("POST", "/v1/cron/backup/run")
