"""`funswarm watch`: one line a change, as long as one looks."""

from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from funswarm.changes import Changed, Relisted
from funswarm.cli.session import ExitCode, console, run
from funswarm.cli.tables import STYLES, change_words
from funswarm.client import Client
from funswarm.errors import InvalidRequest
from funswarm.messages import Event
from funswarm.state import KINDS, ServiceState, TaskState

NOW = "0s"
CHANGES_MAX = 3  # in a line
AGE_MIN_S = 5.0  # below that it is now
NOISE = ("spec.", "version", "updated_at", "condition.", "labels.funswarm.", "has_previous_spec")  # said elsewhere
_UNITS = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def watch(
    context: typer.Context,
    kind: Annotated[list[str] | None, typer.Option("--kind", "-k", help="service, task, node …; repeatable.")] = None,
    name: Annotated[
        list[str] | None, typer.Option("--name", "-n", help="Of a service (with its tasks) or node; repeatable.")
    ] = None,
    action: Annotated[
        list[str] | None, typer.Option("--action", "-a", help="created, running, converged …; repeatable.")
    ] = None,
    since: Annotated[
        str, typer.Option(help="Begin so long ago (10m), at a time (2026-01-31T12:00Z), or after a sequence (1234).")
    ] = NOW,
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many changes.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The events as they are on NATS, one a line.")] = False,
) -> None:
    """Show each change of the Swarm, from now on or from earlier; Ctrl-C ends it."""

    async def work(client: Client) -> int:
        for wanted in kind or ():
            if wanted not in KINDS:
                raise InvalidRequest(f"--kind {wanted}: choose from {', '.join(KINDS)}")
        left = limit
        changes = client.changes(kinds=kind or (), names=name or (), actions=action or (), since=since)
        async with aclosing(changes):
            async for item in changes:
                if isinstance(item, Relisted):
                    console(stderr=True).print(f"changes are missing here: {item.reason}", style="yellow")
                if not isinstance(item, Changed):
                    continue
                if json:
                    print(item.body.decode(), flush=True)
                else:
                    console().print(line(item.event, datetime.now(UTC)), soft_wrap=True)
                left = None if left is None else left - 1
                if left == 0:
                    break
        return ExitCode.OK

    run(context, work)


def line(event: Event, now: datetime) -> Text:
    """As `12:00:01 (4m ago)  task     web.1  running  on node-1`."""
    time = f"{event.observed_at.astimezone():%H:%M:%S}{age(event.observed_at, now)}  "
    text = Text.assemble((time, "dim"), f"{event.kind:<8} {event.name:<16}  ")
    text.append(event.action, style=STYLES.get(event.action, "bold"))
    text.append(f"  {_about(event)}")
    text.rstrip()
    return text


def age(then: datetime, now: datetime) -> str:
    """As ` (4m ago)`; empty for now."""
    seconds = (now - then).total_seconds()
    if seconds < AGE_MIN_S:
        return ""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size)
    return f" ({seconds // size:.0f}{unit} ago)"


def _about(event: Event) -> str:
    """What a reader wants to know beside the action."""
    state = event.after or event.before
    if isinstance(state, TaskState):
        words = f"on {state.node_name or state.node_id}" if state.node_id else ""
        return f"{words}  {state.error}" if state.error else words
    if isinstance(state, ServiceState) and event.action == state.condition.status.value:
        return state.condition.reason or ""
    plain = [change for change in event.changes if not change.path.startswith(NOISE)]
    words = ", ".join(change_words(change) for change in plain[:CHANGES_MAX])
    return words + (f" and {len(plain) - CHANGES_MAX} more" if len(plain) > CHANGES_MAX else "")
