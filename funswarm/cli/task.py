"""`funswarm task`: one task, where it is and how it is reached."""

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from funswarm.cli import options, tables
from funswarm.cli.session import ExitCode, console, run
from funswarm.client import Client
from funswarm.places import TaskPlace
from funswarm.task_routes import EXPOSE, TaskRoute, TaskRouting


def task(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="Its slot as web.1, of a global service its node as web.node-1, or its id.")
    ],
    expose: Annotated[
        bool, typer.Option(envvar="FUNSWARM_TASKS_EXPOSE", help="As the api is set: all services' tasks have routes.")
    ] = False,
    domain: Annotated[
        str | None, typer.Option(envvar="FUNSWARM_TASKS_DOMAIN", help="As the api is set: routes by host, too.")
    ] = None,
    json: options.Json = False,
) -> None:
    """One task: where it runs, its addresses, its routes through a proxy, and how to get a shell in it."""

    async def work(client: Client) -> int:
        found = await client.task(name, TaskRouting(expose, domain))
        if json:
            print(found.model_dump_json())
            return ExitCode.OK
        for renderable in shown(found):
            console().print(renderable)
        return ExitCode.OK

    run(context, work)


def shown(found: TaskPlace) -> Iterator[Table | Text]:
    """Line by line; below, the tasks before it at the same place. Pure."""
    task = found.task
    since = Text.assemble(tables.styled(task.state), f" since {task.timestamp[:19].replace('T', ' ')}")
    if task.state != task.desired_state:
        since.append(f", to be {task.desired_state}")
    rows: list[tuple[str, Text | str | None]] = [
        ("task", f"{task.name}  {task.id}"),
        ("state", since),
        ("error", task.error),
        ("image", tables.image(task.image)),
        ("node", " ".join(filter(None, (task.node_name or task.node_id, found.node_address)))),
        ("container", task.container_id and task.container_id[:12]),
        *(("address", f"{', '.join(one.addresses)}  {one.network or one.network_id}") for one in task.addresses),
        *(("route", line) for line in _routes(found.routes, task.id)),
        *(("no route", f"{problem.label}: {problem.reason}") for problem in found.problems),
    ]
    if found.routes is None and not found.problems:
        rows.append(
            ("no route", f"its service has no label {EXPOSE}=true, or no task of it is reached: docs/proxies.md")
        )
    if found.docker_exec:
        rows.append(("shell", f"DOCKER_HOST={found.docker_host} {found.docker_exec}"))
    lines = Table(box=None, pad_edge=False, show_header=False)
    lines.add_column()
    lines.add_column(overflow="fold")
    for label, value in rows:
        if value:
            lines.add_row(label, value)
    yield lines
    if found.before:
        yield Text("before it:")
        yield tables.tasks(found.before)


def _routes(routes: TaskRoute | None, task_id: str) -> Iterator[str]:
    if routes is None:
        return
    if own := routes.task_paths.get(task_id):
        yield f"{own}/  (this task only)"
    leads = "" if routes.task_id == task_id else f"  (leads to {routes.task_id or 'no task: answers 503'})"
    for path in routes.paths:
        yield f"{path}/{leads}"
    for host in routes.hosts:
        yield f"http://{host}/{leads}"
