"""`funswarm health | ps | nodes | result`: what there is."""

from typing import Annotated

import typer
from pydantic import TypeAdapter

from funswarm.cli import options, tables
from funswarm.cli.session import ExitCode, console, run
from funswarm.client import Client
from funswarm.errors import Unavailable, UnknownCommand
from funswarm.holds import plain_hold
from funswarm.messages import Health, Result, ResultStatus, ServiceSummary
from funswarm.state import NodeState, TaskState

_SUMMARIES = TypeAdapter(tuple[ServiceSummary, ...])
_TASKS = TypeAdapter(tuple[TaskState, ...])
_NODES = TypeAdapter(tuple[NodeState, ...])


def health(context: typer.Context, json: options.Json = False) -> None:
    """How Funswarm's parts are, and which services run. Exit code 3 when something is missing."""

    async def work(client: Client) -> int:
        answer = await client.health()
        if json:
            print(answer.model_dump_json())
        else:
            say_simulator(answer)
            for renderable in tables.health(answer):
                console().print(renderable)
        return ExitCode.OK if answer.ok else ExitCode.UNAVAILABLE

    run(context, work)


def services(
    context: typer.Context,
    service: Annotated[str | None, typer.Argument(help="Show the tasks of this service.", show_default=False)] = None,
    json: options.Json = False,
) -> None:
    """The services; the tasks of one service."""

    async def work(client: Client) -> int:
        if service is not None:
            found = await client.tasks(service=(await client.service(service)).id)
            if json:
                print(_TASKS.dump_json(found).decode())
            else:
                console().print(tables.tasks(found))
            return ExitCode.OK
        answer = await client.health()
        if not answer.services and not answer.ok:
            raise Unavailable("; ".join(answer.reasons))
        if json:
            print(_SUMMARIES.dump_json(answer.services).decode())
        else:
            say_simulator(answer)
            console().print(tables.services(answer.services))
            for hold in await client.holds():
                console().print(plain_hold(hold), style="yellow")
        return ExitCode.OK

    run(context, work)


def nodes(context: typer.Context, json: options.Json = False) -> None:
    """The nodes of the Swarm."""

    async def work(client: Client) -> int:
        found = await client.nodes()
        if json:
            print(_NODES.dump_json(found).decode())
        else:
            console().print(tables.nodes(found))
        return ExitCode.OK

    run(context, work)


def result(
    context: typer.Context,
    command_id: Annotated[str, typer.Argument(help="As said when it was accepted.", show_default=False)],
    json: options.Json = False,
) -> None:
    """How a command ended."""

    async def work(client: Client) -> int:
        found = await client.result(command_id)
        if found is None:
            if await client.waiting_command(command_id) is not None:
                raise Unavailable(f"command {command_id} waits to be done: ask again")
            raise UnknownCommand(f"there is no command {command_id}, or it is longer ago than results are kept")
        code = say_result(found, json=json)
        for line in () if json else tables.convergence(found):
            console().print(line)
        return code

    run(context, work)


def say_result(found: Result, *, json: bool) -> int:
    """Show a result; its exit code."""
    if json:
        print(found.model_dump_json())
    else:
        for line in tables.result(found):
            console().print(line)
    return ExitCode.OK if found.status is ResultStatus.SUCCEEDED else ExitCode.REFUSED


def say_simulator(answer: Health) -> None:
    """Nobody must take the simulator for a Swarm."""
    if answer.simulator:
        console(stderr=True).print("SIMULATED: no Docker engine, a Swarm that only pretends", style="bold yellow")
