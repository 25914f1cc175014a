"""`funswarm node pause | drain | activate`: which nodes get tasks."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from funswarm.cli import options
from funswarm.cli.writing import Manner, submit_and_finish
from funswarm.client import Client, Outcome
from funswarm.commands import Expect
from funswarm.how import How

Node = Annotated[str, typer.Argument(metavar="NODE", help="Its hostname or id.", show_default=False)]

app = typer.Typer(name="node", help="Give nodes no new tasks, take all from them, or give them tasks again.")


@app.command()
def pause(
    context: typer.Context,
    node: Node,
    expect_version: options.ExpectVersion = None,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """Give a node no new tasks; those that it has stay."""
    _submit(context, lambda client, how: client.pause(node, how=how), expect_version, dry_run=dry_run, json=json)


@app.command()
def drain(
    context: typer.Context,
    node: Node,
    graceful: Annotated[
        bool,
        typer.Option("--graceful/--now", help="Pause it, start as many tasks elsewhere, then drain it; or at once."),
    ] = True,
    expect_version: options.ExpectVersion = None,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """Take all tasks from a node once as many run elsewhere, and give it no new ones; `--now`: without waiting."""
    _submit(
        context,
        lambda client, how: client.drain(node, graceful=graceful, how=how),
        expect_version,
        dry_run=dry_run,
        json=json,
    )


@app.command()
def activate(
    context: typer.Context,
    node: Node,
    expect_version: options.ExpectVersion = None,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """Give a node tasks again."""
    _submit(context, lambda client, how: client.activate(node, how=how), expect_version, dry_run=dry_run, json=json)


def _submit(
    context: typer.Context,
    command: Callable[[Client, How], Awaitable[Outcome]],
    version: int | None,
    *,
    dry_run: bool,
    json: bool,
) -> None:
    how = How(expect=Expect(version=version), dry_run=dry_run)
    submit_and_finish(context, lambda client: command(client, how), Manner(json, None))
