"""`funswarm create`: a service, described with the options of `docker service create`, or by a file.

Most options are read from `context.params`: their names are those that `asked.description` knows.
"""

from typing import Annotated

import typer

from funswarm.cli import asked, options
from funswarm.cli.session import run
from funswarm.cli.writing import TIMEOUT_S, Manner, finish
from funswarm.client import Client
from funswarm.how import How
from funswarm.spec import ServiceSpec

Option = typer.Option


def create(
    context: typer.Context,
    image: Annotated[str | None, typer.Argument(help="Needed where --file names none.", show_default=False)] = None,
    args: Annotated[list[str] | None, typer.Argument(help="Arguments of its command.", show_default=False)] = None,
    name: Annotated[str | None, Option(help="The service's name.")] = None,
    file: options.File = None,
    mode: Annotated[str | None, Option(help="replicated, global, replicated-job or global-job.")] = None,
    replicas: Annotated[int | None, Option(help="How many tasks; of a replicated-job: how many times.")] = None,
    max_concurrent: Annotated[int | None, Option(help="Of a replicated-job: how many at once.")] = None,
    env: Annotated[options.Texts, Option("--env", "-e", help="KEY=VALUE, or KEY as set here.")] = None,
    label: Annotated[options.Texts, Option("--label", "-l", help="KEY=VALUE, of the service.")] = None,
    container_label: Annotated[options.Texts, Option(help="KEY=VALUE, of its containers.")] = None,
    publish: Annotated[options.Texts, Option("--publish", "-p", help="8080:80, or target=80,mode=host …")] = None,
    network: Annotated[options.Texts, Option(help="Its name, or name=…,alias=….")] = None,
    mount: Annotated[options.Texts, Option(help="data:/var/lib/data, or type=bind,src=…,dst=…")] = None,
    secret: Annotated[options.Texts, Option(help="Its name, or source=…,target=….")] = None,
    config: Annotated[options.Texts, Option(help="Its name, or source=…,target=….")] = None,
    constraint: Annotated[options.Texts, Option(help="As node.role==worker.")] = None,
    placement_pref: Annotated[options.Texts, Option(help="As spread=node.labels.zone.")] = None,
    max_replicas_per_node: Annotated[int | None, Option(help="At most so many tasks on a node.")] = None,
    limit_memory: options.Limit = None,
    limit_cpu: options.Cpus = None,
    reserve_memory: options.Limit = None,
    reserve_cpu: options.Cpus = None,
    restart_condition: Annotated[str | None, Option(help="none, on-failure or any.")] = None,
    restart_delay: Annotated[str | None, Option(help="As 5s.")] = None,
    restart_max_attempts: Annotated[int | None, Option()] = None,
    update_parallelism: Annotated[int | None, Option(help="Tasks at once; 0: all.")] = None,
    update_delay: Annotated[str | None, Option(help="As 10s.")] = None,
    update_order: Annotated[str | None, Option(help="stop-first or start-first.")] = None,
    update_failure_action: Annotated[str | None, Option(help="pause, continue or rollback.")] = None,
    health_cmd: Annotated[str | None, Option(help="For the shell in the container.")] = None,
    endpoint_mode: Annotated[str | None, Option(help="vip or dnsrr.")] = None,
    entrypoint: Annotated[str | None, Option(help="In place of the image's.")] = None,
    user: Annotated[str | None, Option("--user", "-u", help="User in the container.")] = None,
    workdir: Annotated[str | None, Option("--workdir", "-w", help="Working directory.")] = None,
    hostname: Annotated[str | None, Option()] = None,
    stop_grace_period: Annotated[str | None, Option(help="As 10s.")] = None,
    command_id: options.CommandId = None,
    dry_run: options.DryRun = False,
    detach: options.Detach = False,
    timeout: options.Timeout = TIMEOUT_S,
    json: options.Json = False,
) -> None:
    """Create a service, as in `funswarm create --name web --replicas 2 --publish 8080:80 nginx:alpine`."""

    async def work(client: Client) -> int:
        wanted = asked.description(context.params) | {
            "env": asked.environment(env),
            "labels": asked.pairs(label, "--label"),
            "container_labels": asked.pairs(container_label, "--container-label"),
        }
        spec = asked.described(ServiceSpec, file, wanted)
        outcome = await client.create(spec, how=How(command_id, dry_run=dry_run))
        return await finish(client, outcome, Manner.of(timeout, json=json, detach=detach, dry_run=dry_run))

    run(context, work)
