"""`funswarm cron ls | history | run`: the services that run when their labels say so, and what became of each run."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from funswarm.cli import options, tables
from funswarm.cli.session import ExitCode, console, run
from funswarm.cli.writing import TIMEOUT_S, Manner, submit_and_finish
from funswarm.client import Client
from funswarm.croning import ListedJob, replicas_of
from funswarm.cronruns import CronRun
from funswarm.how import How
from funswarm.messages import Result
from funswarm.outcome import Accepted

Service = Annotated[str, typer.Argument(metavar="SERVICE", help="The service's name or id.", show_default=False)]

app = typer.Typer(help="Cron jobs: services that run when their labels say so.", no_args_is_help=True)


@app.command("ls")
def jobs(context: typer.Context, json: options.Json = False) -> None:
    """List the jobs, when they are due next, and how their last run ended."""

    async def work(client: Client) -> int:
        found = await client.cron_jobs()
        if json:
            for one in found:
                print(one.model_dump_json())
        else:
            console().print(_jobs(found))
        return ExitCode.OK

    run(context, work)


@app.command()
def history(
    context: typer.Context,
    service: Service,
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=1000, help="So many, the newest first.")] = 20,
    json: options.Json = False,
) -> None:
    """What became of each run, with exit codes."""

    async def work(client: Client) -> int:
        name = (await client.service(service)).name
        found = await client.cron_history(name, limit=count)
        if json:
            for one in found:
                print(one.model_dump_json())
        else:
            console().print(_runs(found))
        return ExitCode.OK

    run(context, work)


@app.command("run")
def run_now(
    context: typer.Context,
    service: Service,
    command_id: options.CommandId = None,
    detach: options.Detach = False,
    timeout: options.Timeout = TIMEOUT_S,
    json: options.Json = False,
) -> None:
    """Run a job now, as its labels say; what still runs of the run before is stopped."""

    async def submit(client: Client) -> Result | Accepted:
        replicas = replicas_of(await client.service(service))
        return await client.run(service, replicas=replicas, how=How(command_id))

    submit_and_finish(context, submit, Manner.of(timeout, json=json, detach=detach, dry_run=False))


def _jobs(found: Iterable[ListedJob]) -> Table:
    table = tables.plain_table("SERVICE", "SCHEDULE", "NEXT", "LAST", "HOW")
    for one in found:
        last, job = one.last, one.job
        schedule = "" if job is None else f"{job.schedule} {job.timezone or ''}".strip()
        when = _moment(last.slot or last.begun_at) if last is not None else ""
        how = tables.styled(last.outcome.value) if last is not None else ""
        wrong = "; ".join(problem.reason for problem in one.problems) if job is None else ""
        table.add_row(one.service, schedule, _moment(one.next), when, wrong or how)
    return table


def _runs(found: Iterable[CronRun]) -> Table:
    table = tables.plain_table("RUN", "DUE", "HOW", "LATE", "TOOK", "NODES", "WHY")
    for one in found:
        nodes = ", ".join(dict.fromkeys(task.node or "-" for task in one.tasks))
        late, took = ("" if value is None else f"{value:.1f} s" for value in (one.late_s, one.seconds))
        table.add_row(one.key, _moment(one.slot), tables.styled(one.outcome.value), late, took, nodes, one.reason)
    return table


def _moment(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S %Z}"
