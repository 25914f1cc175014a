"""`funswarm batch`: several commands from a file, all checked before the first is done."""

import json as json_format
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from funswarm.cli import options, tables
from funswarm.cli.reading import say_result
from funswarm.cli.session import ExitCode, console, run
from funswarm.cli.writing import TIMEOUT_S, say_accepted
from funswarm.client import Client
from funswarm.commands import BatchItem
from funswarm.errors import InvalidRequest
from funswarm.explain import explain
from funswarm.how import How
from funswarm.outcome import Accepted
from funswarm.state import Value

File = Annotated[
    Path, typer.Option("--file", "-f", help="JSON, TOML or YAML: `commands`, each with `name` and `command`.")
]
Seconds = Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait until the last command has ended.")]


class _Batch(Value):
    name: str = "batch"
    commands: tuple[BatchItem, ...]


def batch(
    context: typer.Context,
    file: File,
    command_id: options.CommandId = None,
    dry_run: options.DryRun = False,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Do not wait until it has ended.")] = False,
    timeout: Seconds = TIMEOUT_S,
    json: options.Json = False,
) -> None:
    """Do several commands, each after those that it depends on."""

    async def work(client: Client) -> int:
        asked = _read(file)
        how = How(command_id, dry_run=dry_run, wait_s=0 if detach else timeout)
        outcome = await client.batch(asked.commands, asked.name, how=how)
        if isinstance(outcome, Accepted):
            say_accepted(outcome)
            return ExitCode.OK if detach else ExitCode.UNAVAILABLE
        if not json:
            console().print(tables.items(outcome.items))
        return say_result(outcome, json=json)

    run(context, work)


def _read(file: Path) -> _Batch:
    """
    Raises:
        InvalidRequest: no batch can be read there.
    """
    try:
        text = file.read_text(encoding="utf-8")
        return _Batch.model_validate(_parsed(text, file.suffix))
    except ValidationError as error:
        raise InvalidRequest(f"--file {file}: {explain(error)}") from error
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"--file {file}: {error}") from error


def _parsed(text: str, suffix: str) -> Any:
    if suffix == ".toml":
        return tomllib.loads(text)
    if suffix not in (".yaml", ".yml"):
        return json_format.loads(text)
    try:
        from funswarm.strict_yaml import load_yaml  # noqa: PLC0415  PyYAML is no dependency of the command line
    except ModuleNotFoundError as error:
        raise ValueError("YAML needs PyYAML: `pip install pyyaml`, or write it as JSON or TOML") from error
    return load_yaml(text)
