"""The last thing that a writer does.

Invariant: when it returns, everything that was handed over is durable and sealed; otherwise it says how much
is not, and has given the files back for the next start to recover.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from observer_collector.recording.journals import Journals
from observer_core.errors import StorageError
from observer_core.logs import logger

_log = logger(__name__)


async def seal(journals: Journals, writing: Sequence[asyncio.Task[None]], *, seconds: float) -> None:
    """Closes both tracks and waits until they are sealed.

    Args:
        journals: Both tracks.
        writing: The tasks of their writers.
        seconds: Real time that they have for it.

    Raises:
        StorageError: The disk took no more, or a writer had failed; what was not durable is lost.
    """
    writers = [track.writer for track in journals.tracks.values()]
    for writer in writers:
        writer.close()
    await asyncio.wait(writing, timeout=seconds)
    late = [task for task in writing if not task.done()]
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    faults = [error for task in writing if not task.cancelled() and (error := task.exception()) is not None]
    if not late and not faults:
        return
    for fault in faults:
        _log.error("A writer of the journal has failed.", exc_info=fault)
    if not late:
        # A defect and not the disk: what the writer has not come to can still be written.
        await asyncio.gather(*(writer.rescue() for writer in writers), return_exceptions=True)
    lost = sum(writer.backlog_bytes for writer in writers)
    left = [name for writer in writers for name in writer.unsealed]
    for writer in writers:
        writer.abandon()
    causes = "".join(f"; {type(fault).__name__}: {fault}" for fault in faults)
    raise StorageError(
        f"The journal could not be sealed: {lost} bytes did not reach the disk; "
        f"not sealed: {', '.join(left) or 'nothing that has a file'}{causes}.",
        remedy="The next start recovers what is on the disk."
        if faults
        else "Free space on OBSERVER_DATA_DIR; the next start recovers what is on it.",
    ) from next(iter(faults), None)
