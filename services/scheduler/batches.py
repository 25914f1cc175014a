"""Batches: check all of it, note that it is begun, then hand over one command after the other. I/O: store, engine.

Each is done as an ordinary command out of COMMANDS, with its own result; here it is only seen to the order. `step` is
called again whenever one has ended, and by the copy that takes over: it begins nothing twice, by the commands' ids.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from funswarm.commands import BatchCommand, BatchItem, SingleCommand
from funswarm.errors import PermanentError, Refused
from funswarm.messages import BatchItemResult, Change, Code, Result, ResultStatus
from funswarm.outcome import is_pending
from services.scheduler.batch import batch_result, is_excused, not_begun, refused, standing
from services.scheduler.lanes import deadline
from services.scheduler.plan import Intent
from services.scheduler.ports import Store
from services.scheduler.safe_write import SafeWriter
from services.scheduler.together import OVER_QUOTA

BATCHES_MAX: Final = 100  # at once: each stays in hand until it ends
CHECKS: Final = 8  # at once
BEGUN: Final = Intent(service_id="", version=0)  # all of the batch was found good


@dataclass(slots=True)
class _Progress:
    """Of a batch that was begun: what this copy has handed over, and the results that will not change; by name."""

    begun: set[str] = field(default_factory=set)
    results: dict[str, Result] = field(default_factory=dict)


class Batches:
    """`settle_s`: within which all that is applied has settled, or has failed to."""

    def __init__(self, store: Store, writer: SafeWriter, settle_s: float) -> None:
        self._store = store
        self._writer = writer
        self._settle_s = settle_s
        self._progress: dict[str, _Progress] = {}  # by the batch's id
        self._batch_of: dict[str, str] = {}  # by the id of a command

    def of(self, command_id: str) -> str | None:
        """The batch that waits for that command."""
        return self._batch_of.get(command_id)

    async def step(self, batch: BatchCommand, traceparent: str | None, accepted_at: datetime) -> Result | None:
        """Go as far as it goes now; the batch's result; None: its commands are being done.

        Raises:
            Refused: nothing was begun.
            TemporaryError: to be tried again.
        """
        if batch.id not in self._progress:
            if batch.dry_run or await self._store.intent(batch.id) is None:
                result = batch_result(batch, await self._check(batch), accepted_at, datetime.now(UTC))
                if batch.dry_run:
                    return result
                if result.status is not ResultStatus.SUCCEEDED:
                    return not_begun(result)
                await self._store.note(batch.id, BEGUN)
            self._progress[batch.id] = _Progress()
            self._batch_of |= {single.id: batch.id for single in batch.singles().values()}
        ends = await self._go_on(batch, traceparent)
        if len(ends) < len(batch.commands):
            return None
        del self._progress[batch.id]
        for single in batch.singles().values():
            self._batch_of.pop(single.id, None)
        return batch_result(batch, ends, accepted_at, datetime.now(UTC))

    async def _go_on(self, batch: BatchCommand, traceparent: str | None) -> Mapping[str, BatchItemResult]:
        """Hand over what has its turn; what has ended."""
        progress, singles = self._progress[batch.id], batch.singles()
        results = dict(progress.results)
        for name in singles.keys() - results.keys():
            if (result := await self._store.find(singles[name].id)) is not None:
                results[name] = result
                if not is_pending(result):
                    progress.results[name] = result
        stands = standing(batch, results, datetime.now(UTC), self._settle_s)
        for item in stands.ready:
            if item.name not in progress.begun:
                await self._store.submit(singles[item.name], traceparent)
                progress.begun.add(item.name)
        return stands.ended

    async def _check(self, batch: BatchCommand) -> dict[str, BatchItemResult]:
        """How each would end, as far as can be seen before."""
        if len(self._progress) >= BATCHES_MAX:
            raise Refused(f"{BATCHES_MAX} batches are being done: wait for their results first", Code.CONFLICT)
        if datetime.now(UTC) >= deadline(batch):
            raise Refused(f"the deadline {deadline(batch).isoformat()} has passed: nothing changed", Code.DEADLINE)
        at_once, singles = asyncio.Semaphore(CHECKS), batch.singles()

        async def check(item: BatchItem) -> BatchItemResult:
            async with at_once:
                return await self._check_one(batch, item, singles[item.name])

        ends = await asyncio.gather(*(check(item) for item in batch.commands))
        together = await self._writer.clashes(batch)
        return {
            end.name: refused(item, end.command_id, clash.code, str(clash))
            if (clash := together.get(end.name)) and end.status is ResultStatus.SUCCEEDED
            else end
            for item, end in zip(batch.commands, ends, strict=True)
        }

    async def _check_one(self, batch: BatchCommand, item: BatchItem, single: SingleCommand) -> BatchItemResult:
        plan: tuple[Change, ...] = ()
        try:
            outcome = await self._writer.attempt(single.model_copy(update={"dry_run": True}), None, foresee=False)
        except PermanentError as error:
            if not is_excused(batch, item, error):
                return refused(item, single.id, error.code, str(error))
        else:
            plan = outcome.changes if batch.dry_run else ()
            found = () if outcome.preview is None else outcome.preview.refusals
            if refusals := [text for text in found if not text.startswith(OVER_QUOTA)]:  # that is for all together
                return refused(item, single.id, Code.ADMISSION, "; ".join(refusals))
        return BatchItemResult(name=item.name, command_id=single.id, status=ResultStatus.SUCCEEDED, plan=plan)
