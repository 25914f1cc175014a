"""`funswarm hooks list | show | put | rm | pause | resume | test | secret`: who is told of events over HTTP."""

import json as json_format
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.table import Table

from funswarm.cli import options, tables
from funswarm.cli.session import ExitCode, console, run
from funswarm.client import Client
from funswarm.errors import InvalidRequest
from funswarm.explain import explain
from funswarm.hooks import Delivered, Hook, HookStatus
from funswarm.signature import new_secret

Name = Annotated[str, typer.Argument(metavar="NAME", help="The webhook's name.", show_default=False)]
File = Annotated[Path, typer.Option("--file", "-f", help="Its description in JSON; - reads the standard input.")]

app = typer.Typer(name="hooks", help="Webhooks: who is told of events over HTTP.", no_args_is_help=True)


@app.command("list")
def list_hooks(context: typer.Context, json: options.Json = False) -> None:
    """All webhooks, and how they do."""

    async def work(client: Client) -> int:
        found = await client.hooks()
        if json:
            print(json_format.dumps([status.model_dump(mode="json") for status in found]))
        else:
            console().print(hooks(found))
        return ExitCode.OK

    run(context, work)


@app.command()
def show(context: typer.Context, name: Name) -> None:
    """One webhook, as it can be put again: what is secret is ***, and stays as it is."""

    async def work(client: Client) -> int:
        print((await client.hook(name)).hook.model_dump_json(indent=2))
        return ExitCode.OK

    run(context, work)


@app.command()
def put(context: typer.Context, file: File, json: options.Json = False) -> None:
    """Put a webhook, in the place of one of its name."""

    async def work(client: Client) -> int:
        return _say(await client.put_hook(_read(file)), json=json)

    run(context, work)


@app.command("rm")
def remove(context: typer.Context, name: Name) -> None:
    """Remove a webhook, with all that it was to be told still."""

    async def work(client: Client) -> int:
        await client.remove_hook(name)
        return ExitCode.OK

    run(context, work)


@app.command()
def pause(context: typer.Context, name: Name, json: options.Json = False) -> None:
    """Send nothing to it until it is resumed; events are kept for it as long as for all."""

    async def work(client: Client) -> int:
        return _say(await client.pause_hook(name), json=json)

    run(context, work)


@app.command()
def resume(context: typer.Context, name: Name, json: options.Json = False) -> None:
    """Go on where it was paused."""

    async def work(client: Client) -> int:
        return _say(await client.pause_hook(name, paused=False), json=json)

    run(context, work)


@app.command("test")
def try_hook(context: typer.Context, name: Name, json: options.Json = False) -> None:
    """Send it an event of the type funswarm.test, once."""

    async def work(client: Client) -> int:
        return say_delivered(await client.test_hook(name), json=json)

    run(context, work)


@app.command()
def secret() -> None:
    """A new secret, to sign deliveries with: for the webhook's description, and for its receiver."""
    print(new_secret())


def hooks(found: Iterable[HookStatus]) -> Table:
    """One line a webhook."""
    table = tables.plain_table("NAME", "STATE", "PENDING", "DELIVERED", "DEAD", "LOST", "URL", "")
    for status in found:
        table.add_row(
            status.hook.name,
            tables.styled(status.state),
            str(status.pending),
            str(status.delivered),
            str(status.dead_letters),
            str(status.lost),
            status.hook.url,
            status.reason or "",
        )
    return table


def say_delivered(delivered: Delivered, *, json: bool) -> int:
    """How an attempt went; the exit code."""
    if json:
        print(delivered.model_dump_json())
    else:
        what = f"delivered: {delivered.status}" if delivered.ok else f"not delivered: {delivered.reason}"
        console().print(f"{delivered.hook}: {what}, in {delivered.seconds:g} s", style=None if delivered.ok else "red")
    return ExitCode.OK if delivered.ok else ExitCode.REFUSED


def _say(status: HookStatus, *, json: bool) -> int:
    if json:
        print(status.model_dump_json())
    else:
        console().print(hooks([status]))
    return ExitCode.OK


def _read(file: Path) -> Hook:
    """
    Raises:
        InvalidRequest: there is no webhook in it.
    """
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        return Hook.model_validate(json_format.loads(text))
    except ValidationError as error:
        raise InvalidRequest(f"--file {file}: {explain(error, Hook)}") from error
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"--file {file}: {error}") from error
