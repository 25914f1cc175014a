"""The routes for cron jobs: services that run when their labels say so, and what became of each run."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from funswarm.client import Client
from funswarm.croning import CronJobPage, CronRunPage, replicas_of
from funswarm.how import How
from funswarm.policing import DECISIONS_MAX
from services.api.access import Asking
from services.api.asked import answer, asked
from services.api.commands import ANSWERS
from services.api.queries import Name, gives, json, lists
from services.api.seen import service_of, services_of

Asked = Annotated[How, Depends(asked)]
Limit = Annotated[int, Query(ge=1, le=DECISIONS_MAX)]


def routes(client: Client) -> APIRouter:
    """/v1/cron."""
    router = APIRouter(prefix="/v1/cron", tags=["policies"])

    @router.get("", responses=lists(CronJobPage), response_model=None)
    async def list_cron_jobs(caller: Asking) -> Response:
        """All services with labels of cron jobs: when they are due next, and how their last run ended."""
        return json(CronJobPage(items=await client.cron_jobs(await services_of(client, caller))))

    @router.get("/{name}/runs", responses=gives(CronRunPage), response_model=None)
    async def list_cron_runs(name: Name, caller: Asking, limit: Limit = 20) -> Response:
        """What became of each run, with exit codes: the newest first."""
        service = await service_of(client, caller, name)
        return json(CronRunPage(items=await client.cron_history(service.name, limit=limit)))

    @router.post("/{name}/run", responses=ANSWERS, summary="Run a job now, as its labels say", response_model=None)
    async def run_cron_job(name: Name, caller: Asking, how: Asked) -> Response:
        service = await service_of(client, caller, name)
        return answer(await client.run(service.name, replicas_of(service), how=how), how)

    return router
