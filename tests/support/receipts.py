"""What a process had received when it was killed: a file that outlives it (SIGKILL keeps the page cache).

A receipt is written before the record is handed over, so that no received record lacks one.
"""

import os
import struct
from dataclasses import dataclass, field

# Epoch, monotonic nanoseconds, symbol, cumulative volume; a symbol below zero marks what is durable.
_ROW = struct.Struct("<iqiq")
_DURABLE = -1


class Receipts:
    """Writes them, one system call each."""

    def __init__(self, path):
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def received(self, epoch, mono_ns, records):
        """Notes the records of one frame, each as its symbol and its cumulative volume."""
        os.write(self._file, b"".join(_ROW.pack(epoch, mono_ns, *record) for record in records))

    def durable(self, epoch, until_ns):
        """Notes that the journal has reported everything as durable that was received before an instant."""
        os.write(self._file, _ROW.pack(epoch, until_ns, _DURABLE, 0))


@dataclass
class Epoch:
    """What one process had received.

    Attributes:
        received: When, by symbol and cumulative volume.
        durable_ns: Everything received before this instant was reported as durable.
    """

    received: dict[tuple[int, int], int] = field(default_factory=dict)
    durable_ns: int = 0


def read_receipts(path):
    """Returns the epochs of a file by their number; a row that the kill has torn counts as none."""
    epochs = {}
    content = path.read_bytes()
    for number, mono_ns, symbol, volume in _ROW.iter_unpack(content[: len(content) // _ROW.size * _ROW.size]):
        epoch = epochs.setdefault(number, Epoch())
        if symbol == _DURABLE:
            epoch.durable_ns = max(epoch.durable_ns, mono_ns)
        else:
            epoch.received[symbol, volume] = mono_ns
    return epochs
