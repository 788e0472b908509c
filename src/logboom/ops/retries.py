"""RefusedLine lines that are judged again, after the settings have changed."""

import asyncio
from collections.abc import Mapping
from typing import Any

from logboom.model import INVALID, Receipt, Source, Verdict
from logboom.ops.supervisor import Supervised
from logboom.pipeline.refusals import RefusedLine, RefusedLines

_DONE = frozenset({Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.FILTERED})


async def retry_refused(kept: RefusedLines, listeners: Mapping[str, Supervised[Any]]) -> dict[str, int]:
    """Judge each line again as its listener does now, store what is accepted, and forget it.

    Returns:
        Number of lines that were stored, and of those that are still refused.
    """
    stored = set[int]()
    lines = list(kept)
    for line in reversed(lines):  # oldest first
        listener = listeners.get(line.listener)
        if listener is not None and await _retry(line, listener.service):
            stored.add(line.id)
    kept.remove(stored)
    return {"stored": len(stored), "refused": len(lines) - len(stored)}


async def _retry(line: RefusedLine, listener: Any) -> bool:
    """Store one line; false where it is refused again, or can't be judged again."""
    judge = getattr(listener, "judge_again", None)
    if judge is None or line.raw is None or not line.whole:
        return False
    batches = judge(line.raw)
    if not batches or any(not INVALID.isdisjoint(batch.verdicts) for batch in batches):
        return False
    for batch in batches:
        batch.source = Source(line.listener, line.source, line.address)
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        listener.intake.submit(batch, receipt.set_result)
        if not _DONE.issuperset((await receipt).verdicts):
            return False
    return True
