"""What people see: tables and lines. Pure: values in, rich's renderables out."""

import json
from collections.abc import Iterable, Iterator
from typing import Final

from rich.table import Table
from rich.text import Text

from funswarm.messages import (
    BatchItemResult,
    Change,
    Health,
    PartHealth,
    Placement,
    Preview,
    Problem,
    Result,
    ResultStatus,
    ServiceSummary,
)
from funswarm.state import Condition, NodeState, Port, TaskState

STYLES: Final = {
    "converged": "green", "running": "green", "complete": "green", "ready": "green", "succeeded": "green",
    "progressing": "yellow", "stalled": "red", "degraded": "red", "rolled-back": "red", "failed": "red",
    "superseded": "yellow", "pending": "yellow", "denied": "red",
    "replaced": "yellow", "skipped": "yellow", "missed": "red", "stopped": "yellow",
    "rejected": "red", "orphaned": "red", "down": "red", "refused": "red", "removed": "magenta", "created": "cyan",
}  # fmt: skip
VALUE_WIDTH: Final = 60
NODES_SHOWN: Final = 20


def health(answer: Health) -> Iterator[Table | Text]:
    """The verdict, the parts, the services, what is wrong with labels."""
    verdict = Text("healthy" if answer.ok else "NOT HEALTHY", style="green" if answer.ok else "red")
    if answer.cluster:
        verdict.append(f"  cluster {answer.cluster}", style="default")
    yield verdict
    for reason in answer.reasons:
        yield Text(f"  {reason}", style="red")
    table = plain_table("PART", "STATE", "INSTANCE", "VERSION", "SINCE")
    for part in answer.parts:
        table.add_row(part.part, _part_state(part), part.instance, part.version, f"{part.started_at:%Y-%m-%d %H:%M:%S}")
    yield table
    yield services(answer.services)
    if answer.problems:
        yield problems(answer.problems)


def services(found: Iterable[ServiceSummary]) -> Table:
    """One line a service."""
    table = plain_table("NAME", "MODE", "TASKS", "CONDITION", "IMAGE", "PORTS")
    for service in sorted(found, key=lambda service: service.name):
        table.add_row(
            service.name,
            service.mode,
            f"{service.running}/{service.desired}",
            condition(service.condition),
            image(service.image),
            ports(service.ports),
        )
    return table


def problems(found: Iterable[Problem]) -> Table:
    """The labels that are not followed, and why."""
    table = plain_table("SERVICE", "FOR", "LABEL", "VALUE", "PROBLEM")
    for problem in found:
        table.add_row(problem.service, problem.source, problem.label or "", problem.value or "", problem.reason)
    return table


def tasks(found: Iterable[TaskState]) -> Table:
    """The tasks by place; where there were several, the newest first."""
    table = plain_table("NAME", "ID", "NODE", "DESIRED", "STATE", "SINCE", "ERROR")
    newest_first = sorted(found, key=lambda task: task.created_at, reverse=True)
    for task in sorted(newest_first, key=lambda task: (task.service_name, task.slot or 0, task.node_id or "")):
        table.add_row(
            task.name,
            task.id[:12],
            task.node_name or task.node_id or "-",
            task.desired_state,
            styled(task.state),
            task.timestamp[:19].replace("T", " "),
            task.error or "",
        )
    return table


def nodes(found: Iterable[NodeState]) -> Table:
    """One line a node."""
    table = plain_table("NAME", "ID", "STATE", "AVAILABILITY", "ROLE", "ADDRESS", "ENGINE")
    for node in sorted(found, key=lambda node: node.name):
        role = "leader" if node.leader else node.role
        availability = "drained" if node.drained else node.availability
        table.add_row(
            node.name, node.id[:12], styled(node.state), availability, role, node.address, node.engine_version
        )
    return table


def result(found: Result) -> Iterator[Text]:
    """How a command ended, then what it changed."""
    words = found.status.value
    if found.status is ResultStatus.SUCCEEDED and not found.changed:
        moves = found.preview is not None and found.preview.restarts_tasks
        words = "would change" if found.plan or moves else "nothing to change"
    line = Text.assemble((words, STYLES.get(found.status.value, "")), f": {found.verb} {found.target}")
    if found.reason:
        line.append(f": {found.reason}")
    yield line
    for change in found.plan:
        yield Text(f"  {change_words(change)}", style="dim")
    if found.preview is not None:
        yield from preview(found.preview)


def preview(foreseen: Preview) -> Iterator[Text]:
    """What a dry run foresees: restarts, where the tasks would be, and what is in the way."""
    if foreseen.restarts_tasks:
        yield Text("  tasks restart", style="yellow")
    if foreseen.placements:
        shown = ", ".join(_moved(one) for one in foreseen.placements[:NODES_SHOWN])
        more = len(foreseen.placements) - NODES_SHOWN
        yield Text(f"  tasks by node: {shown}{f', and {more} nodes more' if more > 0 else ''}")
    for reason in foreseen.reasons:
        yield Text(f"  does not fit: {reason}", style="red")
    for refusal in foreseen.refusals:
        yield Text(f"  would be refused: {refusal}", style="red")


def _moved(one: Placement) -> str:
    """`node-1 12 → 3`, or `node-1 3` where it has as many now."""
    return f"{one.node} {one.tasks}" if one.before == one.tasks else f"{one.node} {one.before} → {one.tasks}"


def items(found: Iterable[BatchItemResult]) -> Table:
    """The commands of a batch, and how each ended."""
    rows = plain_table("NAME", "RESULT", "CODE", "REASON")
    for item in found:
        rows.add_row(item.name, styled(item.status.value), item.code.value if item.code else "", item.reason or "")
    return rows


def convergence(found: Result) -> Iterator[Text]:
    """What the Swarm made of it, with the errors of its tasks; nothing where that is not awaited."""
    how = found.convergence
    if how is None:
        return
    line = Text(f"{found.service_name or found.target} ").append_text(styled(how.status.value))
    yield line.append(f": {how.reason}") if how.reason else line
    for error in how.errors:
        if error != how.reason:
            yield Text(f"  {error}")


def change_words(change: Change) -> str:
    """As `replicas 1 → 3`."""
    return f"{change.path} {value_words(change.before)} → {value_words(change.after)}"


def value_words(value: object) -> str:
    """A value in short; absent as `-`."""
    text = "-" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_WIDTH else f"{text[: VALUE_WIDTH - 1]}…"


def condition(value: Condition) -> Text:
    """The status, and what is in the way."""
    text = styled(value.status.value)
    if value.reason:
        text.append(f": {value.reason}", style="default")
    return text


def styled(word: str) -> Text:
    """A state's word in its colour."""
    return Text(word, style=STYLES.get(word, ""))


def image(reference: str) -> str:
    """The image without its digest."""
    return reference.partition("@")[0]


def ports(found: Iterable[Port]) -> str:
    """As `8080->80/tcp`."""
    return ", ".join(f"{port.published or '?'}->{port.target}/{port.protocol}" for port in found)


def _part_state(part: PartHealth) -> Text:
    if not part.ok:
        return Text(f"not ok: {part.reason or 'no reason given'}", style="red")
    if part.active and part.reason:
        return Text(f"active, but {part.reason}", style="yellow")
    return Text("active" if part.active else "standby", style="green" if part.active else "")


def plain_table(*columns: str) -> Table:
    """A table with these columns and no lines."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
