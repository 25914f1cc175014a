"""`funswarm history` and `funswarm dead list | show | replay | drop`: what was asked, and what could not be done."""

import json as json_format
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from funswarm.cli import options, tables
from funswarm.cli.hooks import say_delivered
from funswarm.cli.session import ExitCode, console, run
from funswarm.cli.writing import Manner, finish
from funswarm.client import Client
from funswarm.dead import KeptLetter
from funswarm.errors import InvalidRequest
from funswarm.hooks import Delivered
from funswarm.records import CommandRecord

LIMIT = 50
PAGE = 1000

Sequences = Annotated[list[int] | None, typer.Argument(metavar="NUMBER...", min=1, show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All that there are now.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="So many at most.")]

app = typer.Typer(name="dead", help="What could not be done: look at it, send it again, or drop it.")


def history(
    context: typer.Context,
    service: Annotated[
        str | None, typer.Argument(help="Only of this service or node, as it was asked for.", show_default=False)
    ] = None,
    verb: Annotated[str | None, typer.Option(help="As scale.")] = None,
    status: Annotated[str | None, typer.Option(help="pending, succeeded, refused, failed or denied.")] = None,
    by: Annotated[str | None, typer.Option(help="Who asked.")] = None,
    since: Annotated[str | None, typer.Option(help="A time, or how long ago: 10m, 2d.")] = None,
    limit: Limit = LIMIT,
    json: options.Json = False,
) -> None:
    """What was asked of the Swarm, by whom, and how it ended: the newest first."""

    async def work(client: Client) -> int:
        found: list[CommandRecord] = []
        after: str | None = None
        while len(found) < limit:
            page = await client.commands(
                target=service, verb=verb, status=status, requested_by=by, since=since, limit=limit - len(found),
                after=after,
            )  # fmt: skip
            found += page.items
            if (after := page.next) is None:
                break
        if json:
            print(json_format.dumps([record.model_dump(mode="json") for record in found]))
        else:
            console().print(records(found))
        return ExitCode.OK

    run(context, work)


@app.command("list")
def list_letters(context: typer.Context, limit: Limit = LIMIT, json: options.Json = False) -> None:
    """The dead letters, the newest first."""

    async def work(client: Client) -> int:
        found = (await client.dead_letters(limit=limit)).items
        if json:
            print(json_format.dumps([letter.model_dump(mode="json") for letter in found]))
        else:
            console().print(letters(found))
        return ExitCode.OK

    run(context, work)


@app.command()
def show(
    context: typer.Context,
    number: Annotated[int, typer.Argument(min=1, show_default=False)],
    json: options.Json = False,
) -> None:
    """One dead letter, with the original."""

    async def work(client: Client) -> int:
        kept = await client.dead_letter(number)
        if json:
            print(kept.model_dump_json())
            return ExitCode.OK
        letter = kept.letter
        console().print(Text.assemble((letter.code.value, "red"), f": {letter.reason}"))
        console().print(f"{letter.at:%Y-%m-%d %H:%M:%S}  {letter.subject}")
        for name, value in letter.headers.items():
            console().print(f"{name}: {value}")
        print(letter.body)
        return ExitCode.OK

    run(context, work)


@app.command()
def replay(
    context: typer.Context, numbers: Sequences = None, every: All = False, yes: Yes = False, json: options.Json = False
) -> None:
    """Send commands again, each under a new id, and events to their webhooks; letters of what is taken are dropped."""

    async def one(client: Client, number: int) -> int:
        outcome = await client.replay(number)
        if isinstance(outcome, Delivered):
            return say_delivered(outcome, json=json)
        return await finish(client, outcome, Manner(json, None))

    _each(context, numbers, one, every=every, question=None if yes else "Send {} commands and events again?")


@app.command()
def drop(context: typer.Context, numbers: Sequences = None, every: All = False, yes: Yes = False) -> None:
    """Take dead letters away for good."""

    async def one(client: Client, number: int) -> int:
        await client.drop(number)
        return ExitCode.OK

    _each(context, numbers, one, every=every, question=None if yes else "Drop {} dead letters for good?")


def records(found: Iterable[CommandRecord]) -> Table:
    """One line a command."""
    table = tables.plain_table("TIME", "STATUS", "VERB", "TARGET", "BY", "ID", "")
    for record in found:
        time = record.finished_at or record.accepted_at
        change = tables.change_words(record.changes[0]) if record.changes else ""
        more = f" and {len(record.changes) - 1} more" if len(record.changes) > 1 else ""
        what = record.reason or (f"{change}{more}" if record.changed or record.dry_run else "")
        table.add_row(
            f"{time:%Y-%m-%d %H:%M:%S}" if time else "-",
            tables.styled(record.status.value),
            f"{record.verb} (dry run)" if record.dry_run else record.verb,
            record.target,
            record.requested_by or "-",
            record.command_id or "-",
            what,
        )
    return table


def letters(found: Iterable[KeptLetter]) -> Table:
    """One line a dead letter."""
    table = tables.plain_table("NUMBER", "TIME", "VERB", "TARGET", "ID", "CODE", "REASON")
    for kept in found:
        letter = kept.letter
        row = (f"{letter.at:%Y-%m-%d %H:%M:%S}", kept.verb, kept.target, kept.command_id or "-", letter.code.value)
        table.add_row(str(kept.sequence), *row, letter.reason)
    return table


def _each(
    context: typer.Context,
    numbers: list[int] | None,
    one: Callable[[Client, int], Awaitable[int]],
    *,
    every: bool,
    question: str | None,
) -> None:
    """Do it with the letters of these numbers, or with `every` one that there is when it begins, after a question."""
    if every == bool(numbers):
        raise typer.BadParameter("name the numbers of the letters, or --all")

    async def work(client: Client) -> int:
        chosen = list(numbers or ())
        if every:
            chosen = await _all(client)
            if question is not None and chosen and not typer.confirm(question.format(len(chosen))):
                return ExitCode.REFUSED
        code: int = ExitCode.OK
        for number in chosen:
            try:
                code = max(code, await one(client, number))
            except InvalidRequest as error:  # it holds no command: the others may
                console(stderr=True).print(str(error), style="red")
                code = max(code, ExitCode.REFUSED)
        return code

    run(context, work)


async def _all(client: Client) -> list[int]:
    """Oldest first, as they were asked for."""
    found: list[int] = []
    after: int | None = None
    while True:
        page = await client.dead_letters(limit=PAGE, after=after)
        found += [kept.sequence for kept in page.items]
        if (after := page.next) is None:
            return sorted(found)
