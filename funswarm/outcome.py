"""How a submitted command stands: finished (`Result`), or only accepted (`Accepted`). Pure."""

from dataclasses import dataclass

from funswarm.commands import Command
from funswarm.errors import Failed, Refused, Unavailable
from funswarm.messages import Code, ConvergenceStatus, Result, ResultStatus


@dataclass(frozen=True, slots=True)
class Accepted:
    """NATS keeps the command, it will be done; no result came within the wait. Ask `Client.result(command_id)`."""

    command_id: str


def is_pending(result: Result) -> bool:
    """Whether a second result is to follow, with what the Swarm made of the command."""
    return result.convergence is not None and result.convergence.status is ConvergenceStatus.PENDING


def id_taken(command_id: str, first: Command | Result) -> str:
    """Why a command is not done whose id `first` has, which asks for something else."""
    return (
        f"another command ({first.verb} {first.target}) has had the id {command_id!r}: nothing was done; repeat the "
        "same command with an id, and take a new id for another one"
    )


def check(outcome: Result | Accepted) -> Result:
    """The result of a command that succeeded, as an assertion in one call: `check(await client.scale("web", 3))`.

    Raises:
        Refused: nothing changed; `code` says why.
        Failed: it could not be applied.
        Unavailable: no result came within the wait.
    """
    if isinstance(outcome, Accepted):
        raise Unavailable(f"command {outcome.command_id} is accepted and not finished: ask for its result later")
    reason = outcome.reason or f"{outcome.verb} {outcome.target}: {outcome.status}"
    if outcome.status is ResultStatus.REFUSED:
        raise Refused(reason, outcome.code or Code.INTERNAL)
    if outcome.status is ResultStatus.FAILED:
        raise Failed(reason, outcome.code or Code.ENGINE)
    return outcome
