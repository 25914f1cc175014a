"""`funswarm update`: changes fields of a service and leaves the others as they are.

Most options are read from `context.params`: their names are those that `asked.description` knows.
"""

from typing import Annotated

import typer

from funswarm.cli import asked, options
from funswarm.cli.session import run
from funswarm.cli.writing import TIMEOUT_S, Manner, finish
from funswarm.client import Client
from funswarm.commands import Expect
from funswarm.errors import InvalidRequest
from funswarm.how import How
from funswarm.spec import ServicePatch

Option = typer.Option


def update(
    context: typer.Context,
    service: options.Name,
    image: Annotated[str | None, Option(help="The new image.")] = None,
    file: options.File = None,
    args: Annotated[options.Texts, Option("--arg", help="The arguments of its command, all of them.")] = None,
    replicas: Annotated[int | None, Option(help="How many tasks.")] = None,
    env_add: Annotated[options.Texts, Option("--env-add", "-e", help="KEY=VALUE, or KEY as set here.")] = None,
    env_rm: Annotated[options.Texts, Option(help="KEY to take away.")] = None,
    label_add: Annotated[options.Texts, Option("--label-add", "-l", help="KEY=VALUE.")] = None,
    label_rm: Annotated[options.Texts, Option(help="KEY to take away.")] = None,
    publish: Annotated[options.Texts, Option("--publish", "-p", help="The published ports, all of them.")] = None,
    network: Annotated[options.Texts, Option(help="The networks, all of them.")] = None,
    mount: Annotated[options.Texts, Option(help="The mounts, all of them.")] = None,
    constraint: Annotated[options.Texts, Option(help="The constraints, all of them.")] = None,
    limit_memory: options.Limit = None,
    limit_cpu: options.Cpus = None,
    reserve_memory: options.Limit = None,
    reserve_cpu: options.Cpus = None,
    update_parallelism: Annotated[int | None, Option(help="Tasks at once; 0: all.")] = None,
    update_delay: Annotated[str | None, Option(help="As 10s.")] = None,
    update_order: Annotated[str | None, Option(help="stop-first or start-first.")] = None,
    update_failure_action: Annotated[str | None, Option(help="pause, continue or rollback.")] = None,
    force: options.Force = False,
    expect_version: options.ExpectVersion = None,
    command_id: options.CommandId = None,
    dry_run: options.DryRun = False,
    detach: options.Detach = False,
    timeout: options.Timeout = TIMEOUT_S,
    json: options.Json = False,
) -> None:
    """Change a service, as in `funswarm update web --image nginx:1.29 --env-add DEBUG=1`; the rest stays as it is."""

    async def work(client: Client) -> int:
        wanted = asked.description(context.params)
        wanted["env"] = asked.environment(env_add) | dict.fromkeys(env_rm or ())
        wanted["labels"] = asked.pairs(label_add, "--label-add") | dict.fromkeys(label_rm or ())
        patch = asked.described(ServicePatch, file, wanted)
        if not patch.model_fields_set:
            raise InvalidRequest("nothing to change: name it with options, or with --file; see --help")
        how = How(command_id, Expect(version=expect_version), dry_run=dry_run)
        outcome = await client.update(service, patch, force=force, how=how)
        return await finish(client, outcome, Manner.of(timeout, json=json, detach=detach, dry_run=dry_run))

    run(context, work)
