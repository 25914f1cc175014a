"""How a batch stands, from the results of its commands: what has ended, what is to be begun, and its own result. Pure.

Nothing is kept of a batch but that it was begun: all else follows from the results that its commands have, so that
another copy goes on from the same place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from funswarm.commands import BatchCommand, BatchItem, SingleCommand
from funswarm.errors import FunswarmError
from funswarm.messages import BatchItemResult, Code, ConvergenceStatus, Result, ResultStatus
from funswarm.order import ancestors, in_order
from funswarm.outcome import is_pending

REASON_MAX: Final = 4000  # of one command, and of all
GRACE_S: Final = 60.0  # after the time in which what was applied must have settled
# What may be otherwise when an earlier command of the batch has been done for the same target:
_MAY_CHANGE: Final = frozenset(
    {Code.UNKNOWN_SERVICE, Code.NAME_TAKEN, Code.EXPECTATION, Code.NO_PREVIOUS_SPEC, Code.WRONG_MODE}
)


@dataclass(frozen=True, slots=True)
class Standing:
    """`ended`: by name. `ready`: to be begun, or begun and not ended. What is in neither waits for others."""

    ended: Mapping[str, BatchItemResult]
    ready: tuple[BatchItem, ...]


def standing(batch: BatchCommand, results: Mapping[str, Result], now: datetime, settle_s: float) -> Standing:
    """How it stands, with the results by name that there are."""
    items, singles = {item.name: item for item in batch.commands}, batch.singles()
    ended: dict[str, BatchItemResult] = {}
    ready: list[BatchItem] = []
    for name in in_order(batch.edges):
        item, result = items[name], results.get(name)
        needed = [ended.get(other) for other in item.depends_on]
        failed = [one.name for one in needed if one is not None and not _is_well(one)]
        if result is not None:
            if (end := _end(singles[name], item, result, now, settle_s)) is not None:
                ended[name] = end
        elif failed:
            ended[name] = refused(item, singles[name].id, Code.DEPENDENCY, f"not done: {', '.join(failed)} failed")
        elif all(needed):
            ready.append(item)
    return Standing(ended, tuple(ready))


def _end(
    single: SingleCommand, item: BatchItem, result: Result, now: datetime, settle_s: float
) -> BatchItemResult | None:
    """None: its service has not settled."""
    status, code, reason = result.status, result.code, result.reason
    if result.digest not in (None, single.digest):
        status, code = ResultStatus.FAILED, Code.CONFLICT
        reason = f"another command has had the id {result.command_id!r}: take a new id for the batch"
    elif item.wait == "converged" and status is ResultStatus.SUCCEEDED and result.convergence is not None:
        how = result.convergence
        if is_pending(result) and (now - result.finished_at).total_seconds() < settle_s + GRACE_S:
            return None
        if how.status is not ConvergenceStatus.CONVERGED:
            code, reason = Code.NOT_CONVERGED, f"applied, but {how.status.value}: {how.reason}"
    return BatchItemResult(
        name=item.name, command_id=result.command_id, status=status, code=code, reason=_short(reason),
        changed=result.changed,
    )  # fmt: skip


def refused(item: BatchItem, command_id: str, code: Code, reason: str) -> BatchItemResult:
    """The end of a command that was not done."""
    status, reason = ResultStatus.REFUSED, reason[:REASON_MAX]
    return BatchItemResult(name=item.name, command_id=command_id, status=status, code=code, reason=reason)


def is_excused(batch: BatchCommand, item: BatchItem, error: FunswarmError) -> bool:
    """Whether a check's objection may be gone when its turn comes: an earlier command is about the same target."""
    singles = batch.singles()
    before = ancestors(batch.edges)[item.name]
    touched = any(singles[name].target == singles[item.name].target for name in before)
    return touched and error.code in _MAY_CHANGE


def batch_result(
    batch: BatchCommand, ends: Mapping[str, BatchItemResult], accepted_at: datetime, now: datetime
) -> Result:
    """The batch's own result: succeeded where all of it did; refused where nothing was changed."""
    items = [ends[item.name] for item in batch.commands]
    bad = [item for item in items if not _is_well(item)]
    status = ResultStatus.SUCCEEDED
    if bad:
        is_refused = all(item.status is ResultStatus.REFUSED for item in bad) and not any(i.changed for i in items)
        status = ResultStatus.REFUSED if is_refused else ResultStatus.FAILED
    return Result(
        command_id=batch.id, verb=batch.verb, target=batch.target, status=status, code=_first_code(bad),
        reason=_short("; ".join(f"{item.name}: {item.reason}" for item in bad)) or None,
        changed=any(item.changed for item in items), items=tuple(items), digest=batch.digest,
        requested_by=batch.requested_by, accepted_at=accepted_at, finished_at=now,
    )  # fmt: skip


def not_begun(result: Result) -> Result:
    """The result of a batch that its check refused: what was well was not done either."""
    bad = ", ".join(item.name for item in result.items if not _is_well(item))
    told = {"status": ResultStatus.REFUSED, "code": Code.DEPENDENCY, "reason": _short(f"not done: {bad} was refused")}
    items = [item.model_copy(update=told) if _is_well(item) else item for item in result.items]
    return result.model_copy(update={"items": tuple(items)})


def _first_code(bad: Sequence[BatchItemResult]) -> Code | None:
    """Of what failed by itself."""
    codes = [item.code or Code.INTERNAL for item in bad]
    return next((code for code in codes if code is not Code.DEPENDENCY), codes[0] if codes else None)


def _is_well(end: BatchItemResult) -> bool:
    return end.status is ResultStatus.SUCCEEDED and end.code is None


def _short(text: str | None) -> str | None:
    return None if text is None else text[:REASON_MAX]
