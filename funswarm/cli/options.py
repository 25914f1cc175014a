"""The options that several commands share, written once."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")]
Detach = Annotated[bool, typer.Option("--detach", "-d", help="Do not wait until the service has converged.")]
Timeout = Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait until the service has converged.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]
Force = Annotated[bool, typer.Option("--force", help="Also in the middle of a rollout, which ends its way back.")]
CommandId = Annotated[
    str | None, typer.Option("--id", help="The command's id: asking again with it does nothing twice.")
]
ExpectVersion = Annotated[int | None, typer.Option(min=0, help="Only if Swarm's version of it is still this one.")]
Name = Annotated[str, typer.Argument(metavar="SERVICE", help="Its name or id.", show_default=False)]
File = Annotated[
    Path | None,
    typer.Option("--file", "-f", help="A JSON file with the description; options win over it.", dir_okay=False),
]

Limit = Annotated[str | None, typer.Option(metavar="SIZE", help="As 64M.")]
Cpus = Annotated[float | None, typer.Option(metavar="CORES", help="As 0.5.")]
Text = str | None
Texts = list[str] | None
