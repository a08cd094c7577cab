"""The last thing that a writer does.

Invariant: when it returns, everything that was handed over is durable and sealed; otherwise it says how much
is not, and has given the files back for the next start to recover.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from observer_collector.recording.journals import Journals
from observer_core.errors import StorageError


async def seal(journals: Journals, writing: Sequence[asyncio.Task[None]], *, seconds: float) -> None:
    """Closes both tracks and waits until they are sealed.

    Args:
        journals: Both tracks.
        writing: The tasks of their writers.
        seconds: Real time that they have for it.

    Raises:
        StorageError: The disk took no more; what was not durable is lost.
    """
    writers = [track.writer for track in journals.tracks.values()]
    for writer in writers:
        writer.close()
    await asyncio.wait(writing, timeout=seconds)
    lost = sum(writer.backlog_bytes for writer in writers)
    unsealed = [task for task in writing if not task.done()]
    for task in unsealed:
        task.cancel()
    await asyncio.gather(*unsealed, return_exceptions=True)
    if unsealed:
        for writer in writers:
            writer.abandon()
        raise StorageError(
            f"The journal could not be sealed: {lost} bytes did not reach the disk.",
            remedy="Free space on OBSERVER_DATA_DIR; the next start recovers what is on it.",
        )
