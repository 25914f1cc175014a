"""`funswarm token new`: a token for the HTTP api. It asks nobody: the line goes into the api's file by hand."""

from typing import Annotated

import typer

from funswarm.cli.session import ExitCode, console
from funswarm.errors import InvalidRequest
from funswarm.tokens import Role, new_token

app = typer.Typer(no_args_is_help=True, help="Tokens for the HTTP api.")


@app.callback()
def _tokens() -> None:
    pass  # so that `new` stays a word of its own while it is the only one


@app.command("new")
def new(
    name: Annotated[str, typer.Option("--name", help="Who asks with it, as results say.", show_default=False)],
    role: Annotated[Role, typer.Option("--role", help="What it may do.")] = Role.READ,
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", help="See and change only services of it; repeat it.")
    ] = None,
) -> None:
    """Make a token: it goes to stdout; the line for FUNSWARM_HTTP_TOKENS_FILE, which has only its hash, to stderr.

    `funswarm token new --name ci --role operate 2>>tokens` keeps the line, and shows the token this once.
    """
    try:
        text, token = new_token(name, role, namespace or ())
    except InvalidRequest as error:
        console(stderr=True).print(f"invalid: {error}", style="red")
        raise typer.Exit(ExitCode.USAGE) from error
    print(text)
    typer.echo(token.model_dump_json(exclude_defaults=True), err=True)
