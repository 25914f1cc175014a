"""The commands of `funswarm`, put together. Exit codes: 0 done, 1 refused or failed, 2 usage, 3 unavailable."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from funswarm.cli import (
    batching,
    creating,
    croning,
    hooks,
    nodes,
    past,
    policing,
    reading,
    scheduling,
    task,
    token,
    updating,
    watching,
    writing,
)
from funswarm.cli.session import Access
from funswarm.subjects import DEFAULT_PREFIX

app = typer.Typer(
    name="funswarm",
    help="Watch a Docker Swarm and change it, over NATS.",
    epilog="Exit codes: 0 done, 1 refused or failed, 2 usage, 3 unavailable.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(value: bool) -> None:
    if value:
        typer.echo(version("funswarm"))
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    url: Annotated[
        str, typer.Option(envvar=["FUNSWARM_NATS_URL", "NATS_URL"], help="NATS servers, joined by commas.")
    ] = "nats://127.0.0.1:4222",
    prefix: Annotated[
        str, typer.Option(envvar="FUNSWARM_PREFIX", help="Which Swarm, where one NATS serves several.")
    ] = DEFAULT_PREFIX,
    user: Annotated[str | None, typer.Option(envvar="FUNSWARM_NATS_USER", help="User at NATS.")] = None,
    password: Annotated[
        str | None, typer.Option(envvar="FUNSWARM_NATS_PASSWORD", help="Better set in the environment.")
    ] = None,
    nats_token: Annotated[
        str | None, typer.Option("--token", envvar="FUNSWARM_NATS_TOKEN", help="Token at NATS.")
    ] = None,
    credentials: Annotated[
        str | None, typer.Option("--creds", envvar="FUNSWARM_NATS_CREDS", help="Path of a .creds file.")
    ] = None,
    tls_ca: Annotated[
        Path | None, typer.Option(envvar="FUNSWARM_NATS_TLS_CA", help="Path of the CA that signed NATS's certificate.")
    ] = None,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del show_version  # done by its callback
    context.obj = Access(url, prefix, user, password, nats_token, credentials, tls_ca)


app.command("health")(reading.health)
app.command("ps")(reading.services)
app.command("task")(task.task)
app.command("nodes")(reading.nodes)
app.command("result")(reading.result)
app.command("create", context_settings={"allow_interspersed_args": False})(creating.create)
app.command("update")(updating.update)
app.command("scale")(writing.scale)
app.command("restart")(writing.restart)
app.command("rebalance")(writing.rebalance)
app.command("rollback")(writing.rollback)
app.command("run")(writing.run_again)
app.command("rm")(writing.remove)
app.command("batch")(batching.batch)
app.command("watch")(watching.watch)
app.command("hold")(policing.hold)
app.command("release")(policing.release)
app.command("explain")(policing.explain)
app.command("history")(past.history)
app.add_typer(past.app, name="dead")
app.add_typer(nodes.app, name="node")
app.add_typer(scheduling.app, name="schedule")
app.add_typer(croning.app, name="cron")
app.add_typer(hooks.app, name="hooks")
app.add_typer(token.app, name="token")


def main() -> None:
    """Entry point of the script `funswarm`."""
    app()
