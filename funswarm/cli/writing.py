"""`funswarm scale | restart | rollback | run | rm`, and what all writing commands do: submit, show, wait."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Annotated

import typer

from funswarm.changes import SnapshotEnd, Snapshotted
from funswarm.cli import options
from funswarm.cli.converging import wait_until_converged
from funswarm.cli.reading import say_result
from funswarm.cli.session import ExitCode, console, run
from funswarm.client import Client
from funswarm.commands import Expect
from funswarm.errors import InvalidRequest
from funswarm.how import How
from funswarm.messages import ConvergenceStatus, Result
from funswarm.outcome import Accepted
from funswarm.spec import REPLICAS_MAX
from funswarm.state import ServiceState
from funswarm.units import flag

TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Manner:
    """How to go on after the result. `wait_s` None: do not wait for convergence."""

    json: bool
    wait_s: float | None

    @classmethod
    def of(cls, timeout_s: float, *, json: bool, detach: bool, dry_run: bool) -> "Manner":
        """Wait, unless told not to, or where nothing was done."""
        return cls(json, None if detach or dry_run else timeout_s)


def scale(
    context: typer.Context,
    targets: Annotated[list[str], typer.Argument(metavar="SERVICE=REPLICAS...", show_default=False)],
    force: options.Force = False,
    dry_run: options.DryRun = False,
    detach: options.Detach = False,
    timeout: options.Timeout = TIMEOUT_S,
    json: options.Json = False,
) -> None:
    """Set the replicas of services, as in `funswarm scale web=3 worker=10`."""

    async def work(client: Client) -> int:
        wanted = [_replicas(target) for target in targets]  # all of them understood before any is done
        manner = Manner.of(timeout, json=json, detach=detach, dry_run=dry_run)

        async def one(name: str, replicas: int) -> int:
            return await finish(
                client, await client.scale(name, replicas, force=force, how=How(dry_run=dry_run)), manner
            )

        return max(await asyncio.gather(*(one(name, replicas) for name, replicas in wanted)))

    run(context, work)


def restart(
    context: typer.Context,
    service: options.Name,
    force: options.Force = False,
    expect_version: options.ExpectVersion = None,
    command_id: options.CommandId = None,
    dry_run: options.DryRun = False,
    detach: options.Detach = False,
    timeout: options.Timeout = TIMEOUT_S,
    json: options.Json = False,
) -> None:
    """Replace all tasks of a service, as its update settings say."""
    how = How(command_id, Expect(version=expect_version), dry_run=dry_run)
    submit_and_finish(
        context,
        lambda client: client.restart(service, force=force, how=how),
        Manner.of(timeout, json=json, detach=detach, dry_run=dry_run),
    )


def rebalance(
    context: typer.Context,
    services: Annotated[list[str] | None, typer.Argument(metavar="SERVICE...", show_default=False)] = None,
    all_services: Annotated[
        bool, typer.Option("--all", help="All services with the label funswarm.rebalance=true.")
    ] = False,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """Spread the tasks of services evenly over their nodes, by surges; `funswarm explain` tells how it goes."""

    async def work(client: Client) -> int:
        if bool(services) == all_services:
            raise InvalidRequest("name services, or say --all: those with the label funswarm.rebalance=true")
        manner = Manner(json, None)
        names = services or await _with_label(client, "funswarm.rebalance")
        codes = [await finish(client, await client.rebalance(name, how=How(dry_run=dry_run)), manner) for name in names]
        return max(codes, default=ExitCode.OK)

    run(context, work)


def rollback(
    context: typer.Context,
    service: options.Name,
    expect_version: options.ExpectVersion = None,
    command_id: options.CommandId = None,
    dry_run: options.DryRun = False,
    detach: options.Detach = False,
    timeout: options.Timeout = TIMEOUT_S,
    json: options.Json = False,
) -> None:
    """Go back to the previous description of a service."""
    how = How(command_id, Expect(version=expect_version), dry_run=dry_run)
    submit_and_finish(
        context,
        lambda client: client.rollback(service, how=how),
        Manner.of(timeout, json=json, detach=detach, dry_run=dry_run),
    )


def run_again(
    context: typer.Context,
    service: options.Name,
    replicas: Annotated[
        int | None, typer.Option(help="How many tasks; default: as many as it has, at least one", show_default=False)
    ] = None,
    force: options.Force = False,
    expect_version: options.ExpectVersion = None,
    command_id: options.CommandId = None,
    dry_run: options.DryRun = False,
    detach: options.Detach = False,
    timeout: options.Timeout = TIMEOUT_S,
    json: options.Json = False,
) -> None:
    """Run a job once more, or a service whose tasks end; what still runs of the run before is stopped."""
    how = How(command_id, Expect(version=expect_version), dry_run=dry_run)
    submit_and_finish(
        context,
        lambda client: client.run(service, replicas=replicas, force=force, how=how),
        Manner.of(timeout, json=json, detach=detach, dry_run=dry_run),
    )


def remove(
    context: typer.Context,
    services: Annotated[list[str], typer.Argument(metavar="SERVICE...", show_default=False)],
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """Remove services."""

    async def work(client: Client) -> int:
        manner = Manner(json, None)

        async def one(name: str) -> int:
            return await finish(client, await client.remove(name, how=How(dry_run=dry_run)), manner)

        return max(await asyncio.gather(*(one(name) for name in services)))

    run(context, work)


def submit_and_finish(
    context: typer.Context, submit: Callable[[Client], Awaitable[Result | Accepted]], manner: Manner
) -> None:
    """Submit one command and go on in that manner."""

    async def work(client: Client) -> int:
        return await finish(client, await submit(client), manner)

    run(context, work)


async def finish(client: Client, outcome: Result | Accepted, manner: Manner) -> int:
    """Show how a command ended, wait until its service has converged; the exit code."""
    if isinstance(outcome, Accepted):
        say_accepted(outcome)
        return ExitCode.UNAVAILABLE
    for warning in outcome.warnings:
        console(stderr=True).print(f"warning: {warning}", style="yellow")
    if manner.wait_s is None or outcome.convergence is None:
        return say_result(outcome, json=manner.json)
    if not manner.json:
        say_result(outcome, json=False)
    settled = await wait_until_converged(client, outcome, manner.wait_s)
    if manner.json:
        say_result(settled, json=True)
    has_converged = settled.convergence and settled.convergence.status is ConvergenceStatus.CONVERGED
    return ExitCode.OK if has_converged else ExitCode.REFUSED


def say_accepted(outcome: Accepted) -> None:
    """Where to ask for the result."""
    where = f"accepted, and not done yet: `funswarm result {outcome.command_id}` will say how it ended"
    console(stderr=True).print(where, style="yellow")


async def _with_label(client: Client, label: str) -> list[str]:
    """The names of all services that have the label, and it is true."""
    names = []
    async with aclosing(client.changes(kinds=["service"])) as changes:
        async for item in changes:
            if isinstance(item, SnapshotEnd):
                break
            if isinstance(item, Snapshotted) and isinstance(item.state, ServiceState):
                with suppress(ValueError):  # a problem, and not followed
                    if flag(item.state.labels.get(label, "false")):
                        names.append(item.state.name)
    return sorted(names)


def _replicas(target: str) -> tuple[str, int]:
    name, _, number = target.rpartition("=")
    if not name or not number.isdecimal() or int(number) > REPLICAS_MAX:
        raise InvalidRequest(f"{target!r}: write SERVICE=REPLICAS, as in web=3 (0 to {REPLICAS_MAX:,})")
    return name, int(number)
