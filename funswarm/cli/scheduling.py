"""`funswarm schedule add | ls | show | rm`: commands that are to be done later, or again and again."""

import json as json_format
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.table import Table

from funswarm.cli import options, tables
from funswarm.cli.reading import say_result
from funswarm.cli.session import ExitCode, console, run
from funswarm.client import Client
from funswarm.errors import InvalidRequest
from funswarm.explain import explain
from funswarm.schedules import Schedule, Scheduled

Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule's name.", show_default=False)]
Text = str | None

app = typer.Typer(help="Commands that are done later, or again and again.", no_args_is_help=True)


@app.command()
def add(
    context: typer.Context,
    name: Name,
    verb: Annotated[str, typer.Argument(help="What to do, as scale, restart, run, drain.", show_default=False)],
    target: Annotated[
        str, typer.Argument(metavar="TARGET[=REPLICAS]", help="The service or node; web=3 scales.", show_default=False)
    ],
    at: Annotated[Text, typer.Option(help="Once: 2026-12-24T18:00:00Z, or +10m from now.")] = None,
    every: Annotated[Text, typer.Option(help="Again and again, as 90s or 1h30m.")] = None,
    cron: Annotated[Text, typer.Option(help="As '0 30 4 * * *' (seconds first), '30 4 * * *' or @daily.")] = None,
    time_zone: Annotated[Text, typer.Option(help="Of --cron, as Europe/Berlin; else UTC.")] = None,
    drop_after: Annotated[
        Text, typer.Option(help="Leave a firing that is later than this, as 5m; else it is done when it can be.")
    ] = None,
    arguments: Annotated[Text, typer.Option("--with", metavar="JSON", help="The command's other fields.")] = None,
    json: options.Json = False,
) -> None:
    """Put a schedule, in the place of an earlier one of its name."""

    async def work(client: Client) -> int:
        when = {"at": at, "every": every, "cron": cron, "time_zone": time_zone, "drop_after_s": drop_after}
        missed = "once" if drop_after is None else "drop"
        asked = {"name": name, "command": _command(verb, target, arguments), "missed": missed, **when}
        try:
            schedule = Schedule.model_validate(asked)
        except ValidationError as error:
            raise InvalidRequest(explain(error)) from error
        put = await client.schedule(schedule)
        if json:
            print(put.model_dump_json())
        else:
            console().print(f"{name} is due next at {_moments(put.next[:1])}")
        return ExitCode.OK

    run(context, work)


@app.command("ls")
def schedules(context: typer.Context, json: options.Json = False) -> None:
    """List what is to be done, and when next."""

    async def work(client: Client) -> int:
        found = await client.schedules()
        if json:
            for scheduled in found:
                print(scheduled.model_dump_json())
        else:
            console().print(_table(found))
        return ExitCode.OK

    run(context, work)


@app.command()
def show(context: typer.Context, name: Name, json: options.Json = False) -> None:
    """Show a schedule, its next times, and how its last firing ended."""

    async def work(client: Client) -> int:
        found = await client.scheduled(name)
        if json:
            print(found.model_dump_json())
            return ExitCode.OK
        console().print(_table([found]))
        command = found.schedule.command
        said = {"verb": command.verb} | command.model_dump(mode="json", exclude={"id"}, exclude_defaults=True)
        console().print(json_format.dumps(said, indent=2, ensure_ascii=False))
        if found.result is not None:
            say_result(found.result, json=False)
        return ExitCode.OK

    run(context, work)


@app.command("rm")
def cancel(context: typer.Context, name: Name, json: options.Json = False) -> None:
    """Cancel a schedule: it does not fire any more."""

    async def work(client: Client) -> int:
        cancelled = await client.cancel(name)
        if json:
            print(cancelled.model_dump_json())
        elif cancelled.underway is None:
            console().print(f"{name} is cancelled")
        else:
            firing = cancelled.underway
            due = _moments([firing.due])
            console().print(f"{name} is cancelled; what was due at {due} is under way as {firing.command_id}")
        return ExitCode.OK

    run(context, work)


def _command(verb: str, target: str, arguments: str | None) -> dict[str, Any]:
    """
    Raises:
        InvalidRequest: the arguments are no JSON object.
    """
    fields: Any = {}
    if arguments is not None:
        try:
            fields = json_format.loads(arguments)
        except ValueError as error:
            raise InvalidRequest(f"--with {arguments!r}: {error}") from error
        if not isinstance(fields, dict):
            raise InvalidRequest(f"--with {arguments!r}: write a JSON object, as '{{\"force\": true}}'")
    name, equals, replicas = target.partition("=")
    if verb == "scale" and equals:
        target, fields = name, {"replicas": replicas, **fields}
    return {**fields, "verb": verb, "target": target}


def _table(found: Iterable[Scheduled]) -> Table:
    """One line a schedule."""
    table = tables.plain_table("NAME", "COMMAND", "WHEN", "NEXT", "LAST", "PROBLEM")
    for one in found:
        schedule, last = one.schedule, one.last
        command = f"{schedule.command.verb} {schedule.command.target}"
        fired = _moments([last.due] if last else [])
        table.add_row(schedule.name, command, _when(schedule), _moments(one.next), fired, one.problem or "")
    return table


def _when(schedule: Schedule) -> str:
    """When a schedule is due, as it was asked for."""
    if schedule.at is not None:
        return f"at {_moments([schedule.at])}"
    if schedule.every is not None:
        return f"every {timedelta(seconds=schedule.every)}"
    return f"{schedule.cron} {schedule.time_zone or 'UTC'}"


def _moments(times: Iterable[datetime]) -> str:
    """In UTC, to the second."""
    return ", ".join(f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z" for time in times) or "-"
