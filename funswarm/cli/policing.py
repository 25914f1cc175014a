"""`funswarm hold | release | explain`: what policies do with a service, and keeping them from it."""

import getpass
from typing import Annotated

import typer

from funswarm.cli import options
from funswarm.cli.session import ExitCode, console, run
from funswarm.client import Client
from funswarm.decisions import plainly
from funswarm.errors import InvalidRequest, UnknownObject
from funswarm.holds import Hold, hold_for, plain_hold
from funswarm.units import duration_s

Service = Annotated[str, typer.Argument(help="The service's name or id.", show_default=False)]
Policy = Annotated[str | None, typer.Option(help="Only this policy, as autoscale; else all.")]


def hold(
    context: typer.Context,
    service: Service,
    lasts: Annotated[str, typer.Argument(metavar="DURATION", help="How long, as 30m or 1h.", show_default=False)],
    policy: Policy = None,
    reason: Annotated[str | None, typer.Option(help="Why, for the others.")] = None,
    json: options.Json = False,
) -> None:
    """Have policies leave a service alone for a while. What one has begun it brings to a safe end."""

    async def work(client: Client) -> int:
        try:
            until = hold_for(duration_s(lasts))
        except (ValueError, OverflowError) as error:
            raise InvalidRequest(str(error)) from error
        name = (await client.service(service)).name
        asked = Hold(service=name, policy=policy, until=until, reason=reason, by=_whoever())
        put = await client.hold(asked)
        print(put.model_dump_json()) if json else console().print(plain_hold(put))
        return ExitCode.OK

    run(context, work)


def release(context: typer.Context, service: Service, policy: Policy = None, json: options.Json = False) -> None:
    """Let policies go on with a service."""

    async def work(client: Client) -> int:
        name = await _name(client, service)
        ended = await client.release(name, policy)
        for one in ended:
            print(one.model_dump_json()) if json else console().print(f"released: {plain_hold(one)}")
        if not ended and not json:
            console().print(f"there was no hold of {name}")
        return ExitCode.OK

    run(context, work)


def explain(
    context: typer.Context,
    service: Service,
    policy: Policy = None,
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=1000, help="So many, the newest last.")] = 10,
    json: options.Json = False,
) -> None:
    """What policies decided about a service, and why."""

    async def work(client: Client) -> int:
        name = await _name(client, service)
        page = await client.decisions(name, policy=policy, limit=count)
        for decision in reversed(page.items):
            line = f"{decision.time:%Y-%m-%d %H:%M:%S}  {plainly(decision)}"
            print(decision.model_dump_json()) if json else console().print(line)
        if json:
            return ExitCode.OK
        if not page.items:
            console().print(f"no policy has decided anything about {name}: do its labels ask for one?")
        for one in await client.holds(name):
            console().print(plain_hold(one), style="yellow")
        return ExitCode.OK

    run(context, work)


def _whoever() -> str | None:
    """Who is logged in; None: nobody that the machine knows, as in a container."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return None


async def _name(client: Client, service: str) -> str:
    """Of one that was removed, too, policies have decided something."""
    try:
        return (await client.service(service)).name
    except UnknownObject:
        return service
